;; A scheduler plugin whose normalizescore hands back text that is not JSON.
(module
  (import "k8s.io/scheduler" "result.normalized_score_list" (func $scores (param i32 i32)))
  (memory (export "memory") 1 1)
  (data (i32.const 0) "{\"a\":")
  (func (export "score") (result i64) (i64.const 0))
  (func (export "normalizescore") (result i32) (call $scores (i32.const 0) (i32.const 5)) (i32.const 0))
)
