// Keeps a ConfigMap named greeting in each Namespace that is labelled greet=yes, as README.md says.
package main

import (
	"encoding/json"

	controller "edged.dev/sdk/go"
)

type settings struct {
	Text string `json:"text"`
}

// What of a Namespace or a ConfigMap this module reads.
type object struct {
	Metadata struct {
		Name            string `json:"name"`
		UID             string `json:"uid"`
		ResourceVersion string `json:"resourceVersion"`
	} `json:"metadata"`
	Data map[string]string `json:"data"`
}

var config settings

func init() { controller.Register(controller.Module{Setup: setup, Reconcile: reconcile}) }

func main() {}

// setup says what the module watches, and which keys a change means: a Namespace its own, a ConfigMap that of its owner.
func setup(input controller.Setup) (controller.Manifest, error) {
	config = settings{Text: "Hello"}
	if err := json.Unmarshal(input.Config, &config); err != nil {
		return controller.Manifest{}, err
	}
	return controller.Manifest{
		For: &controller.Kind{APIVersion: "v1", Kind: "Namespace"},
		Watches: []controller.Watch{
			{ID: "namespaces", APIVersion: "v1", Kind: "Namespace", LabelSelector: "greet=yes", Mode: "metadata"},
			{ID: "greetings", APIVersion: "v1", Kind: "ConfigMap", FieldSelector: "metadata.name=greeting",
				Map: []controller.Mapping{controller.MapOwner("Namespace")}},
		},
	}, nil
}

// reconcile compares what is with what should be, and writes the difference. An error is tried again, later and later.
func reconcile(request controller.Request) (controller.Result, error) {
	if request.Gone() {
		return controller.Result{}, nil // its ConfigMap goes with it
	}
	var namespace, greeting object
	if err := json.Unmarshal(request.Object, &namespace); err != nil {
		return controller.Result{}, err
	}
	found, err := controller.Get(controller.GetRequest{
		APIVersion: "v1", Kind: "ConfigMap", Namespace: namespace.Metadata.Name, Name: "greeting",
	})
	if controller.CodeOf(err) == controller.NotFound {
		return controller.Result{}, create(namespace)
	}
	if err != nil {
		return controller.Result{}, err
	}
	if err := json.Unmarshal(found.Object, &greeting); err != nil {
		return controller.Result{}, err
	}
	if greeting.Data["text"] == config.Text {
		return controller.Result{}, nil
	}
	_, err = controller.Patch(controller.WriteRequest{
		APIVersion: "v1", Kind: "ConfigMap", Namespace: namespace.Metadata.Name, Name: "greeting", PatchType: "merge",
		Patch:         map[string]any{"data": map[string]string{"text": config.Text}},
		Preconditions: &controller.Preconditions{ResourceVersion: greeting.Metadata.ResourceVersion},
	})
	return controller.Result{}, err
}

func create(namespace object) error {
	controller.Log(controller.Info, "greeting "+namespace.Metadata.Name)
	_, err := controller.Create(controller.WriteRequest{
		APIVersion: "v1", Kind: "ConfigMap", Namespace: namespace.Metadata.Name, Name: "greeting",
		Object: map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap",
			"metadata": map[string]any{"namespace": namespace.Metadata.Name, "name": "greeting"},
			"data":     map[string]string{"text": config.Text},
		},
		OwnedBy: &controller.Owner{
			APIVersion: "v1", Kind: "Namespace", Name: namespace.Metadata.Name, UID: namespace.Metadata.UID,
		},
	})
	return err
}
