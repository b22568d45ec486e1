"""Instances take turns in reserved slots: what one leaves there the next must not find, and more than fit must wait."""

from contextlib import closing

import pytest
import trio
import trio.testing

from edged.wasm import engine as engine_module
from edged.wasm import instance as instance_module
from edged.wasm.account import Budget
from edged.wasm.engine import Engine
from edged.wasm.errors import GuestTimeout
from edged.wasm.hostcalls import HostFunction, HostTable
from edged.wasm.instance import Template, linker_for
from tests.wasm.support import module

WRITER = """(module (memory (export "memory") 40) (table (export "t") 8 funcref) (global $g (mut i32) (i32.const 0))
  (func $f) (elem declare func $f)
  (func (export "write") (param i32)
    (memory.fill (i32.const 0) (local.get 0) (i32.const 2621440))
    (table.fill (i32.const 0) (ref.func $f) (i32.const 8))
    (global.set $g (local.get 0))))"""
READER = """(module (memory (export "memory") 40) (table (export "t") 8 funcref) (global $g (mut i32) (i32.const 0))
  (data (i32.const 64) "own")
  (func (export "table") (result i32) (ref.is_null (table.get (i32.const 7))))
  (func (export "global") (result i32) (global.get $g)))"""


def test_an_instance_finds_nothing_of_the_one_before_it():
    async def main(engine):
        writer = Template(engine, module(engine, WRITER), {})
        reader = Template(engine, module(engine, READER), {})
        for _ in range(2 * engine_module.WARM_SLOTS + 1):
            instance = await writer.instantiate(None, Budget())
            await instance.call("write", 0xAB)
            instance.close()
            with closing(await reader.instantiate(None, Budget())) as instance:
                memory = instance.read(0, 40 << 16)
                assert memory[64:67] == b"own"
                assert memory.count(0) == len(memory) - 3
                assert await instance.call("table") == 1
                assert await instance.call("global") == 0

    with closing(Engine()) as engine:
        trio.run(main, engine)


def test_more_instances_than_slots_wait(monkeypatch):
    monkeypatch.setattr(engine_module, "SLOTS", 2)

    async def main(engine):
        template = Template(engine, module(engine, READER), {})
        first, second = [await template.instantiate(None, Budget()) for _ in range(2)]
        with pytest.raises(GuestTimeout, match="too many"):
            await template.instantiate(None, Budget(), deadline=trio.current_time() + 0.01)
        made = []

        async def one_more():
            made.append(await template.instantiate(None, Budget()))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(one_more)
            await trio.testing.wait_all_tasks_blocked()
            assert made == []
            first.close()
        for instance in (second, *made):
            instance.close()
        assert engine.handles.free_slots.value == 2

    with closing(Engine()) as engine:
        trio.run(main, engine)


def test_a_failed_instantiation_gives_its_slot_back():
    async def main(engine):
        template = Template(engine, module(engine, "(module (func $f unreachable) (start $f))"), {})
        for _ in range(3):
            with pytest.raises(Exception, match="unreachable"):
                await template.instantiate(None, Budget())
        assert engine.handles.free_slots.value == engine_module.SLOTS

    with closing(Engine()) as engine:
        trio.run(main, engine)


def test_engines_give_their_addresses_back():
    """A process may make more of them than there are addresses for."""
    for _ in range(200):
        Engine().close()


DEEP = """(module (import "host" "wait" (func $wait))
  (func $down (export "down") (param i32)
    (if (local.get 0) (then (call $down (i32.sub (local.get 0) (i32.const 1)))) (else (call $wait)))))"""


def test_stacks_of_a_burst_are_given_back():
    """wasmtime keeps what deep calls left in its stacks; the engine empties them when no call runs."""

    async def main(engine):
        arrived, all_are_there = [], trio.Event()

        async def together():
            arrived.append(1)
            if len(arrived) == 20:
                all_are_there.set()
            await all_are_there.wait()

        wait = HostFunction("", "", lambda _instance: together, waits=True)
        template = Template(engine, module(engine, DEEP), {("host", "wait"): wait})

        async def call():
            with closing(await template.instantiate(None, Budget())) as instance:
                await instance.call("down", 5000)
                seen.append(resident_kib(engine.handles.stacks))

        seen: list[int] = []
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(call)
        assert max(seen) > 20 * 64
        assert resident_kib(engine.handles.stacks) == 0

    with closing(Engine()) as engine:
        assert engine.handles.stacks.size
        trio.run(main, engine)


def resident_kib(stacks):
    """Of the mapping with the stacks."""
    found, inside = 0, False
    with open("/proc/self/smaps") as file:
        for line in file:
            first = line.split(maxsplit=1)[0]
            if "-" in first and not first.endswith(":"):
                start, end = (int(part, 16) for part in first.split("-"))
                inside = stacks.start <= start and end <= stacks.start + stacks.size
            elif inside and first == "Rss:":
                found += int(line.split()[1])
    return found


def test_one_linker_serves_all_modules_of_a_table():
    hosts: HostTable = {}
    with closing(Engine()) as engine:
        first = linker_for(engine, hosts)
        made = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(instance_module, "Linker", made.append)
            assert linker_for(engine, hosts) is first
        assert made == []
