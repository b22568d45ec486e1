;; filter sleeps for ten seconds by poll_oneoff, which costs no CPU: only a wall-clock limit ends it. score spins.
(module
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1 1)
  (func (export "filter") (result i32)
    (i32.store8 (i32.const 8) (i32.const 0))                ;; a clock subscription
    (i32.store (i32.const 16) (i32.const 1))                ;; the monotonic clock
    (i64.store (i32.const 24) (i64.const 10000000000))      ;; in ten seconds
    (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))
    (i32.const 0))
  (func (export "score") (result i64) (loop $forever (br $forever)) (i64.const 0)))
