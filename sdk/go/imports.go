//go:build wasip1

package controller

import (
	"encoding/json"
	"unsafe"
)

// GetRequest asks for one object.
type GetRequest struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace,omitempty"`
	Name       string `json:"name"`
	// Live reads from the API server instead of the cache.
	Live bool `json:"live,omitempty"`
	// Watch reads the cache of that watch alone.
	Watch string `json:"watch,omitempty"`
}

// Got is the answer of Get.
type Got struct {
	Object json.RawMessage `json:"object"`
	RV     string          `json:"rv"`
	// Sources are the ids of the watches that show the object.
	Sources []string `json:"sources"`
}

// Get reads one object, from the cache unless Live. NotFound where it is absent.
func Get(request GetRequest) (Got, error) { return call[Got](get, request) }

// ListRequest asks for objects of a kind.
type ListRequest struct {
	APIVersion    string       `json:"apiVersion"`
	Kind          string       `json:"kind"`
	Namespace     string       `json:"namespace,omitempty"`
	LabelSelector string       `json:"labelSelector,omitempty"`
	FieldSelector string       `json:"fieldSelector,omitempty"`
	Index         *IndexLookup `json:"index,omitempty"`
	Watch         string       `json:"watch,omitempty"`
	// Fields cuts items to these subtrees (JSON pointers).
	Fields   []string `json:"fields,omitempty"`
	Limit    int      `json:"limit,omitempty"`
	Continue string   `json:"continue,omitempty"`
	// Live reads from the API server instead of the cache.
	Live bool `json:"live,omitempty"`
}

// IndexLookup chooses objects by an index that a watch declares.
type IndexLookup struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Listed is the answer of List. Continue is set where there is more.
type Listed struct {
	Items    []json.RawMessage `json:"items"`
	RV       string            `json:"rv"`
	Continue string            `json:"continue"`
}

// List reads objects of a kind, from the cache unless Live.
func List(request ListRequest) (Listed, error) { return call[Listed](list, request) }

// Preconditions must hold for a write to happen; otherwise it is a Conflict.
type Preconditions struct {
	UID             string `json:"uid,omitempty"`
	ResourceVersion string `json:"resourceVersion,omitempty"`
}

// Owner is an object that owns the written one: the host adds the ownerReference.
type Owner struct {
	APIVersion string `json:"apiVersion,omitempty"`
	Kind       string `json:"kind"`
	Name       string `json:"name"`
	UID        string `json:"uid"`
}

// WriteRequest asks for a change of one object. Create, Update, Patch, Apply and Delete set Verb.
type WriteRequest struct {
	Verb        string `json:"verb"`
	APIVersion  string `json:"apiVersion"`
	Kind        string `json:"kind"`
	Namespace   string `json:"namespace,omitempty"`
	Name        string `json:"name,omitempty"`
	Subresource string `json:"subresource,omitempty"`
	// Object is the object to create, update or apply.
	Object any `json:"object,omitempty"`
	// PatchType is "merge" or "json".
	PatchType string `json:"patchType,omitempty"`
	Patch     any    `json:"patch,omitempty"`
	// Force takes over fields of other managers (apply).
	Force         bool           `json:"force,omitempty"`
	Preconditions *Preconditions `json:"preconditions,omitempty"`
	// Propagation of a delete: "Background", "Foreground" or "Orphan".
	Propagation string `json:"propagation,omitempty"`
	DryRun      bool   `json:"dryRun,omitempty"`
	// OnExists "return" puts the object in the way into Error.Current (create).
	OnExists string `json:"onExists,omitempty"`
	OwnedBy  *Owner `json:"ownedBy,omitempty"`
	// Settle false: the cache may show the old object for a moment. Nil means true.
	Settle *bool `json:"settle,omitempty"`
}

// Written is the answer of a write.
type Written struct {
	Object json.RawMessage `json:"object"`
	RV     string          `json:"rv"`
	UID    string          `json:"uid"`
}

// Write changes one object. After success the cache of this module shows the new version.
func Write(request WriteRequest) (Written, error) { return call[Written](writeObject, request) }

// Create creates an object. AlreadyExists where there is one of that name.
func Create(request WriteRequest) (Written, error) { return write("create", request) }

// Update replaces an object. It needs a resourceVersion, in the object or as a precondition.
func Update(request WriteRequest) (Written, error) { return write("update", request) }

// Patch changes parts of an object.
func Patch(request WriteRequest) (Written, error) { return write("patch", request) }

// Apply is server-side apply, with edged/MODULE as the field manager.
func Apply(request WriteRequest) (Written, error) { return write("apply", request) }

// Delete deletes an object.
func Delete(request WriteRequest) (Written, error) { return write("delete", request) }

func write(verb string, request WriteRequest) (Written, error) {
	request.Verb = verb
	return Write(request)
}

// Opened is the answer of WatchOpen.
type Opened struct {
	ID      string `json:"id"`
	Created bool   `json:"created"`
	Synced  bool   `json:"synced"`
}

// WatchOpen opens a watch. Opening the same one again changes nothing; WatchClash where the id means another one.
func WatchOpen(watch Watch) (Opened, error) { return call[Opened](watchOpen, watch) }

// WatchClose closes a watch and says how many objects were visible only through it.
func WatchClose(id string) (int, error) {
	closed, err := call[struct {
		Dropped int `json:"dropped"`
	}](watchClose, map[string]string{"id": id})
	return closed.Dropped, err
}

// Enqueue adds a key to the queue of this module, after a delay.
func Enqueue(key Key, afterMs int64) error {
	return tell(enqueue, struct {
		Key     Key   `json:"key"`
		AfterMs int64 `json:"afterMs"`
	}{key, afterMs})
}

// Reference names the object that an event regards.
type Reference struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace,omitempty"`
	Name       string `json:"name"`
	UID        string `json:"uid,omitempty"`
}

// Event is a note for people about an object. The host joins equal ones.
type Event struct {
	Regarding Reference `json:"regarding"`
	Type      string    `json:"type"` // "Normal" or "Warning"
	Reason    string    `json:"reason"`
	Note      string    `json:"note"`
	Action    string    `json:"action,omitempty"`
}

// Emit records an event. Losing one is fine.
func Emit(note Event) error { return tell(event, note) }

// Metric changes a metric of this module: op is "inc", "set" or "observe".
func Metric(name, op string, value float64, labels map[string]string) error {
	return tell(metric, struct {
		Name   string            `json:"name"`
		Op     string            `json:"op"`
		Value  float64           `json:"value"`
		Labels map[string]string `json:"labels,omitempty"`
	}{name, op, value, labels})
}

// Ext asks an extension of the host that the module was granted.
func Ext(name, op string, args any) (json.RawMessage, error) {
	return call[json.RawMessage](ext, struct {
		Ext  string `json:"ext"`
		Op   string `json:"op"`
		Args any    `json:"args,omitempty"`
	}{name, op, args})
}

// Level of a line in the log.
type Level uint32

// Levels of the log.
const (
	Debug Level = iota
	Info
	Warning
	Problem
)

func tell(function hostFunction, request any) error {
	_, err := call[json.RawMessage](function, request)
	return err
}

func call[Answer any](function hostFunction, request any) (Answer, error) {
	var answer Answer
	body, err := json.Marshal(request)
	if err != nil {
		return answer, err
	}
	packed := function(unsafe.Pointer(unsafe.SliceData(body)), uint32(len(body)))
	status, latch := Code(int32(packed>>32)), readAll(respRead, uint32(packed))
	if status < 0 {
		failed := &Error{}
		if json.Unmarshal(latch, failed) != nil {
			failed.Message = string(latch)
		}
		failed.Code = status
		return answer, failed
	}
	if len(latch) == 0 {
		return answer, nil
	}
	return answer, json.Unmarshal(latch, &answer)
}
