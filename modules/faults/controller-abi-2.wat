;; A controller of version 2 of the ABI, which nobody has yet.
(module
  (memory (export "memory") 1)
  (func (export "edged_ctl_abi") (result i32) (i32.const 0x20000))
  (func (export "edged_ctl_setup") (param i32) (result i64) (i64.const 0))
  (func (export "edged_ctl_reconcile") (param i32) (result i64) (i64.const 0)))
