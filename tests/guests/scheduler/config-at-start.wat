;; Reads its configuration in `_start` as guests built with upstream's SDK do: nothing is fine, a text of one byte
;; or more is decoded at once. This one cannot decode any.
(module
  (import "k8s.io/scheduler" "get_config" (func $get_config (param i32 i32) (result i32)))
  (memory (export "memory") 1 1)
  (func (export "_start")
    (if (call $get_config (i32.const 0) (i32.const 2048)) (then unreachable)))
  (func (export "filter") (result i32) (i32.const 0)))
