;; A scheduler plugin whose filter traps, after having written `panic: filter` to stdout.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1 1)
  (data (i32.const 0) "panic: filter\n")
  (data (i32.const 16) "\00\00\00\00\0e\00\00\00")  ;; one iovec: address 0, length 14
  (func (export "filter") (result i32)
    (drop (call $fd_write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24)))
    (unreachable))
)
