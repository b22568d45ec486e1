;; A controller that asks for ever: each round makes up a key and a series of metrics that were not there before, whatever is
;; answered. Tests put other imports and requests in the place of the two: $ask with the text at 4096, $then with that at 8192.
(module
  (import "edged_ctl_v1" "enqueue" (func $ask (param i32 i32) (result i64)))
  (import "edged_ctl_v1" "metric" (func $then (param i32 i32) (result i64)))
  (memory (export "memory") 1)
  (data (i32.const 16) "{\"for\":{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\"}}")
  (data (i32.const 4096) "{\"key\":{\"kind\":\"_flood\",\"name\":\"00000000\"},\"afterMs\":60000}")
  (data (i32.const 8192) "{\"name\":\"flood\",\"labels\":{\"n\":\"00000000\"}}")

  ;; Adds one to the eight digits that end before $end.
  (func $count (param $end i32)
    (local $digits i32)
    (local.set $digits (i32.const 8))
    (loop $carry
      (local.set $end (i32.sub (local.get $end) (i32.const 1)))
      (i32.store8 (local.get $end) (i32.add (i32.load8_u (local.get $end)) (i32.const 1)))
      (if (i32.gt_u (i32.load8_u (local.get $end)) (i32.const 0x39)) (then
        (i32.store8 (local.get $end) (i32.const 0x30))
        (local.set $digits (i32.sub (local.get $digits) (i32.const 1)))
        (br_if $carry (local.get $digits))))))

  ;; Behind a text: where it ends with a zero byte.
  (func $end (param $at i32) (result i32)
    (loop $more
      (if (i32.load8_u (local.get $at)) (then
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $more))))
    (local.get $at))

  ;; Behind the first eight zeros of a text, which are the number.
  (func $number (param $at i32) (result i32)
    (loop $more
      (if (i64.ne (i64.load (local.get $at)) (i64.const 0x3030303030303030)) (then
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br_if $more (i32.load8_u (local.get $at))))))
    (i32.add (local.get $at) (i32.const 8)))

  (func (export "edged_ctl_abi") (result i32) (i32.const 0x10000))
  (func (export "edged_ctl_setup") (param i32) (result i64) (i64.const 0x100000002e))
  (func (export "edged_ctl_reconcile") (param i32) (result i64)
    (local $asked i32) (local $then i32)
    (local.set $asked (call $number (i32.const 4096)))
    (local.set $then (call $number (i32.const 8192)))
    (loop $forever
      (drop (call $ask (i32.const 4096) (i32.sub (call $end (i32.const 4096)) (i32.const 4096))))
      (drop (call $then (i32.const 8192) (i32.sub (call $end (i32.const 8192)) (i32.const 8192))))
      (call $count (local.get $asked))
      (call $count (local.get $then))
      (br $forever))
    (unreachable)))
