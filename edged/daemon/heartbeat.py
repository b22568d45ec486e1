"""What the watchdog goes by: the event loop runs, and calls of guests get their turns."""

from __future__ import annotations

import trio

from edged.process.boundary import boundary
from edged.telemetry.logs import Logger
from edged.wasm.engine import Engine

BEAT_S = 1.0
MISSED_BEATS = 10


class Heartbeat:
    """Waits for its turn among the guests' calls, every second, and notes when it had it."""

    def __init__(self, engine: Engine, log: Logger) -> None:
        self._engine = engine
        self._log = log
        self._at = 0.0

    async def run(self) -> None:
        turnstile = self._engine.slices.used
        while True:
            with boundary(self._log, "heartbeat"):
                await turnstile.enter(0)
                turnstile.leave()
                self._at = trio.current_time()
                self._engine.idle.look()
            await trio.sleep(BEAT_S)

    def is_alive(self) -> bool:
        """Whether the last turn is not long ago."""
        return trio.current_time() - self._at < MISSED_BEATS * BEAT_S
