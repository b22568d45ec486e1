"""A stand-in for an OPA policy in WAT, and a host for it: what `opa` compiles has no knob for how long parsing takes.

A value is the place of its text. `opa_json_parse` copies it, and spins for as many thousand rounds as the digits say
that the text begins with; `eval` calls builtin 7 with the input, so that every way through the companion is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edged.abi import opa
from edged.abi.opa import OpaCall
from edged.abi.rego.environment import Environment
from edged.abi.rego.signature import Builtin
from edged.wasm import binary, bindings
from edged.wasm.companion import Companion, check_imports
from edged.wasm.engine import Engine
from edged.wasm.instance import Template
from edged.wasm.merging import merged
from tests.wasm.support import module

WAT = """(module
  (import "env" "memory" (memory MEMORY))
  (import "env" "opa_abort" (func $abort (param i32)))
  (import "env" "opa_println" (func $println (param i32)))
  (import "env" "opa_builtin1" (func $builtin1 (param i32 i32 i32) (result i32)))
  (import "env" "opa_builtin4" (func $builtin4 (param i32 i32 i32 i32 i32 i32) (result i32)))
  (global $heap (mut i32) (i32.const 4096))
  (global $data (mut i32) (i32.const 0))
  (global $input (mut i32) (i32.const 0))
  (global $result (mut i32) (i32.const 0))
  (data (i32.const 1024) "{\\"slow\\":7,\\"four\\":8}\\00")
  (data (i32.const 1124) "{\\"policy/main\\":0}\\00")
  (data (i32.const 1224) "it gave up\\00")
  (func $malloc (export "opa_malloc") (param $n i32) (result i32) (local $at i32)
    (local.set $at (global.get $heap))
    (global.set $heap (i32.add (global.get $heap) (i32.add (local.get $n) (i32.const 8))))
    (if (i32.gt_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536)))
      (then (drop (memory.grow (i32.const 16)))))
    (local.get $at))
  (func $number (param $at i32) (result i32) (local $n i32) (local $c i32)
    (block $done (loop $next
      (local.set $c (i32.sub (i32.load8_u (local.get $at)) (i32.const 48)))
      (br_if $done (i32.gt_u (local.get $c) (i32.const 9)))
      (local.set $n (i32.add (i32.mul (local.get $n) (i32.const 10)) (local.get $c)))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br $next)))
    (local.get $n))
  (func $spin (param $n i32) (local $i i32)
    (block $done (loop $next
      (br_if $done (i32.ge_u (local.get $i) (i32.mul (local.get $n) (i32.const 1000))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br $next))))
  (func $parse (export "opa_json_parse") (param $at i32) (param $n i32) (result i32) (local $value i32)
    (local.set $value (call $malloc (i32.add (local.get $n) (i32.const 1))))
    (memory.copy (local.get $value) (local.get $at) (local.get $n))
    (i32.store8 (i32.add (local.get $value) (local.get $n)) (i32.const 0))
    (call $spin (call $number (local.get $value)))
    (local.get $value))
  (func (export "opa_json_dump") (param $value i32) (result i32) (local.get $value))
  (func (export "opa_eval_ctx_new") (result i32) (i32.const 2048))
  (func (export "opa_eval_ctx_set_input") (param i32 i32) (global.set $input (local.get 1)))
  (func (export "opa_eval_ctx_set_data") (param i32 i32) (global.set $data (local.get 1)))
  (func (export "opa_eval_ctx_set_entrypoint") (param i32 i32))
  (func (export "opa_eval_ctx_get_result") (param i32) (result i32) (global.get $result))
  (func (export "builtins") (result i32) (i32.const 1024))
  (func (export "entrypoints") (result i32) (i32.const 1124))
  (func (export "eval") (param $context i32) (result i32)
    (if (i32.eq (i32.load8_u (global.get $input)) (i32.const 97))  ;; "a"
      (then (call $abort (i32.const 1224)) (unreachable)))
    (if (i32.eq (i32.load8_u (global.get $input)) (i32.const 112))  ;; "p"
      (then (call $println (global.get $input))))
    (if (i32.eq (i32.load8_u (global.get $input)) (i32.const 102))  ;; "f"
      (then (global.set $result (call $builtin4 (i32.const 8) (i32.const 0) (global.get $input) (global.get $data)
        (global.get $input) (global.get $data)))
        (return (i32.const 0))))
    (global.set $result (call $builtin1 (i32.const 7) (i32.const 0) (global.get $input)))
    (i32.const 0)))"""


def text_builtin(name: str, count: int, answer: Callable[..., bytes], quick: int = 32 << 10) -> Builtin:
    """A builtin that sees texts as they are."""

    class Raw(Builtin):
        __slots__ = ()

        def call(self, environment: Environment, arguments: list[bytes], *, values: bool) -> bytes:
            return answer(*arguments)

    return Raw(name, "x" * count, answer, quick)


async def beside(work: Callable[[], bytes], size: int = 0) -> bytes:
    """Runs it here and now."""
    return work()


def template(engine: Engine, memory: str = "2", memory_mib: int = 64, text: str = WAT) -> Template:
    guest = bindings.wat2wasm(text.replace("MEMORY", memory))
    found = binary.interface(guest)
    companion = Companion(bindings.wat2wasm(opa.companion(found.imports, found.exports, memory_mib)), "env", "guest")
    check_imports(found.imports, companion)
    return Template(engine, module(engine, merged(guest, companion)), opa.HOSTS)


def call(
    data: bytes,
    question: bytes,
    builtins: dict[int, Any],
    log: Callable[[str], None] = lambda text: None,
    beside: opa.Beside = beside,
) -> OpaCall:
    return OpaCall(builtins, values=False, environment=Environment(), log=log, beside=beside, data=data, input=question)
