"""Turns: how many begin in one pass, and that everybody has one in the end."""

from __future__ import annotations

import trio
from trio.testing import wait_all_tasks_blocked

from edged.http.turns import Turns


class Passes(trio.abc.Instrument):
    """Counts passes of the event loop."""

    def __init__(self) -> None:
        self.count = 0

    def before_io_wait(self, timeout: float) -> None:
        self.count += 1


def test_a_pass_has_so_many_turns_and_who_came_first_goes_first():
    passes = Passes()
    taken: list[tuple[int, int]] = []

    async def wants(turns: Turns, number: int) -> None:
        await turns.take()
        taken.append((passes.count, number))

    async def main() -> None:
        turns = Turns(3)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(turns.run)
            await wait_all_tasks_blocked()
            async with trio.open_nursery() as takers:
                for number in range(30):
                    takers.start_soon(wants, turns, number)
            nursery.cancel_scope.cancel()

    trio.run(main, instruments=[passes])
    counts = [sum(at == turn for at, _ in taken) for turn in {at for at, _ in taken}]
    assert sum(counts) == 30 and max(counts) <= 3
    assert sorted(counts)[1:] == [3] * (len(counts) - 1), "no pass is wasted while somebody waits"


def test_one_at_a_time_waits_for_nothing_and_the_runner_sleeps():
    async def main() -> None:
        turns = Turns(2)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(turns.run)
            for _ in range(10):
                await turns.take()
                await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()

    trio.run(main)


def test_a_cancelled_wait_takes_no_turn_of_others():
    async def main() -> None:
        turns = Turns(1)
        await turns.take()
        done = trio.Event()

        async def wants() -> None:
            await turns.take()
            done.set()

        async with trio.open_nursery() as nursery:
            with trio.move_on_after(0) as scope:
                await turns.take()
            assert scope.cancelled_caught
            nursery.start_soon(wants)
            nursery.start_soon(turns.run)
            with trio.fail_after(5):
                await done.wait()
            nursery.cancel_scope.cancel()

    trio.run(main)


def test_nothing_begins_while_what_began_is_behind():
    async def main() -> None:
        behind = [True]
        turns = Turns(4, lambda: behind[0])
        taken: list[int] = []

        async def wants(number: int) -> None:
            await turns.take()
            taken.append(number)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(turns.run)
            for number in range(6):
                nursery.start_soon(wants, number)
            for _ in range(20):
                await trio.lowlevel.checkpoint()
            assert len(taken) == 4, "those of the first pass"
            behind[0] = False
            while len(taken) < 6:
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()

    trio.run(main)
