;; Keeps the ConfigMap greeting in the namespace default, as README.md says. Without a reader of JSON it cannot look at
;; what is there: it applies what should be, which changes nothing where that is so already.
(module
  (import "edged_ctl_v1" "write" (func $write (param i32 i32) (result i64)))
  (import "edged_ctl_v1" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "{\"watches\":[{\"id\":\"greetings\",\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"namespace\":\"default\",\"fieldSelector\":\"metadata.name=greeting\"}]}")
  (data (i32.const 512) "{\"verb\":\"apply\",\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"namespace\":\"default\",\"name\":\"greeting\",\"force\":true,\"object\":{\"data\":{\"text\":\"Hello\"}}}")
  (data (i32.const 1024) "greeting default")
  ;; Version 1.0: 65536 * major + minor.
  (func (export "edged_ctl_abi") (result i32)
    i32.const 65536)
  ;; The manifest: its address in the upper 32 bits, its length in the lower ones.
  (func (export "edged_ctl_setup") (param $length i32) (result i64)
    i64.const 0x10_00000084)
  ;; The first key after set-up is that of the start, so the ConfigMap is made at once.
  (func (export "edged_ctl_reconcile") (param $length i32) (result i64)
    (call $log (i32.const 1) (i32.const 1024) (i32.const 16))
    ;; The code is in the upper 32 bits: below 0 is a failure, and -1 asks to be called again.
    (if (result i64) (i64.lt_s (call $write (i32.const 512) (i32.const 141)) (i64.const 0))
      (then (i64.const -1))
      (else (i64.const 0)))))
