;; Panics in the function that its configuration names: prints "panic!\n" to stdout as TinyGo's panics do, then
;; traps. The configuration is a letter: "a" for the first export below, "b" for the second, and so on; "z" in
;; _start; "C" right after the configuration was read, whatever is called. Anything else: all succeed.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "k8s.io/scheduler" "get_config" (func $get_config (param i32 i32) (result i32)))
  (memory (export "memory") 1 1)
  (data (i32.const 0) "\10\00\00\00\07\00\00\00")   ;; one iovec: 7 bytes at 16
  (data (i32.const 16) "panic!\n")
  (func $panic
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))
    unreachable)
  (func $maybe (param $letter i32)
    (drop (call $get_config (i32.const 64) (i32.const 64)))
    (if (i32.eq (i32.load8_u (i32.const 64)) (i32.const 67)) (then (call $panic)))
    (if (i32.eq (i32.load8_u (i32.const 64)) (local.get $letter)) (then (call $panic))))
  (func (export "_start") (call $maybe (i32.const 122)))
  (func (export "enqueue") (call $maybe (i32.const 97)))
  (func (export "prefilter") (result i32) (call $maybe (i32.const 98)) (i32.const 0))
  (func (export "addpod") (result i32) (call $maybe (i32.const 99)) (i32.const 0))
  (func (export "removepod") (result i32) (call $maybe (i32.const 100)) (i32.const 0))
  (func (export "filter") (result i32) (call $maybe (i32.const 101)) (i32.const 0))
  (func (export "postfilter") (result i64) (call $maybe (i32.const 102)) (i64.const 0))
  (func (export "prescore") (result i32) (call $maybe (i32.const 103)) (i32.const 0))
  (func (export "score") (result i64) (call $maybe (i32.const 104)) (i64.const 0))
  (func (export "normalizescore") (result i32) (call $maybe (i32.const 105)) (i32.const 0))
  (func (export "reserve") (result i32) (call $maybe (i32.const 106)) (i32.const 0))
  (func (export "unreserve") (call $maybe (i32.const 107)))
  (func (export "permit") (result i64) (call $maybe (i32.const 108)) (i64.const 0))
  (func (export "prebind") (result i32) (call $maybe (i32.const 109)) (i32.const 0))
  (func (export "bind") (result i32) (call $maybe (i32.const 110)) (i32.const 0))
  (func (export "postbind") (call $maybe (i32.const 111))))
