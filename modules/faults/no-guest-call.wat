;; It lacks the one export that makes a waPC policy: `__guest_call`.
(module
  (@custom "io.kubewarden.metadata"
    "{\"protocolVersion\":\"v1\",\"executionMode\":\"kubewarden-wapc\",\"mutating\":false,"
    "\"rules\":[{\"apiGroups\":[\"\"],\"apiVersions\":[\"v1\"],\"resources\":[\"pods\"],\"operations\":[\"CREATE\"]}]}")
  (memory (export "memory") 1)
)
