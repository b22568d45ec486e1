"""The heartbeat that the watchdog goes by: it stops while a guest's call keeps the turn, and goes on afterwards."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import trio
import trio.testing

from edged.daemon.heartbeat import MISSED_BEATS, Heartbeat
from edged.telemetry.logs import Logger
from edged.wasm.slices import Turnstile


def test_it_beats_only_while_calls_pass_on_the_turn() -> None:
    turnstile, looked = Turnstile(), []
    engine: Any = SimpleNamespace(
        slices=SimpleNamespace(used=turnstile), idle=SimpleNamespace(look=lambda: looked.append(trio.current_time()))
    )
    lines: list[bytes] = []
    heartbeat = Heartbeat(engine, Logger(write=lines.append))

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(heartbeat.run)
            await trio.sleep(60)
            assert heartbeat.is_alive()
            await turnstile.enter(0)
            await trio.sleep(MISSED_BEATS + 2)
            assert not heartbeat.is_alive()
            turnstile.leave()
            await trio.sleep(2)
            assert heartbeat.is_alive()
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    assert len(looked) > 60
    assert not lines


def test_an_error_costs_one_beat() -> None:
    turnstile, lines = Turnstile(), []

    def look() -> None:
        raise KeyError("x")

    engine: Any = SimpleNamespace(slices=SimpleNamespace(used=turnstile), idle=SimpleNamespace(look=look))
    heartbeat = Heartbeat(engine, Logger(write=lines.append))

    async def main() -> None:
        with trio.move_on_after(5.5):
            await heartbeat.run()
        assert heartbeat.is_alive()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    assert len(lines) == 6
    assert b"internal error" in lines[0]
