;; validate sleeps 10 s: poll_oneoff with one subscription to the monotonic clock. Then it accepts.
;;
;; A waPC policy: the names of the three operations differ in length, so op_len says which one is meant.
;; validate_settings (17 bytes) and protocol_version (16 bytes) answer properly; validate fails as told.
(module
  (@custom "io.kubewarden.metadata"
    "{\"protocolVersion\":\"v1\",\"executionMode\":\"kubewarden-wapc\",\"mutating\":false,"
    "\"rules\":[{\"apiGroups\":[\"\"],\"apiVersions\":[\"v1\"],\"resources\":[\"pods\"],\"operations\":[\"CREATE\"]}]}")
  (import "wapc" "__guest_response" (func $guest_response (param i32 i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "{\"valid\":true}")
  (data (i32.const 16) "\"v1\"")
  (data (i32.const 32) "{\"accepted\":true}")
  ;; subscription at 64: user data 7 | tag 0 (clock) at +8 | clock id 1 at +16 | timeout in ns at +24 | precision at +32 | flags (relative) at +40
  (data (i32.const 64) "\07")
  (data (i32.const 80) "\01")
  (data (i32.const 88) "\00\e4\0b\54\02\00\00\00")  ;; 10,000,000,000
  (global $errno (export "errno") (mut i32) (i32.const -1))
  (func $accept (call $guest_response (i32.const 32) (i32.const 17)))
  (func $validate
    (global.set $errno (call $poll_oneoff (i32.const 64) (i32.const 128) (i32.const 1) (i32.const 176)))
    (call $accept))
  (func (export "__guest_call") (param $op_len i32) (param $request_len i32) (result i32)
    (if (i32.eq (local.get $op_len) (i32.const 17))
      (then (call $guest_response (i32.const 0) (i32.const 14)) (return (i32.const 1))))
    (if (i32.eq (local.get $op_len) (i32.const 16))
      (then (call $guest_response (i32.const 16) (i32.const 4)) (return (i32.const 1))))
    (call $validate)
    (i32.const 1))
)
