;; A scheduler plugin whose score returns i32; the ABI says i64.
(module
  (memory (export "memory") 1 1)
  (func (export "score") (result i32) (i32.const 0))
)
