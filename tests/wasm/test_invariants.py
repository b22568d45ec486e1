"""What may end the process (ARCHITECTURE.md): code of edged that could corrupt memory. All else fails one call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
import trio
import trio.testing

from edged.errors import BrokenInvariant
from edged.wasm.account import Budget
from edged.wasm.engine import Engine
from edged.wasm.errors import GuestTrap, HostFailure
from edged.wasm.hostcalls import HostFunction
from edged.wasm.instance import Instance, Template
from tests.wasm.support import module
from tests.wasm.torture import Never, until_lost

WAT = """(module
  (import "h" "wait" (func $wait (result i32)))
  (import "h" "now" (func $now (result i32)))
  (memory (export "memory") 1)
  (func (export "one") (result i32) (i32.const 1))
  (func (export "wait") (result i32) (call $wait))
  (func (export "now") (result i32) (call $now))
  (func (export "trap") unreachable))"""


@pytest.fixture
def engine() -> Iterator[Engine]:
    with closing(Engine()) as engine:
        yield engine


class Hosts:
    """Two host functions: one waits for `go_on`, the other does what `now` says."""

    def __init__(self) -> None:
        self.go_on = trio.Event()
        self.now = lambda _instance: 0
        self.table = {
            ("h", "wait"): HostFunction("", "i", lambda _instance: self.go_on.wait, waits=True),
            ("h", "now"): HostFunction("", "i", lambda instance: self.now(instance)),
        }


def test_a_guest_is_not_called_twice_at_once(engine: Engine) -> None:
    async def main() -> None:
        hosts = Hosts()
        instance = await Template(engine, module(engine, WAT), hosts.table).instantiate(None, Budget())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(instance.call, "wait")
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(BrokenInvariant, match="another call"):
                await instance.call("one")
            with pytest.raises(BrokenInvariant, match="pending"):
                instance.close()
            hosts.go_on.set()
        assert await instance.call("one") == 1  # what was refused did no harm
        instance.close()

    trio.run(main)


def test_a_host_function_does_not_call_into_a_guest(engine: Engine) -> None:
    async def main() -> None:
        hosts = Hosts()
        template = Template(engine, module(engine, WAT), hosts.table)
        inner, outer = [await template.instantiate(None, Budget()) for _ in range(2)]

        def call(_instance: Instance) -> int:
            coroutine = inner.call("one")
            coroutine.send(None)
            return 0

        hosts.now = call
        with pytest.raises(BrokenInvariant, match="rule 1"):
            await outer.call("now")
        assert outer.dead and engine.running is None
        inner.close()
        outer.close()

    trio.run(main)


def test_a_module_stays_in_its_engine(engine: Engine) -> None:
    with closing(Engine()) as other, pytest.raises(BrokenInvariant, match="another engine"):
        Template(other, module(engine, WAT), Hosts().table)


def test_a_host_functions_broken_invariant_reaches_the_caller_as_it_is(engine: Engine) -> None:
    async def main() -> None:
        hosts = Hosts()
        instance = await Template(engine, module(engine, WAT), hosts.table).instantiate(None, Budget())

        def broken(_instance: Instance) -> int:
            raise BrokenInvariant("here")

        hosts.now = broken
        with pytest.raises(BrokenInvariant, match="here"):
            await instance.call("now")
        instance.close()

    trio.run(main)


def test_a_dead_guest_fails_only_whoever_calls_it(engine: Engine) -> None:
    async def main() -> None:
        instance = await Template(engine, module(engine, WAT), Hosts().table).instantiate(None, Budget())
        with pytest.raises(GuestTrap):
            await instance.call("trap")
        with pytest.raises(RuntimeError, match="last call failed"):
            await instance.call("one")
        instance.close()

    trio.run(main)


@pytest.mark.parametrize(
    "error", [ValueError("odd"), RecursionError(), ExceptionGroup("both", [ValueError(), KeyError()])]
)
def test_whatever_a_host_function_raises_fails_that_call_only(engine: Engine, error: Exception) -> None:
    async def main() -> None:
        hosts = Hosts()
        template = Template(engine, module(engine, WAT), hosts.table)
        free = engine.handles.free_slots.value

        def fail(_instance: Instance) -> int:
            raise error

        hosts.now = fail
        with closing(await template.instantiate(None, Budget())) as instance:
            with pytest.raises(HostFailure) as failure:
                await instance.call("now")
            assert failure.value.__cause__ is error
        with closing(await template.instantiate(None, Budget())) as instance:
            assert await instance.call("one") == 1
        assert engine.running is None and engine.handles.free_slots.value == free
        assert engine.handles.stacks.pending == 0 and engine.guests_memory.used == 0

    trio.run(main)


def test_the_store_of_a_call_that_was_dropped_outlives_its_future(engine: Engine) -> None:
    """Callers close the instance when their coroutine ends, also when the garbage collector ends it (rule 5)."""

    async def main() -> None:
        hosts = {
            ("h", "wait"): HostFunction("", "i", lambda _instance: Never, waits=True),
            ("h", "now"): HostFunction("", "i", lambda _instance: 0),
        }
        template = Template(engine, module(engine, WAT), hosts)
        instance = await template.instantiate(None, Budget())

        async def caller() -> None:
            try:
                await instance.call("wait")
            finally:
                instance.close()

        coroutine = caller()
        assert await until_lost(coroutine)
        coroutine.close()
        kept = [(bool(future), bool(store)) for future, _, store in engine.handles._doomed]
        assert kept == [(True, False), (False, True)], "the future first, then its store"
        other = await template.instantiate(None, Budget())  # frees both
        assert await other.call("one") == 1
        other.close()
        assert not engine.handles._doomed

    trio.run(main)
