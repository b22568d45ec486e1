;; validate asks for memory, 1 MiB (16 pages) at a time, until it is refused, then touches every page that
;; it got, and accepts: a host with a memory limit either refuses growth (then the guest ends soon, within
;; the limit) or stops the guest.
;;
;; A waPC policy: the names of the three operations differ in length, so op_len says which one is meant.
;; validate_settings (17 bytes) and protocol_version (16 bytes) answer properly; validate fails as told.
(module
  (@custom "io.kubewarden.metadata"
    "{\"protocolVersion\":\"v1\",\"executionMode\":\"kubewarden-wapc\",\"mutating\":false,"
    "\"rules\":[{\"apiGroups\":[\"\"],\"apiVersions\":[\"v1\"],\"resources\":[\"pods\"],\"operations\":[\"CREATE\"]}]}")
  (import "wapc" "__guest_response" (func $guest_response (param i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "{\"valid\":true}")
  (data (i32.const 16) "\"v1\"")
  (data (i32.const 32) "{\"accepted\":true}")
  (func $accept (call $guest_response (i32.const 32) (i32.const 17)))
  (func $validate
    (local $end i32)
    (block $refused
      (loop $more
        (br_if $refused (i32.eq (memory.grow (i32.const 16)) (i32.const -1)))
        (br $more)))
    (local.set $end (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 8)))
    ;; from the last page down to the second, so that the constants in the first one survive
    (loop $touch
      (i64.store (local.get $end) (i64.const 0x5a5a5a5a5a5a5a5a))
      (local.set $end (i32.sub (local.get $end) (i32.const 4096)))
      (br_if $touch (i32.gt_u (local.get $end) (i32.const 65536))))
    (call $accept))
  (func (export "__guest_call") (param $op_len i32) (param $request_len i32) (result i32)
    (if (i32.eq (local.get $op_len) (i32.const 17))
      (then (call $guest_response (i32.const 0) (i32.const 14)) (return (i32.const 1))))
    (if (i32.eq (local.get $op_len) (i32.const 16))
      (then (call $guest_response (i32.const 16) (i32.const 4)) (return (i32.const 1))))
    (call $validate)
    (i32.const 1))
)
