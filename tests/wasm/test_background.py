"""Calls in the background: they answer like others, and leave the processor to them."""

from __future__ import annotations

import pytest
import trio

from edged.wasm.account import Budget
from edged.wasm.engine import Engine
from edged.wasm.errors import GuestBudget
from edged.wasm.instance import Instance, Template
from tests.wasm.support import module

WAT = """(module
  (func (export "spin") (loop $again (br $again)))
  (func (export "seven") (result i32) (i32.const 7)))"""


@pytest.fixture
def template():
    engine = Engine()
    yield Template(engine, module(engine, WAT), {})
    engine.close()


def test_it_answers(template: Template):
    async def main() -> None:
        instance = await template.instantiate(None, Budget(background=True))
        assert await instance.call("seven") == 7
        instance.close()

    trio.run(main)


def test_everybody_elses_slices_go_first(template: Template):
    used: dict[bool, float] = {}

    async def spin(instance: Instance) -> None:
        with pytest.raises(GuestBudget):
            await instance.call("spin")
        used[instance.budget.background] = other.cpu_s
        nursery.cancel_scope.cancel()

    async def main() -> None:
        nonlocal nursery, other
        other = await template.instantiate(None, Budget(cpu_s=0.3, background=True))
        usual = await template.instantiate(None, Budget(cpu_s=0.3))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(spin, other)
            nursery.start_soon(spin, usual)
        other.close()
        usual.close()

    nursery: trio.Nursery
    other: Instance
    trio.run(main)
    assert list(used) == [False]  # the usual one came to its end
    assert used[False] < 0.1  # of CPU, not of time: side by side they would have had the same
