;; A controller that logs lines of 64 KiB for ever.
(module
  (import "edged_ctl_v1" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 2)
  (data (i32.const 16) "{\"for\":{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\"}}")
  (func (export "edged_ctl_abi") (result i32) (i32.const 0x10000))
  (func (export "edged_ctl_setup") (param i32) (result i64) (i64.const 0x100000002e))
  (func (export "edged_ctl_reconcile") (param i32) (result i64)
    (memory.fill (i32.const 65536) (i32.const 0x78) (i32.const 65536))
    (loop $forever
      (call $log (i32.const 3) (i32.const 65536) (i32.const 65536))
      (br $forever))
    (unreachable)))
