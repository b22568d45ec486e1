;; A scheduler plugin that scores every node 2147483647; a framework accepts 0 to 100.
(module
  (memory (export "memory") 1 1)
  (func (export "score") (result i64) (i64.shl (i64.const 2147483647) (i64.const 32)))
)
