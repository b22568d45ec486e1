// Package controller is what a controller module of edged needs in Go: the exports of the guest ABI edged_ctl_v1, wired
// by one registration, and its imports as functions.
//
//	func init() { controller.Register(controller.Module{Setup: setup, Reconcile: reconcile}) }
//	func main() {}
//
// Build with
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -ldflags="-s -w" -o module.wasm .
//
// The host runs one export at a time, and no export while an import is waiting. Memory of the module is never the
// truth: it may be gone at the next call. docs/controllers-abi.md is the reference.
package controller

import "encoding/json"

// Module holds the functions of a controller. Setup and Reconcile are needed, or Setup and Admit; the others may be nil.
type Module struct {
	// Setup is called once per instance, before anything else. An error stops the module: its configuration is bad.
	Setup func(Setup) (Manifest, error)
	// Reconcile brings the world to what one key asks for. An error that is a *Error decides by its code what comes
	// next (see Answer); any other error is a retry with back-off.
	Reconcile func(Request) (Result, error)
	// Map names the keys that a change of a watched object concerns (mapping "guest"). It reads caches only.
	Map func(Change) ([]Key, error)
	// Admit decides on a request to the API server. Caches and live reads only, no writes.
	Admit func(AdmissionRequest) (Admission, error)
	// Snapshot gives what Restore needs after an idle drop, 256 KiB at most. The manifest must say so: Snapshot: true.
	Snapshot func() ([]byte, error)
	// Restore takes a snapshot back. After an error the module goes on as after Setup.
	Restore func([]byte) error
	// Stop is the last call, with 100 ms.
	Stop func()
}

var registered Module

// Register names the functions of this module. Call it from init: main does not run in a reactor.
func Register(module Module) { registered = module }

// Setup is the input of Module.Setup.
type Setup struct {
	Module     string          `json:"module"`
	Node       string          `json:"node"`
	Config     json.RawMessage `json:"config"`
	Generation int64           `json:"generation"`
	// Reason is "first", "wake", "trap" or "upgrade".
	Reason string `json:"reason"`
	// Snapshot says whether Restore will be called.
	Snapshot bool `json:"snapshot"`
	// OpenWatches were opened by WatchOpen and survived the last instance.
	OpenWatches []OpenWatch `json:"openWatches"`
}

// OpenWatch says which objects a watch shows.
type OpenWatch struct {
	ID            string `json:"id"`
	APIVersion    string `json:"apiVersion"`
	Kind          string `json:"kind"`
	Namespace     string `json:"namespace"`
	LabelSelector string `json:"labelSelector"`
	FieldSelector string `json:"fieldSelector"`
}

// Request is the input of Module.Reconcile.
type Request struct {
	Key Key `json:"key"`
	// Object is the cached object of the key; nil where it is gone.
	Object json.RawMessage `json:"object"`
	// Sources are the ids of the watches that show the object.
	Sources []string `json:"sources"`
	// Ambiguous is true where sources show different versions.
	Ambiguous bool `json:"ambiguous"`
	// Attempt is 1, and grows with each failure of this key since its last success.
	Attempt int `json:"attempt"`
	// DeadlineMs is the time left for this call.
	DeadlineMs int64 `json:"deadlineMs"`
}

// Gone says whether the object of the key does not exist.
func (r Request) Gone() bool { return len(r.Object) == 0 || string(r.Object) == "null" }

// Result is the answer of Module.Reconcile. The zero value is success.
type Result struct {
	// RequeueAfterMs asks for the key again after that time.
	RequeueAfterMs int64 `json:"requeueAfterMs,omitempty"`
	// RequeueOn "sync" asks for the key again once every open watch is synced.
	RequeueOn string `json:"requeueOn,omitempty"`
	// Error is a failure: the key is tried again with back-off.
	Error string `json:"error,omitempty"`
	// Terminal makes Error final until the object changes.
	Terminal bool `json:"terminal,omitempty"`
}

// Change is the input of Module.Map.
type Change struct {
	Watch string `json:"watch"`
	// Type is "added", "modified" or "deleted".
	Type   string          `json:"type"`
	Old    json.RawMessage `json:"old"`
	Object json.RawMessage `json:"object"`
}

// AdmissionRequest is the input of Module.Admit: the request of an AdmissionReview.
type AdmissionRequest struct {
	UID       string          `json:"uid"`
	Operation string          `json:"operation"`
	Namespace string          `json:"namespace"`
	Name      string          `json:"name"`
	Object    json.RawMessage `json:"object"`
	OldObject json.RawMessage `json:"oldObject"`
	UserInfo  json.RawMessage `json:"userInfo"`
	DryRun    bool            `json:"dryRun"`
}

// Admission is the answer of Module.Admit.
type Admission struct {
	Allowed  bool      `json:"allowed"`
	Status   *Status   `json:"status,omitempty"`
	Patch    []PatchOp `json:"patch,omitempty"`
	Warnings []string  `json:"warnings,omitempty"`
}

// Status says why a request is refused.
type Status struct {
	Message string `json:"message"`
	Code    int    `json:"code,omitempty"`
}

// PatchOp is an operation of a JSON patch (RFC 6902).
type PatchOp struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	From  string `json:"from,omitempty"`
	Value any    `json:"value,omitempty"`
}

// Allow admits a request as it is.
func Allow() Admission { return Admission{Allowed: true} }

// Refuse refuses a request with a message and an HTTP code.
func Refuse(code int, message string) Admission {
	return Admission{Status: &Status{Message: message, Code: code}}
}
