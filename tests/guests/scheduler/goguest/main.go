// A scheduler guest in plain Go: a reactor (`_initialize`), built with
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared
//
// It scores nodes by the digits at the end of their names, filters by the configuration, and panics on demand.
package main

import (
	"fmt"
	"strconv"
	"strings"
	"unsafe"
)

//go:wasmimport k8s.io/scheduler get_config
func getConfig(buf unsafe.Pointer, limit uint32) uint32

//go:wasmimport k8s.io/scheduler currentPod
func currentPod(buf unsafe.Pointer, limit uint32) uint32

//go:wasmimport k8s.io/scheduler currentNodeName
func currentNodeName(buf unsafe.Pointer, limit uint32) uint32

//go:wasmimport k8s.io/scheduler result.status_reason
func statusReason(buf unsafe.Pointer, length uint32)

//go:wasmimport k8s.io/api nodeList
func nodeList(buf unsafe.Pointer, limit uint32) uint32

var started = "not initialised"

func init() { started = "initialised" }

func value(ask func(unsafe.Pointer, uint32) uint32) []byte {
	buf := make([]byte, 2048)
	size := ask(unsafe.Pointer(&buf[0]), uint32(len(buf)))
	if int(size) > len(buf) {
		buf = make([]byte, size)
		size = ask(unsafe.Pointer(&buf[0]), uint32(len(buf)))
	}
	return buf[:size]
}

func reason(text string) {
	statusReason(unsafe.Pointer(unsafe.StringData(text)), uint32(len(text)))
}

// Counts entries of a NodeList: field 2, length-delimited.
func items(list []byte) (count int) {
	for len(list) > 0 {
		key := list[0]
		size, shift, at := 0, 0, 1
		for {
			size |= int(list[at]&127) << shift
			at++
			if list[at-1] < 128 {
				break
			}
			shift += 7
		}
		if key == 2<<3|2 {
			count++
		}
		list = list[at+size:]
	}
	return count
}

//go:wasmexport prefilter
func prefilter() int32 { return 0 }

//go:wasmexport filter
func filter() int32 {
	config := string(value(getConfig))
	name := string(value(currentNodeName))
	if name == config {
		panic("node " + name + " of a Pod of " + strconv.Itoa(len(value(currentPod))) + " bytes")
	}
	if strings.HasPrefix(config, "count") {
		reason(fmt.Sprintf("%s, %d nodes", started, items(value(nodeList))))
		return 2
	}
	return 0
}

//go:wasmexport score
func score() int64 {
	name := string(value(currentNodeName))
	number, err := strconv.ParseInt(strings.TrimLeft(name, "abcdefghijklmnopqrstuvwxyz-"), 10, 32)
	if err != nil {
		reason(err.Error())
		return 1
	}
	return number << 32
}

func main() {}
