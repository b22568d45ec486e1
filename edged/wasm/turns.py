"""Who compiles next: one at a time, and nobody can keep the others from it.

A compilation takes minutes at worst, and whoever may write a custom resource may ask for many. So the configuration
file's modules come first and do not wait for one of somebody else that is under way: it gives way and is tried again.
Other authors take turns, however many modules one of them has.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

from edged.errors import GuestError

MOST_AUTHORS = 1000
"""So many are remembered."""


class GaveWay(GuestError):
    """A module of the configuration file had to be compiled first."""


@dataclass(slots=True, eq=False)
class _Turn:
    author: str
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    mine: trio.Event = field(default_factory=trio.Event)


class Turns:
    """The turns at one resource."""

    def __init__(self) -> None:
        self._running: _Turn | None = None
        self._waiting: list[_Turn] = []
        self._last: dict[str, None] = {}  # authors, the one whose turn was last at the end

    @asynccontextmanager
    async def turn(self, author: str = "") -> AsyncIterator[None]:
        """Alone meanwhile. `author`: of the custom resource, "" for what the administrator wants. Raises GaveWay."""
        turn = _Turn(author)
        self._waiting.append(turn)
        if self._running is None:
            self._next()
        elif not author and self._running.author:
            self._running.scope.cancel()
        try:
            await turn.mine.wait()
            with turn.scope:
                yield
        finally:
            if turn in self._waiting:
                self._waiting.remove(turn)
            if self._running is turn:
                self._running = None
                self._next()
        if turn.scope.cancelled_caught:
            raise GaveWay("a module of the configuration file is compiled first")

    def _next(self) -> None:
        """Begin the turn of who is next: the administrator, else the author whose last turn is longest ago."""
        if not self._waiting:
            return
        order = {author: place for place, author in enumerate(self._last, 1)}
        turn = min(self._waiting, key=lambda turn: -1 if not turn.author else order.get(turn.author, 0))
        self._waiting.remove(turn)
        self._running = turn
        self._last.pop(turn.author, None)
        self._last[turn.author] = None
        if len(self._last) > MOST_AUTHORS:
            del self._last[next(iter(self._last))]
        turn.mine.set()
