;; A controller that is sound, with every export that one may have. Tests put a fault in the place of one of the functions below
;; that begin with $in: an endless loop, a trap, recursion, growth, an answer that is outside its memory, too long or no JSON.
(module
  (memory (export "memory") 1)
  ;; The manifest: ConfigMaps, with their own keys and with those that $in_map says; snapshots are wanted.
  (data (i32.const 16) "{\"watches\":[{\"id\":\"w\",\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"namespace\":\"default\",\"map\":[{\"by\":\"self\"},{\"by\":\"guest\"}]}],\"snapshot\":true}")
  ;; A snapshot, of two bytes.
  (data (i32.const 8) "ok")

  (func $in_setup (result i64) (i64.const 0x1000000088))
  (func $in_reconcile (result i64) (i64.const 0))
  (func $in_map (result i64) (i64.const 0))
  (func $in_snapshot (result i64) (i64.const 0x800000002))
  (func $in_restore (result i64) (i64.const 0))
  (func $in_stop (result i64) (i64.const 0))

  (func (export "edged_ctl_abi") (result i32) (i32.const 0x10000))
  (func (export "edged_ctl_setup") (param i32) (result i64) (call $in_setup))
  (func (export "edged_ctl_reconcile") (param i32) (result i64) (call $in_reconcile))
  (func (export "edged_ctl_map") (param i32) (result i64) (call $in_map))
  (func (export "edged_ctl_snapshot") (result i64) (call $in_snapshot))
  (func (export "edged_ctl_restore") (param i32) (result i64) (call $in_restore))
  (func (export "edged_ctl_stop") (result i64) (call $in_stop)))
