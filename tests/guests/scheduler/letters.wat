;; Does with each node what the last letter of its name says; the reason is the node's name and how many nodes it has
;; seen, as one more letter. Letters are explained where they are handled. Any other letter: success.
(module
  (import "k8s.io/scheduler" "currentNodeName" (func $name (param i32 i32) (result i32)))
  (import "k8s.io/scheduler" "currentPod" (func $pod (param i32 i32) (result i32)))
  (import "k8s.io/scheduler" "result.status_reason" (func $reason (param i32 i32)))
  (import "k8s.io/scheduler" "handle.eventrecorder.eventf" (func $eventf (param i32 i32)))
  (import "k8s.io/scheduler" "handle.reject_waiting_pod" (func $reject (param i32 i32 i32 i32)))
  (import "k8s.io/api" "node" (func $node (param i32 i32 i32 i32) (result i32)))
  (import "k8s.io/klog" "log" (func $log (param i32 i32 i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 2 2)
  (data (i32.const 0) "\40\00\00\00\08\00\00\00")   ;; one iovec: 8 bytes at 64, of the name
  (data (i32.const 32) "waiting")
  (data (i32.const 48) "{\"Note\":\"x\"}")
  (global $seen (mut i32) (i32.const 0))
  (global $length (mut i32) (i32.const 0))
  (func (export "prefilter") (result i32) (global.set $seen (i32.const 0)) (i32.const 0))
  (func $print (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16))))
  (func $say (call $reason (i32.const 64) (i32.add (global.get $length) (i32.const 1))))
  (func $is (param $letter i32) (param $wanted i32) (result i32) (i32.eq (local.get $letter) (local.get $wanted)))
  (func $spin (param $rounds i32)
    (loop $next
      (local.set $rounds (i32.sub (local.get $rounds) (i32.const 1)))
      (br_if $next (local.get $rounds))))
  (func $judge (result i32) (local $letter i32) (local $size i32)
    (global.set $seen (i32.add (global.get $seen) (i32.const 1)))
    (global.set $length (call $name (i32.const 64) (i32.const 512)))
    (local.set $letter (i32.load8_u (i32.add (i32.const 63) (global.get $length))))
    (i32.store8 (i32.add (i32.const 64) (global.get $length))
      (i32.add (i32.const 65) (i32.rem_u (global.get $seen) (i32.const 26))))
    (if (call $is (local.get $letter) (i32.const 97)) (then (call $say) (return (i32.const 2))))   ;; a: rejects
    (if (call $is (local.get $letter) (i32.const 98)) (then (call $say) (return (i32.const 3))))   ;; b: for good
    (if (call $is (local.get $letter) (i32.const 99)) (then (call $say) (return (i32.const 6))))   ;; c: Pending
    (if (call $is (local.get $letter) (i32.const 100)) (then (return (i32.const 2))))              ;; d: without reason
    (if (call $is (local.get $letter) (i32.const 101)) (then (call $say) (return (i32.const 1))))  ;; e: an error
    (if (call $is (local.get $letter) (i32.const 102)) (then (return (i32.const -7))))             ;; f: a wild code
    (if (call $is (local.get $letter) (i32.const 103)) (then (call $print) unreachable))           ;; g: panics
    (if (call $is (local.get $letter) (i32.const 104)) (then unreachable))                         ;; h: traps
    (if (call $is (local.get $letter) (i32.const 105)) (then (call $print)))                       ;; i: prints
    (if (call $is (local.get $letter) (i32.const 106)) (then                                       ;; j: logs
      (call $log (i32.const 0) (i32.const 64) (global.get $length))))
    (if (call $is (local.get $letter) (i32.const 107)) (then                                       ;; k: logs, rejects
      (call $log (i32.const 0) (i32.const 64) (global.get $length)) (call $say) (return (i32.const 2))))
    (if (call $is (local.get $letter) (i32.const 108)) (then                                       ;; l: no such reason
      (call $reason (i32.const 131000) (i32.const 200)) (return (i32.const 2))))
    (if (call $is (local.get $letter) (i32.const 109)) (then                                       ;; m: long, then short
      (call $reason (i32.const 64) (i32.const 5000)) (call $say) (return (i32.const 2))))
    (if (call $is (local.get $letter) (i32.const 110)) (then                                       ;; n: short, then long
      (call $say) (call $reason (i32.const 64) (i32.const 5000)) (return (i32.const 2))))
    (if (call $is (local.get $letter) (i32.const 111)) (then                                       ;; o: its Node
      (if (i32.ne (call $node (i32.const 64) (global.get $length) (i32.const 4096) (i32.const 1))
          (call $node (i32.const 64) (global.get $length) (i32.const 4096) (i32.const 8192))) (then unreachable))
      (call $reason (i32.const 4096) (call $node (i32.const 64) (global.get $length) (i32.const 4096) (i32.const 8192)))
      (return (i32.const 2))))
    (if (call $is (local.get $letter) (i32.const 112)) (then                                       ;; p: the Pod
      (call $reason (i32.const 4096) (call $pod (i32.const 4096) (i32.const 8192))) (return (i32.const 2))))
    (if (call $is (local.get $letter) (i32.const 113)) (then                                       ;; q: another Node
      (i32.store8 (i32.add (i32.const 63) (global.get $length)) (i32.const 111))
      (call $reason (i32.const 4096) (call $node (i32.const 64) (global.get $length) (i32.const 4096) (i32.const 8192)))
      (return (i32.const 2))))
    (if (call $is (local.get $letter) (i32.const 114)) (then                                       ;; r: Node, nowhere
      (drop (call $node (i32.const 64) (global.get $length) (i32.const 131071) (i32.const 8192)))))
    (if (call $is (local.get $letter) (i32.const 115)) (then                                       ;; s: name, nowhere
      (global.set $length (call $name (i32.const 131071) (i32.const 512))) (call $say) (return (i32.const 3))))
    (if (call $is (local.get $letter) (i32.const 116)) (then                                       ;; t: records an event
      (call $eventf (i32.const 48) (i32.const 12)) (call $say) (return (i32.const 2))))
    (if (call $is (local.get $letter) (i32.const 117)) (then                                       ;; u: rejects a waiting Pod
      (call $reject (i32.const 32) (i32.const 7) (i32.const 4096) (i32.const 8))
      (i32.store8 (i32.const 4097) (i32.const 48))
      (call $reason (i32.const 4096) (i32.const 2)) (return (i32.const 2))))
    (if (call $is (local.get $letter) (i32.const 118)) (then (call $exit (i32.const 3))))          ;; v: exits
    (if (call $is (local.get $letter) (i32.const 119)) (then (call $spin (i32.const 0))))          ;; w: some seconds
    (if (call $is (local.get $letter) (i32.const 120)) (then (call $spin (i32.const 4000000))))    ;; x: some slices
    (i32.const 0))
  (func (export "filter") (result i32) (call $judge))
  (func (export "score") (result i64)
    (i64.or (i64.extend_i32_u (call $judge)) (i64.shl (i64.extend_i32_u (global.get $seen)) (i64.const 32)))))
