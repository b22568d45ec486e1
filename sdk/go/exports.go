//go:build wasip1

package controller

import (
	"encoding/json"
	"unsafe"
)

const abi = 1 << 16 // version 1.0

// What an export answers instead of a body.
const (
	retry    int64 = -1
	terminal int64 = -2
	badInput int64 = -3
)

var answered []byte // keeps the last answer alive until the next call

func packed(body []byte) int64 {
	answered = body
	if len(body) == 0 {
		return 0
	}
	return int64(uintptr(unsafe.Pointer(unsafe.SliceData(body))))<<32 | int64(len(body))
}

func packedJSON(value any) int64 {
	body, err := json.Marshal(value)
	if err != nil {
		Log(Problem, "the answer cannot be written as JSON: "+err.Error())
		return terminal
	}
	return packed(body)
}

// input reads what the running export was called with.
func input[Input any](length uint32) (Input, bool) {
	var value Input
	if err := json.Unmarshal(readAll(msgRead, length), &value); err != nil {
		Log(Problem, "the input cannot be read: "+err.Error())
		return value, false
	}
	return value, true
}

func failed(err error, code int64) int64 {
	Log(Problem, err.Error())
	return code
}

//go:wasmexport edged_ctl_abi
func exportABI() int32 { return abi }

//go:wasmexport edged_ctl_setup
func exportSetup(length uint32) int64 {
	setup, ok := input[Setup](length)
	if !ok {
		return badInput
	}
	manifest, err := registered.Setup(setup)
	if err != nil {
		return failed(err, badInput)
	}
	return packedJSON(manifest)
}

//go:wasmexport edged_ctl_reconcile
func exportReconcile(length uint32) int64 {
	request, ok := input[Request](length)
	if !ok {
		return badInput
	}
	if registered.Reconcile == nil {
		return terminal
	}
	result, err := registered.Reconcile(request)
	if err != nil {
		result = Answer(err)
	}
	if result == (Result{}) {
		return 0
	}
	return packedJSON(result)
}

//go:wasmexport edged_ctl_map
func exportMap(length uint32) int64 {
	change, ok := input[Change](length)
	if !ok {
		return badInput
	}
	keys := []Key{}
	if registered.Map != nil {
		found, err := registered.Map(change)
		if err != nil {
			return failed(err, retry)
		}
		keys = append(keys, found...)
	}
	return packedJSON(map[string][]Key{"keys": keys})
}

//go:wasmexport edged_ctl_admit
func exportAdmit(length uint32) int64 {
	request, ok := input[AdmissionRequest](length)
	if !ok {
		return badInput
	}
	if registered.Admit == nil {
		return terminal
	}
	admission, err := registered.Admit(request)
	if err != nil {
		return failed(err, retry)
	}
	return packedJSON(admission)
}

//go:wasmexport edged_ctl_snapshot
func exportSnapshot() int64 {
	if registered.Snapshot == nil {
		return 0
	}
	snapshot, err := registered.Snapshot()
	if err != nil {
		return failed(err, retry)
	}
	return packed(snapshot)
}

//go:wasmexport edged_ctl_restore
func exportRestore(length uint32) int64 {
	snapshot := readAll(msgRead, length)
	if registered.Restore == nil {
		return terminal
	}
	if err := registered.Restore(snapshot); err != nil {
		return failed(err, badInput)
	}
	return 0
}

//go:wasmexport edged_ctl_stop
func exportStop() int64 {
	if registered.Stop != nil {
		registered.Stop()
	}
	return 0
}
