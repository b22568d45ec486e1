"""The deadline that opens its scope late."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import pytest
import trio
import trio.testing

from edged.scheduling.guest_deadline import DeadlinePassed, inside, inside_once_it_waits

T = TypeVar("T")


async def late(timeout_s: float, work: Coroutine[Any, Any, T]) -> T:
    return await inside_once_it_waits(lambda: trio.move_on_after(timeout_s), work)


async def plain(timeout_s: float, work: Coroutine[Any, Any, T]) -> T:
    return await inside(lambda: trio.move_on_after(timeout_s), work)


async def sleep_and_say(seconds: float, said: str) -> str:
    await trio.lowlevel.checkpoint()  # as a guest's first slice ends
    await trio.sleep(seconds)
    await trio.sleep(seconds)
    return said


def virtual(main: Callable[[], Awaitable[None]]) -> None:
    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_work_that_does_not_wait():
    async def now() -> int:
        return 7

    async def fails() -> int:
        raise KeyError("x")

    async def main() -> None:
        assert await late(1, now()) == 7
        with pytest.raises(KeyError):
            await late(1, fails())

    virtual(main)


def test_work_that_waits_and_ends_in_time():
    async def fails() -> None:
        await trio.lowlevel.checkpoint()
        await trio.sleep(1)
        raise KeyError("x")

    async def main() -> None:
        begun = trio.current_time()
        assert await late(5, sleep_and_say(2, "done")) == "done"
        with pytest.raises(KeyError):
            await late(5, fails())
        assert trio.current_time() - begun == pytest.approx(5)

    virtual(main)


def test_work_that_takes_too_long_is_cancelled_where_it_waits():
    seen = []

    async def work() -> None:
        try:
            await trio.lowlevel.checkpoint()
            await trio.sleep(100)
        finally:
            seen.append(trio.current_time())

    async def main() -> None:
        begun = trio.current_time()
        with pytest.raises(DeadlinePassed):
            await late(3, work())
        assert seen[0] - begun == pytest.approx(3)
        await trio.sleep(1)  # nothing is left cancelled

    virtual(main)


def test_a_wait_that_is_the_first_thing_is_under_the_deadline():
    async def main() -> None:
        with pytest.raises(DeadlinePassed):
            await late(3, trio.sleep_forever())

    virtual(main)


def test_cancellation_from_outside_passes_through():
    cleaned = []

    async def work() -> None:
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            cleaned.append(True)
            raise

    async def main() -> None:
        with trio.move_on_after(1) as scope:
            await late(50, work())
        assert scope.cancelled_caught
        assert cleaned == [True]
        with trio.CancelScope() as done:
            done.cancel()
            await late(50, work())
        assert done.cancelled_caught

    virtual(main)


def test_many_at_once_do_not_mix():
    answers = {}

    async def one(number: int) -> None:
        try:
            answers[number] = await late(10.5, sleep_and_say(number / 2, str(number)))
        except DeadlinePassed:
            answers[number] = "too slow"

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(one, number)

    virtual(main)
    assert answers == {n: str(n) if n <= 10 else "too slow" for n in range(20)}
    gc.collect()


def test_the_plain_one_is_for_work_that_sleeps_at_once():
    async def main() -> None:
        begun = trio.current_time()
        with pytest.raises(DeadlinePassed):
            await plain(3, trio.sleep(10))
        assert trio.current_time() - begun == pytest.approx(3)
        await plain(3, trio.sleep(2))

    virtual(main)
