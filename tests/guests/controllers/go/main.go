// The conformance guest in Go. What it does is written in tests/controllers/conformance/README.md.
package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"

	controller "edged.dev/sdk/go"
)

func init() {
	controller.Register(controller.Module{
		Setup: setup, Reconcile: reconcile, Map: mapped, Admit: admit,
		Snapshot: snapshot, Restore: restore,
		Stop: func() { controller.Log(controller.Info, "stopped") },
	})
}

func main() {}

type metadata struct {
	Namespace       string `json:"namespace"`
	Name            string `json:"name"`
	UID             string `json:"uid,omitempty"`
	ResourceVersion string `json:"resourceVersion,omitempty"`
}

type configMap struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Metadata   metadata          `json:"metadata"`
	Data       map[string]string `json:"data,omitempty"`
	Status     map[string]string `json:"status,omitempty"`
}

func newConfigMap(namespace, name string) configMap {
	return configMap{APIVersion: "v1", Kind: "ConfigMap", Metadata: metadata{Namespace: namespace, Name: name}}
}

func decoded(object json.RawMessage) configMap {
	var value configMap
	_ = json.Unmarshal(object, &value) // a missing object has no text
	return value
}

func setup(input controller.Setup) (controller.Manifest, error) {
	var config struct {
		Limit    *int   `json:"limit"`
		Greeting string `json:"greeting"`
	}
	if err := json.Unmarshal(input.Config, &config); err != nil {
		return controller.Manifest{}, err
	}
	if config.Limit == nil {
		return controller.Manifest{}, errors.New("config.limit is missing")
	}
	controller.Log(controller.Info, "setup "+input.Module+" "+input.Node+" "+input.Reason+" "+
		strconv.FormatInt(input.Generation, 10)+" "+config.Greeting+" "+strconv.Itoa(len(input.OpenWatches)))
	return controller.Manifest{
		For: &controller.Kind{APIVersion: "v1", Kind: "ConfigMap"},
		Watches: []controller.Watch{{
			ID: "configs", APIVersion: "v1", Kind: "ConfigMap",
			Map: []controller.Mapping{controller.MapSelf()}, On: []string{"/data"},
			Indexes: map[string]controller.Index{"by-text": {"/data/text"}, "by-owner": controller.ByOwner},
		}, {
			ID: "nodes", APIVersion: "v1", Kind: "Node", LabelSelector: "edge=yes",
			Map: []controller.Mapping{controller.MapGuest()}, Mode: "metadata",
		}},
		Admits: []controller.Admits{{
			Operations: []string{"CREATE", "UPDATE"}, APIVersion: "v1", Kind: "ConfigMap", FailurePolicy: "Ignore",
		}},
		Backoff:  &controller.Backoff{BaseMs: 10, MaxMs: 60000},
		Snapshot: true,
	}, nil
}

var count int

func reconcile(request controller.Request) (controller.Result, error) {
	switch request.Key.Name {
	case "get":
		return controller.Result{}, read(request.Key, false, "")
	case "get-live":
		return controller.Result{}, read(request.Key, true, "configs")
	case "mirror":
		got, err := settings(request.Key, false, "")
		if err != nil {
			return controller.Result{}, err
		}
		return controller.Result{}, mirror(request.Key, decoded(got.Object).Data["text"])
	case "mirror-own":
		return controller.Result{}, mirror(request.Key, decoded(request.Object).Data["text"])
	case "echo":
		return controller.Result{}, note(request.Key, "Echo", decoded(request.Object).Data["text"])
	case "list":
		return controller.Result{}, list(controller.ListRequest{
			APIVersion: "v1", Kind: "ConfigMap", Namespace: request.Key.Namespace,
			LabelSelector: "app=web", Fields: []string{"/metadata/name"}, Limit: 2,
		})
	case "list-index":
		return controller.Result{}, list(controller.ListRequest{
			APIVersion: "v1", Kind: "ConfigMap", Watch: "configs",
			Index: &controller.IndexLookup{Name: "by-text", Value: "Grüße, 世界"},
		})
	case "watch":
		return watch(request.Key.Namespace)
	case "unwatch":
		return controller.Result{}, unwatch()
	case "enqueue":
		later := controller.Key{Kind: "ConfigMap", Namespace: request.Key.Namespace, Name: "later"}
		return controller.Result{}, controller.Enqueue(later, 1500)
	case "ext":
		return controller.Result{}, extension(request.Key)
	case "clock":
		return controller.Result{}, clock()
	case "log":
		controller.Log(controller.Debug, "debug ä")
		controller.Log(controller.Info, "info ö")
		controller.Log(controller.Warning, "warning ü")
		controller.Log(controller.Problem, "error ß")
	case "gone":
		if request.Gone() {
			controller.Log(controller.Info, "gone")
		} else {
			controller.Log(controller.Info, "there")
		}
	case "requeue":
		return controller.Result{RequeueAfterMs: 2500}, nil
	case "fail":
		return controller.Result{}, errors.New("as asked")
	case "terminal":
		return controller.Result{Error: "as asked", Terminal: true}, nil
	case "count":
		count++
		return controller.Result{}, controller.Metric("counted", "inc", float64(count), nil)
	case "trap":
		panic("as asked")
	}
	return controller.Result{}, write(request)
}

func note(key controller.Key, reason, text string) error {
	return controller.Emit(controller.Event{
		Regarding: controller.Reference{
			APIVersion: "v1", Kind: "ConfigMap", Namespace: key.Namespace, Name: key.Name,
		},
		Type: "Normal", Reason: reason, Note: text,
	})
}

func settings(key controller.Key, live bool, watch string) (controller.Got, error) {
	return controller.Get(controller.GetRequest{
		APIVersion: "v1", Kind: "ConfigMap", Namespace: key.Namespace, Name: "settings", Live: live, Watch: watch,
	})
}

func mirror(key controller.Key, text string) error {
	_, err := controller.Patch(controller.WriteRequest{
		APIVersion: "v1", Kind: "ConfigMap", Namespace: key.Namespace, Name: key.Name,
		PatchType: "merge", Patch: map[string]any{"data": map[string]string{"text": text}},
	})
	return err
}

func read(key controller.Key, live bool, watch string) error {
	got, err := settings(key, live, watch)
	if err != nil {
		return err
	}
	return note(key, "Read", decoded(got.Object).Data["text"])
}

func list(request controller.ListRequest) error {
	found := 0
	for {
		listed, err := controller.List(request)
		if err != nil {
			return err
		}
		found += len(listed.Items)
		if request.Continue = listed.Continue; request.Continue == "" {
			return controller.Metric("listed", "set", float64(found), map[string]string{"kind": "ConfigMap"})
		}
	}
}

func write(request controller.Request) error {
	key, object := request.Key, decoded(request.Object)
	base := controller.WriteRequest{APIVersion: "v1", Kind: "ConfigMap", Namespace: key.Namespace, Name: key.Name}
	switch key.Name {
	case "create":
		return create(key, base, object)
	case "update":
		status := newConfigMap(key.Namespace, key.Name)
		status.Status = map[string]string{"phase": "Ready"}
		base.Subresource, base.Object = "status", status
		base.Preconditions = &controller.Preconditions{
			UID: object.Metadata.UID, ResourceVersion: object.Metadata.ResourceVersion,
		}
		written, err := controller.Update(base)
		if err != nil {
			return err
		}
		return note(key, "Updated", written.RV)
	case "patch-merge":
		settle := false
		base.PatchType, base.Settle = "merge", &settle
		base.Patch = json.RawMessage(`{"metadata":{"annotations":{"seen":"yes","old":null}}}`)
		_, err := controller.Patch(base)
		return err
	case "patch-json":
		base.PatchType, base.DryRun = "json", true
		base.Patch = []controller.PatchOp{
			{Op: "test", Path: "/data/text", Value: "here"}, {Op: "remove", Path: "/data/text"},
		}
		_, err := controller.Patch(base)
		return err
	case "apply":
		applied := newConfigMap(key.Namespace, "applied")
		applied.Data = map[string]string{"text": "applied"}
		base.Name, base.Object, base.Force = "applied", applied, true
		_, err := controller.Apply(base)
		var failed *controller.Error
		if errors.As(err, &failed) && failed.Code == controller.Conflict {
			return note(key, "Conflict", failed.Fields[0])
		}
		return err
	case "delete":
		base.Preconditions = &controller.Preconditions{UID: object.Metadata.UID}
		base.Propagation = "Background"
		_, err := controller.Delete(base)
		if controller.CodeOf(err) == controller.NotFound {
			return nil
		}
		return err
	}
	return nil
}

func create(key controller.Key, base controller.WriteRequest, owner configMap) error {
	copied := newConfigMap(key.Namespace, "copy")
	copied.Data = map[string]string{"text": "Grüße, 世界 🚀 \"quoted\" \\ back"}
	base.Name, base.Object, base.OnExists = "copy", copied, "return"
	base.OwnedBy = &controller.Owner{APIVersion: "v1", Kind: "ConfigMap", Name: key.Name, UID: owner.Metadata.UID}
	written, err := controller.Create(base)
	var failed *controller.Error
	if errors.As(err, &failed) && failed.Code == controller.AlreadyExists {
		return note(key, "Exists", decoded(failed.Current).Metadata.UID)
	}
	if err != nil {
		return err
	}
	return note(key, "Created", written.UID)
}

func watch(namespace string) (controller.Result, error) {
	opened, err := controller.WatchOpen(controller.Watch{
		ID: "vni-42", APIVersion: "v1", Kind: "ConfigMap", Namespace: namespace,
		LabelSelector: "app=web", FieldSelector: "metadata.name!=x",
		Map: []controller.Mapping{
			controller.MapOwner("ConfigMap"), controller.MapPath("ConfigMap", "/data/target"), controller.MapIndex("configs", "by-text"),
		},
		On:               []string{"/data", "/metadata/labels"},
		Where:            []controller.Condition{{Pointer: "/data/ready", Eq: true}},
		Indexes:          map[string]controller.Index{"vni": {"/data/vni", "/metadata/name"}},
		Keep:             []string{"/metadata", "/data"},
		SelectorFallback: "client", OnClose: "silent",
	})
	if err != nil || opened.Synced {
		return controller.Result{}, err
	}
	return controller.Result{RequeueOn: "sync"}, nil
}

func unwatch() error {
	dropped, err := controller.WatchClose("vni-42")
	if err != nil {
		return err
	}
	return controller.Metric("dropped", "set", float64(dropped), nil)
}

func extension(key controller.Key) error {
	answer, err := controller.Ext("netfabric", "list", map[string]int{"vni": 42})
	if err != nil {
		return err
	}
	var said struct {
		Text string `json:"text"`
	}
	if err := json.Unmarshal(answer, &said); err != nil {
		return err
	}
	return note(key, "Ext", said.Text)
}

func clock() error {
	now, mono, buffer := controller.NowMs(), controller.MonoMs(), make([]byte, 4)
	if err := controller.Random(buffer); err != nil {
		return err
	}
	controller.Log(controller.Info,
		strconv.FormatInt(now, 10)+" "+strconv.FormatInt(mono, 10)+" "+hex.EncodeToString(buffer))
	return nil
}

func mapped(change controller.Change) ([]controller.Key, error) {
	var keys []controller.Key
	old, object := decoded(change.Old).Data["target"], decoded(change.Object)
	for _, name := range []string{old, object.Data["target"]} {
		if name != "" && (len(keys) == 0 || keys[0].Name != name) {
			keys = append(keys, controller.Key{Kind: "ConfigMap", Namespace: object.Metadata.Namespace, Name: name})
		}
	}
	return keys, nil
}

func admit(request controller.AdmissionRequest) (controller.Admission, error) {
	admission := controller.Allow()
	switch decoded(request.Object).Data["text"] {
	case "":
		return controller.Refuse(422, "text is missing"), nil
	case "plain":
		return admission, nil
	}
	admission.Patch = []controller.PatchOp{
		{Op: "add", Path: "/metadata/labels", Value: map[string]string{"seen": "yes"}},
	}
	admission.Warnings = []string{"labelled on " + request.Operation}
	return admission, nil
}

type memory struct {
	Count int `json:"count"`
}

func snapshot() ([]byte, error) { return json.Marshal(memory{count}) }

func restore(snapshot []byte) error {
	var kept memory
	if err := json.Unmarshal(snapshot, &kept); err != nil {
		return err
	}
	count = kept.Count
	return nil
}
