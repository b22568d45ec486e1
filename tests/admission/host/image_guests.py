"""waPC guests that do something once, for tests of images: WAT with a body of what they do."""

from __future__ import annotations

REPLY = '{\\"accepted\\":true,\\"valid\\":true,\\"message\\":\\"0000000000000000\\"}'
"""At 1024."""
LENGTH, DIGITS = len(REPLY.replace("\\", "")), 1024 + REPLY.replace("\\", "").index("0")

SLOW = "(call $spin (i32.const 3000000))"
"""Some milliseconds of CPU."""


def guest(once: str = SLOW, always: str = "", *, at_start: str = "", settings: str = "", more: str = "") -> str:
    """`once` runs in the first `validate` of an instance, `always` in each, `at_start` in wapc_init, `settings` in
    validate_settings."""
    return f"""(module
  (import "wapc" "__guest_response" (func $response (param i32 i32)))
  (import "wapc" "__guest_request" (func $request (param i32 i32)))
  (import "wapc" "__guest_error" (func $error (param i32 i32)))
  (import "wapc" "__console_log" (func $log (param i32 i32)))
  (import "wapc" "__host_call" (func $host_call (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
  (memory (export "memory") 4)
  (global $done (mut i32) (i32.const 0)) (global $count (mut i32) (i32.const 0))
  (data (i32.const 512) "kubewarden") (data (i32.const 528) "kubernetes") (data (i32.const 544) "list_resources_all")
  (data (i32.const 576) "tracing") (data (i32.const 592) "log")
  (data (i32.const 1024) "{REPLY}")
  {more}
  (func $spin (param $n i32)
    (loop $l (local.set $n (i32.sub (local.get $n) (i32.const 1))) (br_if $l (local.get $n))))
  (func $show (param $value i32)  ;; its eight hexadecimal digits as letters in the message
    (local $i i32)
    (loop $l
      (i32.store8 (i32.add (i32.const {DIGITS}) (local.get $i))
        (i32.add (i32.const 97) (i32.and (local.get $value) (i32.const 15))))
      (local.set $value (i32.shr_u (local.get $value) (i32.const 4)))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 8)))))
  (func $read_cluster (drop (call $host_call (i32.const 512) (i32.const 10) (i32.const 528) (i32.const 10)
    (i32.const 544) (i32.const 18) (i32.const 0) (i32.const 0))))
  (func $trace (drop (call $host_call (i32.const 512) (i32.const 10) (i32.const 576) (i32.const 7)
    (i32.const 592) (i32.const 3) (i32.const 0) (i32.const 0))))
  (func (export "wapc_init") {at_start})
  (func (export "__guest_call") (param $operation i32) (param $payload i32) (result i32)
    (if (i32.gt_u (local.get $operation) (i32.const 10))  ;; validate_settings
      (then {settings})
      (else
        (if (i32.eqz (global.get $done)) (then {once} (global.set $done (i32.const 1))))
        {always}))
    (call $response (i32.const 1024) (i32.const {LENGTH}))
    (i32.const 1)))"""
