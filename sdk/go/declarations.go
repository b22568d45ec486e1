package controller

import "encoding/json"

// Kind names a kind of objects.
type Kind struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
}

// Key names an entry of the module's queue, mostly an object.
type Key struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

// Manifest is the answer of Module.Setup.
type Manifest struct {
	// For is the kind whose objects are the keys of this module.
	For     *Kind   `json:"for,omitempty"`
	Watches []Watch `json:"watches,omitempty"`
	// Admits says what Module.Admit is asked about.
	Admits []Admits `json:"admits,omitempty"`
	// Concurrency is the number of instances that share the keys; 0 means 1.
	Concurrency int      `json:"concurrency,omitempty"`
	Backoff     *Backoff `json:"backoff,omitempty"`
	// Snapshot asks for Module.Snapshot before an idle drop.
	Snapshot bool `json:"snapshot,omitempty"`
	// UnconditionalUpdates allows updates without a resourceVersion.
	UnconditionalUpdates bool `json:"unconditionalUpdates,omitempty"`
}

// Backoff is the delay of a failing key: BaseMs times two for each failure, MaxMs at most.
type Backoff struct {
	BaseMs int64 `json:"baseMs,omitempty"`
	MaxMs  int64 `json:"maxMs,omitempty"`
}

// Admits is one rule of what a module admits.
type Admits struct {
	Operations    []string `json:"operations"`
	APIVersion    string   `json:"apiVersion"`
	Kind          string   `json:"kind"`
	FailurePolicy string   `json:"failurePolicy,omitempty"`
}

// Watch declares a watch: which objects, which keys their changes yield, and how they are cached.
type Watch struct {
	ID            string `json:"id"`
	APIVersion    string `json:"apiVersion"`
	Kind          string `json:"kind"`
	Namespace     string `json:"namespace,omitempty"` // "" for all
	LabelSelector string `json:"labelSelector,omitempty"`
	FieldSelector string `json:"fieldSelector,omitempty"`
	// Map names the keys of a change; none: the object itself.
	Map []Mapping `json:"map,omitempty"`
	// On lists subtrees (JSON pointers): only their changes count as an update. None: all do.
	On []string `json:"on,omitempty"`
	// Where lists conditions: objects that do not meet them yield no keys.
	Where []Condition `json:"where,omitempty"`
	// Indexes are looked up by List with Index.
	Indexes map[string]Index `json:"indexes,omitempty"`
	// Mode "metadata" caches metadata only; "" means "full".
	Mode string `json:"mode,omitempty"`
	// Keep prunes cached objects to these subtrees.
	Keep []string `json:"keep,omitempty"`
	// SelectorFallback "client" evaluates a selector locally that the API server refuses; "" means "fail".
	SelectorFallback string `json:"selectorFallback,omitempty"`
	// OnClose "silent" leaves out what "" and "enqueue" do: keys that only this watch showed are enqueued when it closes.
	OnClose string `json:"onClose,omitempty"`
}

// Mapping names the keys that a change yields.
type Mapping struct {
	By      string `json:"by"`
	Kind    string `json:"kind,omitempty"`
	Pointer string `json:"pointer,omitempty"`
	Watch   string `json:"watch,omitempty"`
	Index   string `json:"index,omitempty"`
}

// MapSelf: the object itself.
func MapSelf() Mapping { return Mapping{By: "self"} }

// MapOwner: the object's controller owner of that kind.
func MapOwner(kind string) Mapping { return Mapping{By: "owner", Kind: kind} }

// MapPath: the object of that kind whose name is at a JSON pointer, in the same namespace.
func MapPath(kind, pointer string) Mapping { return Mapping{By: "path", Kind: kind, Pointer: pointer} }

// MapIndex: every object of another watch whose index has this object's namespace/name.
func MapIndex(watch, index string) Mapping { return Mapping{By: "index", Watch: watch, Index: index} }

// MapGuest: what Module.Map says.
func MapGuest() Mapping { return Mapping{By: "guest"} }

// Condition holds for the value at a JSON pointer: it equals Eq, or not Ne, or it exists as Exists says. Or one of Any holds.
type Condition struct {
	Pointer string      `json:"pointer,omitempty"`
	Eq      any         `json:"eq,omitempty"`
	Ne      any         `json:"ne,omitempty"`
	Exists  *bool       `json:"exists,omitempty"`
	Any     []Condition `json:"any,omitempty"`
}

// Index is a list of JSON pointers whose values are joined with "/", or ByOwner.
type Index []string

// ByOwner indexes objects by UID and name of their controller owner.
var ByOwner = Index{"owner"}

// MarshalJSON writes ByOwner as the word that the host expects.
func (i Index) MarshalJSON() ([]byte, error) {
	if len(i) == 1 && i[0] == "owner" {
		return []byte(`"owner"`), nil
	}
	return json.Marshal([]string(i))
}
