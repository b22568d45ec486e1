"""The pool of guest instances, on plain objects."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from edged.scheduling.guests.guest_pool import InstancePool, PoolExhausted


class Thing:
    def __init__(self, number: int) -> None:
        self.number = number
        self.dead = False
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Maker:
    def __init__(self) -> None:
        self.made: list[Thing] = []
        self.broken = False

    async def __call__(self) -> Thing:
        if self.broken:
            raise RuntimeError("no more")
        self.made.append(Thing(len(self.made)))
        return self.made[-1]


def test_what_is_given_back_is_used_again():
    async def main() -> None:
        maker = Maker()
        pool = InstancePool(maker, most=3, idle=2)
        first = await pool.take(1)
        pool.give(first)
        assert await pool.take(1) is first
        assert (await pool.take(1)).number == 1
        assert pool.in_use == 2

    trio.run(main)


def test_dead_and_surplus_instances_are_closed():
    async def main() -> None:
        maker = Maker()
        pool = InstancePool(maker, most=3, idle=1)
        taken = [await pool.take(1) for _ in range(3)]
        taken[0].dead = True
        for thing in taken:
            pool.give(thing)
        assert [thing.closed for thing in taken] == [True, False, True]
        assert pool.in_use == 0

    trio.run(main)


def test_one_who_waits_gets_what_comes_back_or_an_error():
    async def main() -> None:
        pool = InstancePool(Maker(), most=1, idle=1)
        first = await pool.take(1)
        got: list[Thing] = []

        async def wait() -> None:
            got.append(await pool.take(5))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await trio.testing.wait_all_tasks_blocked()
            pool.give(first)
        assert got == [first]
        with pytest.raises(PoolExhausted, match="all 1 instances serve other Pods, none was free in 5 s"):
            await pool.take(5)

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_a_failed_making_does_not_cost_a_place():
    async def main() -> None:
        maker = Maker()
        maker.broken = True
        pool = InstancePool(maker, most=1, idle=1)
        for _ in range(3):
            with pytest.raises(RuntimeError):
                await pool.take(1)
        maker.broken = False
        assert (await pool.take(1)).number == 0

    trio.run(main)


def test_a_retired_pool_keeps_nothing():
    async def main() -> None:
        pool = InstancePool(Maker(), most=2, idle=2)
        first, second = await pool.take(1), await pool.take(1)
        pool.give(first)
        pool.retire()
        assert first.closed
        assert not second.closed
        pool.give(second)
        assert second.closed

    trio.run(main)
