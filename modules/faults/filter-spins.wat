;; A scheduler plugin whose filter never returns.
(module
  (memory (export "memory") 1 1)
  (func (export "filter") (result i32) (loop $forever (br $forever)) (unreachable))
)
