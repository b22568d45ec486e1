"""A guest merged with a companion: builtins that re-enter it, under ticks, cancellations and faults."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
from collections.abc import Iterator
from typing import Any

import pytest
import trio
from hypothesis import given

from edged.abi import opa
from edged.abi.opa import OpaCall, OpaFailure
from edged.errors import GuestError
from edged.wasm import binary, bindings
from edged.wasm.account import Budget
from edged.wasm.binary import Limits
from edged.wasm.companion import Companion, check_imports
from edged.wasm.engine import Engine
from edged.wasm.errors import BadModule, GuestBudget, GuestTimeout, GuestTrap
from edged.wasm.hostcalls import HostFunction
from edged.wasm.instance import Template
from edged.wasm.merging import merged
from tests.fuzzing import bounded, broken
from tests.wasm.opa_guest import WAT, call, template, text_builtin
from tests.wasm.support import module

BUDGET = Budget(cpu_s=30)
SLOW = 24_000  # rounds of 1,000 that parsing a builtin's result takes: some twenty milliseconds


@pytest.fixture
def engine() -> Iterator[Engine]:
    with contextlib.closing(Engine()) as made:
        yield made


async def evaluate(linked: Template, state: OpaCall, budget: Budget = BUDGET, **more: Any) -> bytes:
    instance = await linked.instantiate(state, budget, **more)
    try:
        return opa.evaluated(state, await instance.call("evaluate", len(state.data), len(state.input)) or 0)
    finally:
        instance.close()


def doubling(argument: bytes) -> bytes:
    return str(SLOW).encode() + b"." + argument * 2


def test_builtins_get_texts_and_their_results_are_parsed(engine: Engine) -> None:
    linked = template(engine)
    builtins = {
        7: text_builtin("slow", 1, lambda text: text * 3),
        8: text_builtin("four", 4, lambda *all: b"|".join(all)),
    }

    async def main() -> None:
        assert await evaluate(linked, call(b"data", b"x", builtins)) == b"xxx"
        assert await evaluate(linked, call(b"data", b"f", builtins)) == b"f|data|f|data"
        said: list[str] = []
        assert await evaluate(linked, call(b"data", b"print", builtins, said.append)) == b"print" * 3
        assert said == ["print"]
        instance = await linked.instantiate(state := call(b"", b"", builtins), BUDGET)
        for what, reply in ((0, b'{"slow":7,"four":8}'), (1, b'{"policy/main":0}')):
            await instance.call("describe", what)
            assert state.result == reply
        instance.close()

    trio.run(main)


def test_eight_slow_results_at_once_half_of_them_cancelled(engine: Engine) -> None:
    """The guest is suspended by ticks inside its parser, entered from a builtin that the guest itself called."""
    linked = template(engine)
    done: list[int] = []

    async def one(number: int) -> None:
        state = call(b"{}", str(number).encode(), {7: text_builtin("slow", 1, doubling)})
        with trio.CancelScope() as scope:
            if number % 2:
                state.builtins = {7: text_builtin("slow", 1, lambda text: scope.cancel() or doubling(text))}
            assert await evaluate(linked, state) == doubling(str(number).encode())
            done.append(number)

    async def main() -> None:
        for _ in range(3):
            done.clear()
            async with trio.open_nursery() as nursery:
                for number in range(8):
                    nursery.start_soon(one, number)
            assert set(done) >= {0, 2, 4, 6}
            assert not engine.slices.used.held

    trio.run(main)


@pytest.mark.parametrize("beside", [False, True])
def test_cancelled_at_every_poll(engine: Engine, beside: bool) -> None:
    """At each point at which an evaluation can be left, it is, and the next one answers."""
    linked = template(engine)
    quick = 0 if beside else 32 << 10

    async def slowly(work: Any, size: int) -> bytes:
        await trio.lowlevel.checkpoint()
        return bytes(work())

    def state() -> OpaCall:
        builtins = {7: text_builtin("slow", 1, doubling, quick)}
        return call(b"3000", b"3000x", builtins, beside=slowly)

    async def main() -> None:
        free, finished, steps = engine.handles.free_slots.value, False, 0
        while not finished and steps < 400:
            steps += 1
            left = steps

            async def watched() -> None:
                nonlocal finished
                await evaluate(linked, state())
                finished = True

            async with trio.open_nursery() as nursery:
                nursery.start_soon(watched)
                while left and not finished:
                    left -= 1
                    await trio.lowlevel.checkpoint()
                nursery.cancel_scope.cancel()
        assert finished
        assert steps > 3
        gc.collect()
        engine.handles.bury()
        assert engine.handles.free_slots.value == free

    trio.run(main)


def test_deadline_budget_and_traps_inside_a_builtins_result(engine: Engine) -> None:
    linked = template(engine)
    endless = {7: text_builtin("slow", 1, lambda _: b"999999999")}

    async def main() -> None:
        with pytest.raises(GuestTimeout):
            await evaluate(linked, call(b"{}", b"x", endless), deadline=trio.current_time() + 0.05)
        with pytest.raises(GuestBudget):
            await evaluate(linked, call(b"{}", b"x", endless), Budget(cpu_s=0.05))
        state = call(b"{}", b"abort", endless)
        with pytest.raises(GuestTrap):
            await evaluate(linked, state)
        assert state.aborted == "it gave up"
        with pytest.raises(OpaFailure, match="builtin number 7"):
            await evaluate(linked, call(b"{}", b"x", {}))

    trio.run(main)


def test_builtins_time_is_the_guests(engine: Engine) -> None:
    linked = template(engine)

    def busy(text: bytes) -> bytes:
        sum(range(3_000_000))
        return text

    async def main() -> None:
        with pytest.raises(GuestBudget):
            await evaluate(linked, call(b"{}", b"x", {7: text_builtin("slow", 1, busy)}), Budget(cpu_s=0.01))

    trio.run(main)


def test_failing_builtin_is_the_calls_error_alone(engine: Engine) -> None:
    linked = template(engine)

    def fail(text: bytes) -> bytes:
        raise ZeroDivisionError(text)

    async def main() -> None:
        for quick in (0, 32 << 10):
            with pytest.raises(Exception, match="ZeroDivisionError"):
                await evaluate(linked, call(b"{}", b"x", {7: text_builtin("slow", 1, fail, quick)}))
        assert await evaluate(linked, call(b"{}", b"y", {7: text_builtin("slow", 1, bytes.upper)})) == b"Y"

    trio.run(main)


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        (Limits(2000), "asks for 2000 pages of 64 KiB; the limit of 64 MiB is 1024"),
        (Limits(2, plain=False), "shared memories, 64-bit ones"),
        (Limits(5, 3), "a maximum of 3 pages is below its minimum 5"),
        (None, "does not import env.memory"),
    ],
)
def test_memories_that_cannot_be_had(limits: Limits | None, why: str) -> None:
    interface = binary.interface(bindings.wat2wasm(WAT.replace("MEMORY", "2")))
    imports = tuple(
        dataclasses.replace(entry, limits=limits) if entry.kind == "memory" else entry for entry in interface.imports
    )
    with pytest.raises(BadModule, match=why):
        opa.companion(imports, interface.exports, 64)


@pytest.mark.parametrize(
    ("memory", "limits"),
    [
        ("2", Limits(2)),
        ("2 9", Limits(2, 9)),
        ("1 2 shared", Limits(1, 2, plain=False)),
        ("i64 3", Limits(3, plain=False)),
    ],
)
def test_limits_of_imported_memories_are_read(memory: str, limits: Limits) -> None:
    wasm = bindings.wat2wasm(f'(module (import "env" "memory" (memory {memory})))')
    assert binary.interface(wasm).imports[0].limits == limits


@pytest.mark.parametrize("memory", ["0", "2", "5", "9", "2 4", "3 1000"])
def test_memories_of_any_usual_size(engine: Engine, memory: str) -> None:
    linked = template(engine, memory)

    async def main() -> None:
        assert await evaluate(linked, call(b"{}", b"x", {7: text_builtin("slow", 1, bytes.upper)})) == b"X"

    trio.run(main)


def test_memory_limit_holds_for_the_companions_memory(engine: Engine) -> None:
    linked = template(engine)
    big = b"x" * (3 << 20)

    async def main() -> None:
        with pytest.raises((GuestTrap, BadModule, OpaFailure, Exception)) as failure:
            await evaluate(linked, call(big, big, {7: text_builtin("slow", 1, bytes.upper)}), Budget(memory_mib=2))
        assert not isinstance(failure.value, AssertionError)

    trio.run(main)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (('"opa_malloc"', '"opa_mallocs"'), "does not export the function opa_malloc"),
        (('(import "env" "opa_abort"', '(import "env" "abort"'), "unknown import: function env.abort"),
        (("(func $println (param i32))", "(func $println (param i64))"), "wrong signature"),
        (('(import "env" "memory" (memory MEMORY))', '(import "env" "mem" (memory 2))'), "does not import env.memory"),
    ],
)  # fmt: skip
def test_modules_that_are_no_policies(engine: Engine, change: tuple[str, str], why: str) -> None:
    text = WAT.replace(*change).replace("(call $println (global.get $input))", "(nop)")
    with pytest.raises(BadModule, match=why):
        template(engine, text=text)


DUMP = '(export "opa_json_dump") (param $value i32) (result i32) '
AFTER_MALLOC, AFTER_PARSE = ")\n  (func $number", ')\n  (func (export "opa_json_dump")'


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("    (local.get $at)" + AFTER_MALLOC, "    (i32.const -16)" + AFTER_MALLOC, "out of bounds"),
        (DUMP + "(local.get $value)", DUMP + "(i32.const -16)", "out of bounds"),
        ("    (local.get $value)" + AFTER_PARSE, "    (i32.const 0)" + AFTER_PARSE, "could not read its data"),
        ("(local.set $at (global.get $heap))", "(loop $l (br $l)) (local.set $at (global.get $heap))", "CPU time"),
    ],
)
def test_policies_whose_functions_lie(engine: Engine, before: str, after: str, why: str) -> None:
    assert WAT.count(before) == 1
    linked = template(engine, text=WAT.replace(before, after))

    async def main() -> None:
        with pytest.raises(GuestError, match=why):
            await evaluate(linked, call(b"{}", b"x", {7: text_builtin("slow", 1, bytes.upper)}), Budget(cpu_s=0.05))

    trio.run(main)


NAMED = """(module
  (type $get (func (result i32)))
  (import "env" "hundred" (func $hundred (result i32)))
  (import "env" "memory" (memory 1 4))
  (func $one (result i32) (i32.const 1))
  (func $two (result i32) (i32.const 2))
  (func $three (result i32) (i32.const 3))
  (table $t 8 funcref) (table $u 2 (ref null $get) (ref.func $three))
  (global $g funcref (ref.func $two))
  (elem (table $t) (i32.const 0) func $hundred $one $two)
  (elem (table $t) (i32.const 3) funcref (ref.func $three) (ref.func $hundred) (global.get $g))
  (elem $passive func $one) (elem $expressions funcref (ref.func $two)) (elem declare func $one $hundred)
  (start $begin)
  (func $begin (i32.store (i32.const 64) (call $three)))
  (func $tail (result i32) (return_call $hundred))
  (func (export "told") (param $what i32) (result i32)
    (if (i32.lt_u (local.get $what) (i32.const 6)) (then (return (call_indirect $t (type $get) (local.get $what)))))
    (if (i32.eq (local.get $what) (i32.const 6)) (then (return (call_ref $get (ref.func $one)))))
    (if (i32.eq (local.get $what) (i32.const 7)) (then (return (call $tail))))
    (if (i32.eq (local.get $what) (i32.const 8)) (then (return (i32.load (i32.const 64)))))
    (if (i32.eq (local.get $what) (i32.const 9)) (then (return (call_indirect $u (type $get) (i32.const 1)))))
    (if (i32.eq (local.get $what) (i32.const 10)) (then
      (table.init $t $passive (i32.const 7) (i32.const 0) (i32.const 1))
      (return (call_indirect $t (type $get) (i32.const 7)))))
    (table.init $t $expressions (i32.const 7) (i32.const 0) (i32.const 1))
    (call_indirect $t (type $get) (i32.const 7))))"""
BESIDE = Companion(
    bindings.wat2wasm("""(module
      (import "host" "add" (func $add (param i32) (result i32)))
      (import "guest" "told" (func $told (param i32) (result i32)))
      (memory (export "memory") 1 4)
      (func $unused) (func (export "hundred") (result i32) (i32.const 100))
      (func (export "ask") (param i32) (result i32) (call $add (call $told (local.get 0)))))"""),
    "env",
    "guest",
)
TOLD = [100, 1, 2, 3, 100, 2, 1, 100, 3, 3, 1, 2]


def test_every_place_that_names_a_function_names_the_same_one(engine: Engine) -> None:
    hosts = {("host", "add"): HostFunction("i", "i", lambda _guest, number: number + 1000)}
    made = Template(engine, module(engine, merged(bindings.wat2wasm(NAMED), BESIDE)), hosts)

    async def main() -> None:
        instance = await made.instantiate(None, BUDGET)
        assert [await instance.call("ask", what) for what in range(12)] == [1000 + number for number in TOLD]
        instance.close()

    trio.run(main)


def test_the_merged_module_shows_what_the_companion_shows() -> None:
    found = binary.interface(merged(bindings.wat2wasm(NAMED), BESIDE))
    assert found == BESIDE.interface()
    assert [(item.module, item.name) for item in found.imports] == [("host", "add")]
    assert set(found.exports) == {"memory", "hundred", "ask"}


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ('"told"', '"said"', "does not export a function told of its own"),
        ('"env" "hundred"', '"env" "ask"', "wrong signature"),
        ('"env" "hundred"', '"env" "memory"', "unknown import: function env.memory"),
        ('"env" "hundred"', '"other" "hundred"', "unknown import: function other.hundred"),
        ('(import "env" "memory"', '(import "env" "g" (global i32)) (import "env" "memory"', "unknown import"),
        ("(type $get (func", "(type $s (struct)) (type $get (func", "not a function type"),
    ],
)
def test_guests_that_do_not_fit_their_companion(before: str, after: str, why: str) -> None:
    assert NAMED.count(before) == 1
    guest = bindings.wat2wasm(NAMED.replace(before, after))
    with pytest.raises(BadModule, match=why):
        check_imports(binary.interface(guest).imports, BESIDE)
        merged(guest, BESIDE)


@bounded
@given(broken([bindings.wat2wasm(NAMED)]))
def test_broken_guests_are_merged_or_refused(data: bytes) -> None:
    try:
        assert merged(data, BESIDE).startswith(b"\0asm")
    except BadModule as error:
        assert str(error)
