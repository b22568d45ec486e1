;; Every waPC host function, forwarded: each export has the name and the parameters of the host function
;; and calls it with what it was given. The memory is one page. Tests pass pointers and lengths that lie
;; outside it: see README.md.
(module
  (import "wapc" "__guest_request" (func $__guest_request (param i32 i32)))
  (import "wapc" "__guest_response" (func $__guest_response (param i32 i32)))
  (import "wapc" "__guest_error" (func $__guest_error (param i32 i32)))
  (import "wapc" "__host_call" (func $__host_call (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wapc" "__host_response_len" (func $__host_response_len  (result i32)))
  (import "wapc" "__host_response" (func $__host_response (param i32)))
  (import "wapc" "__host_error_len" (func $__host_error_len  (result i32)))
  (import "wapc" "__host_error" (func $__host_error (param i32)))
  (import "wapc" "__console_log" (func $__console_log (param i32 i32)))
  (memory (export "memory") 1 1)
  (func (export "__guest_request") (param i32 i32) (call $__guest_request (local.get 0) (local.get 1)))
  (func (export "__guest_response") (param i32 i32) (call $__guest_response (local.get 0) (local.get 1)))
  (func (export "__guest_error") (param i32 i32) (call $__guest_error (local.get 0) (local.get 1)))
  (func (export "__host_call") (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (call $__host_call (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4) (local.get 5) (local.get 6) (local.get 7)))
  (func (export "__host_response_len") (result i32) (call $__host_response_len))
  (func (export "__host_response") (param i32) (call $__host_response (local.get 0)))
  (func (export "__host_error_len") (result i32) (call $__host_error_len))
  (func (export "__host_error") (param i32) (call $__host_error (local.get 0)))
  (func (export "__console_log") (param i32 i32) (call $__console_log (local.get 0) (local.get 1)))
)
