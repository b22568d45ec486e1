//go:build wasip1

package controller

import "unsafe"

//go:wasmimport edged_ctl_v1 msg_read
func msgRead(dst unsafe.Pointer, off, capacity uint32) int32

//go:wasmimport edged_ctl_v1 resp_read
func respRead(dst unsafe.Pointer, off, capacity uint32) int32

//go:wasmimport edged_ctl_v1 watch_open
func watchOpen(ptr unsafe.Pointer, length uint32) uint64

//go:wasmimport edged_ctl_v1 watch_close
func watchClose(ptr unsafe.Pointer, length uint32) uint64

//go:wasmimport edged_ctl_v1 get
func get(ptr unsafe.Pointer, length uint32) uint64

//go:wasmimport edged_ctl_v1 list
func list(ptr unsafe.Pointer, length uint32) uint64

//go:wasmimport edged_ctl_v1 write
func writeObject(ptr unsafe.Pointer, length uint32) uint64

//go:wasmimport edged_ctl_v1 enqueue
func enqueue(ptr unsafe.Pointer, length uint32) uint64

//go:wasmimport edged_ctl_v1 event
func event(ptr unsafe.Pointer, length uint32) uint64

//go:wasmimport edged_ctl_v1 metric
func metric(ptr unsafe.Pointer, length uint32) uint64

//go:wasmimport edged_ctl_v1 ext
func ext(ptr unsafe.Pointer, length uint32) uint64

//go:wasmimport edged_ctl_v1 log
func logLine(level uint32, ptr unsafe.Pointer, length uint32)

//go:wasmimport edged_ctl_v1 now_ms
func nowMs() int64

//go:wasmimport edged_ctl_v1 mono_ms
func monoMs() int64

//go:wasmimport edged_ctl_v1 random
func random(ptr unsafe.Pointer, length uint32) int32

// hostFunction is an import that takes a request and answers with a latch.
type hostFunction func(ptr unsafe.Pointer, length uint32) uint64

// readAll copies a latch; the host may give it in pieces.
func readAll(read func(unsafe.Pointer, uint32, uint32) int32, length uint32) []byte {
	data := make([]byte, length)
	for have := uint32(0); have < length; {
		copied := read(unsafe.Pointer(&data[have]), have, length-have)
		if copied <= 0 {
			panic("edged: the host gave less than it promised")
		}
		have += uint32(copied)
	}
	return data
}

// Log writes a line to edged's log. The host limits how many.
func Log(level Level, message string) {
	logLine(uint32(level), unsafe.Pointer(unsafe.StringData(message)), uint32(len(message)))
}

// NowMs is the wall clock, in milliseconds since 1970.
func NowMs() int64 { return nowMs() }

// MonoMs is a clock that never goes back, in milliseconds.
func MonoMs() int64 { return monoMs() }

// Random fills a buffer of 64 KiB at most.
func Random(buffer []byte) error {
	if code := random(unsafe.Pointer(unsafe.SliceData(buffer)), uint32(len(buffer))); code < 0 {
		return &Error{Code: Code(code), Message: "random"}
	}
	return nil
}
