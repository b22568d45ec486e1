;; validate goes 10,000 guest frames deep and calls a host function there (fd_write of 4 bytes to stdout):
;; the host function runs on what is left of the stack and must not overflow it. Then it comes back and
;; accepts.
;;
;; A waPC policy: the names of the three operations differ in length, so op_len says which one is meant.
;; validate_settings (17 bytes) and protocol_version (16 bytes) answer properly; validate fails as told.
(module
  (@custom "io.kubewarden.metadata"
    "{\"protocolVersion\":\"v1\",\"executionMode\":\"kubewarden-wapc\",\"mutating\":false,"
    "\"rules\":[{\"apiGroups\":[\"\"],\"apiVersions\":[\"v1\"],\"resources\":[\"pods\"],\"operations\":[\"CREATE\"]}]}")
  (import "wapc" "__guest_response" (func $guest_response (param i32 i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "{\"valid\":true}")
  (data (i32.const 16) "\"v1\"")
  (data (i32.const 32) "{\"accepted\":true}")
  (data (i32.const 64) "deep")
  (data (i32.const 72) "\40\00\00\00\04\00\00\00")  ;; one iovec: address 64, length 4
  (func $down (param $left i32) (result i32)
    (if (i32.eqz (local.get $left))
      (then (return (call $fd_write (i32.const 1) (i32.const 72) (i32.const 1) (i32.const 80)))))
    (i32.add (i32.const 1) (call $down (i32.sub (local.get $left) (i32.const 1)))))
  (func $accept (call $guest_response (i32.const 32) (i32.const 17)))
  (func $validate
    (drop (call $down (i32.const 10000))) (call $accept))
  (func (export "__guest_call") (param $op_len i32) (param $request_len i32) (result i32)
    (if (i32.eq (local.get $op_len) (i32.const 17))
      (then (call $guest_response (i32.const 0) (i32.const 14)) (return (i32.const 1))))
    (if (i32.eq (local.get $op_len) (i32.const 16))
      (then (call $guest_response (i32.const 16) (i32.const 4)) (return (i32.const 1))))
    (call $validate)
    (i32.const 1))
)
