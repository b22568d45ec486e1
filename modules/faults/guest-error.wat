;; Every waPC operation, validate_settings included, fails with an error text: such a policy must not load.
(module
  (@custom "io.kubewarden.metadata"
    "{\"protocolVersion\":\"v1\",\"executionMode\":\"kubewarden-wapc\",\"mutating\":false,"
    "\"rules\":[{\"apiGroups\":[\"\"],\"apiVersions\":[\"v1\"],\"resources\":[\"pods\"],\"operations\":[\"CREATE\"]}]}")
  (import "wapc" "__guest_error" (func $guest_error (param i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "nothing works today")
  (func (export "__guest_call") (param $op_len i32) (param $request_len i32) (result i32)
    (call $guest_error (i32.const 0) (i32.const 19))
    (i32.const 0))
)
