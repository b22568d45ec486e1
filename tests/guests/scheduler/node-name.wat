;; Scores a node by the length of its name: as little as a scoring plugin can do.
(module
  (import "k8s.io/scheduler" "currentNodeName" (func $name (param i32 i32) (result i32)))
  (memory (export "memory") 1 1)
  (func (export "score") (result i64)
    (i64.shl (i64.extend_i32_u (call $name (i32.const 64) (i32.const 1024))) (i64.const 32))))
