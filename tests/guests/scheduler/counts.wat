;; Remembers: its global counts the filter calls since the last prefilter. filter gives the count as an unknown
;; status code from 100 on; `reserve` gives 200 plus the count; so tests see which instance served whom.
(module
  (memory (export "memory") 1 1)
  (global $count (mut i32) (i32.const 0))
  (func (export "prefilter") (result i32) (global.set $count (i32.const 0)) (i32.const 0))
  (func (export "filter") (result i32)
    (global.set $count (i32.add (global.get $count) (i32.const 1)))
    (i32.add (i32.const 100) (global.get $count)))
  (func (export "reserve") (result i32) (i32.add (i32.const 200) (global.get $count))))
