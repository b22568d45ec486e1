"""Turnstile: order, hand-over, cancellation."""

import trio
import trio.testing

from edged.wasm.slices import MANY, SHORT_RANK, Slices, Turnstile


def test_waiters_pass_by_rank_then_by_arrival():
    passed = []

    async def main():
        turnstile = Turnstile()
        assert turnstile.enter_now()

        async def one(name, rank):
            await turnstile.enter(rank)
            passed.append(name)
            await trio.lowlevel.checkpoint()
            turnstile.leave()

        async with trio.open_nursery() as nursery:
            for name, rank in (("old", 300), ("young", 1), ("younger", 0), ("young too", 1)):
                nursery.start_soon(one, name, rank)
                await trio.testing.wait_all_tasks_blocked()
            turnstile.leave()
        assert turnstile.enter_now()

    trio.run(main)
    assert passed == ["younger", "young", "young too", "old"]


def test_a_cancelled_waiter_neither_keeps_nor_loses_the_turn():
    async def main():
        turnstile = Turnstile()
        turnstile.enter_now()
        order = []

        async def one(name, scope):
            with scope:
                await turnstile.enter(0)
                order.append(name)
                turnstile.leave()

        scopes = [trio.CancelScope() for _ in range(3)]
        async with trio.open_nursery() as nursery:
            for index, scope in enumerate(scopes):
                nursery.start_soon(one, index, scope)
                await trio.testing.wait_all_tasks_blocked()
            turnstile.leave()  # hands over to the first, which is cancelled before it runs
            scopes[0].cancel()
            scopes[1].cancel()
        assert order[-1] == 2
        assert turnstile.enter_now()

    trio.run(main)


def test_an_engine_is_behind_when_several_short_calls_wait_and_not_when_long_ones_do():
    async def main():
        slices = Slices()
        assert slices.used.enter_now() and not slices.is_behind()
        async with trio.open_nursery() as nursery:
            for rank, expected in (*[(SHORT_RANK, False)] * (MANY + 2), *[(0, False)] * MANY, (SHORT_RANK - 1, True)):
                nursery.start_soon(slices.used.enter, rank)
                await trio.testing.wait_all_tasks_blocked()
                assert slices.is_behind() is expected
            slices.used.leave()
            await trio.testing.wait_all_tasks_blocked()
            assert not slices.is_behind()
            assert slices.fresh.enter_now()
            for expected in (*[False] * MANY, True):
                nursery.start_soon(slices.fresh.enter, 0)
                await trio.testing.wait_all_tasks_blocked()
                assert slices.is_behind() is expected
            nursery.cancel_scope.cancel()

    trio.run(main)
