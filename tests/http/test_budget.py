"""A budget of memory: who waits, in which order, and that nothing is lost."""

from __future__ import annotations

import functools
import random
from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from edged.http.budget import MemoryBudget, OverBudget, Reservation


def on_trio(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Runs a test on trio, in virtual time."""

    @functools.wraps(test)
    def run(**given: object) -> None:
        trio.run(functools.partial(test, **given), clock=MockClock(autojump_threshold=0))

    return run


@on_trio
async def test_what_fits_is_granted_at_once_and_comes_back():
    budget = MemoryBudget(100)
    with await budget.reserve(60):
        with budget.reserve_nowait(40):
            assert budget.used == 100
        assert budget.used == 60
    assert (budget.used, budget.peak, budget.waiting) == (0, 100, 0)


@on_trio
async def test_more_than_everything_is_refused_at_once():
    budget = MemoryBudget(100)
    held = budget.reserve_nowait(100)
    with pytest.raises(OverBudget, match="101 bytes are needed at once, and there are 100 for everything together"):
        await budget.reserve(101)
    with pytest.raises(OverBudget):
        budget.reserve_nowait(101)
    held.release()
    with pytest.raises(ValueError, match="negative"):
        budget.reserve_nowait(-1)
    assert budget.used == 0


@on_trio
async def test_who_came_first_is_served_first_even_if_less_would_fit():
    budget = MemoryBudget(100)
    held = budget.reserve_nowait(80)
    order: list[str] = []

    async def wants(name: str, size: int) -> None:
        with await budget.reserve(size):
            order.append(name)
            await wait_all_tasks_blocked()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wants, "large", 95)
        await wait_all_tasks_blocked()
        nursery.start_soon(wants, "small", 10)
        await wait_all_tasks_blocked()
        assert (order, budget.waiting) == ([], 2), "the small one does not overtake"
        with pytest.raises(trio.WouldBlock):
            budget.reserve_nowait(1)
        held.release()
    assert order == ["large", "small"]
    assert (budget.used, budget.waiting) == (0, 0)


@on_trio
async def test_a_cancelled_wait_holds_nothing_and_lets_the_next_one_in():
    budget = MemoryBudget(100)
    held = budget.reserve_nowait(50)
    granted = trio.Event()

    async def wants(size: int, scope: trio.CancelScope) -> None:
        with scope, await budget.reserve(size):
            granted.set()

    async with trio.open_nursery() as nursery:
        first = trio.CancelScope()
        nursery.start_soon(wants, 90, first)
        await wait_all_tasks_blocked()
        nursery.start_soon(wants, 50, trio.CancelScope())
        await wait_all_tasks_blocked()
        assert not granted.is_set()
        first.cancel()
        await wait_all_tasks_blocked()
        assert granted.is_set(), "it waited only for the one that gave up"
    held.release()
    assert (budget.used, budget.waiting) == (0, 0)


@on_trio
async def test_a_cancelled_task_takes_nothing():
    budget = MemoryBudget(100)
    with trio.CancelScope() as scope:
        scope.cancel()
        await budget.reserve(10)
    assert scope.cancelled_caught
    assert budget.used == 0


@on_trio
async def test_granted_and_cancelled_in_the_same_moment():
    budget = MemoryBudget(100)
    held = budget.reserve_nowait(100)
    scope = trio.CancelScope()
    got: list[Reservation] = []

    async def wants() -> None:
        with scope:
            got.append(await budget.reserve(100))

    for give_first in (True, False):
        scope = trio.CancelScope()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wants)
            await wait_all_tasks_blocked()
            for step in (held.release, scope.cancel) if give_first else (scope.cancel, held.release):
                step()
        for reservation in got:
            reservation.release()
        got.clear()
        assert (budget.used, budget.waiting) == (0, 0)
        held = budget.reserve_nowait(100)


@on_trio
async def test_a_reservation_shrinks_and_never_grows():
    budget = MemoryBudget(100)
    reservation = budget.reserve_nowait(100)
    reservation.shrink(30)
    assert budget.used == 30
    with pytest.raises(ValueError, match="of 30 bytes cannot become one of 31"):
        reservation.shrink(31)
    reservation.release()
    reservation.release()
    assert budget.used == 0


@on_trio
async def test_shrinking_lets_others_in():
    budget = MemoryBudget(100)
    reservation = budget.reserve_nowait(100)
    async with trio.open_nursery() as nursery:
        others: list[Reservation] = []

        async def wants() -> None:
            others.append(await budget.reserve(70))

        nursery.start_soon(wants)
        await wait_all_tasks_blocked()
        reservation.shrink(31)
        await wait_all_tasks_blocked()
        assert not others
        reservation.shrink(30)
    assert [other.size for other in others] == [70]


@pytest.mark.parametrize("seed", range(20))
@on_trio
async def test_many_tasks_never_use_more_than_the_total_and_all_come_through(seed):
    chance = random.Random(seed)
    budget = MemoryBudget(1000)
    done = 0

    async def wants(size: int, begin: float, patience: float, use: float) -> None:
        nonlocal done
        await trio.sleep(begin)
        with trio.move_on_after(patience):
            with await budget.reserve(size) as reservation:
                assert budget.used <= budget.total
                await trio.sleep(use)
                reservation.shrink(size // 2)
                await trio.sleep(use)
        done += 1

    async with trio.open_nursery() as nursery:
        for _ in range(200):
            nursery.start_soon(wants, chance.randrange(1001), chance.random() * 5,
                               chance.choice([0.0, 0.5, 1e6]), chance.random())
    assert done == 200
    assert (budget.used, budget.waiting) == (0, 0)
    assert budget.peak <= budget.total
