"""Who compiles next: as many at once as the machine has room for, and nobody can keep the others from it.

A compilation takes minutes at worst, and whoever may write a custom resource may ask for many. So the configuration
file's modules come first and do not wait for those of somebody else that are under way: one gives way and is tried
again. Other authors take turns, however many modules one of them has, and one of them at a time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import field

import trio

from edged.errors import GuestError
from edged.records import dataclass

MOST_AUTHORS = 1000
"""So many are remembered."""


class GaveWay(GuestError):
    """A module of the configuration file had to be compiled first."""


@dataclass(slots=True, eq=False)
class Turn:
    """`size`: of the module, in bytes; of the administrator's the largest comes first, so that none is left alone at
    the end. `key`: what is not done twice at once. `alone`: with nobody beside it. `had_company`: it was not."""

    author: str = ""
    size: int = 0
    key: str = ""
    alone: bool = False
    had_company: bool = False
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    mine: trio.Event = field(default_factory=trio.Event)


class Turns:
    """The turns at one resource."""

    def __init__(self, has_room: Callable[[list[int], int], bool] = lambda running, size: False) -> None:
        """`has_room`: whether a module of that size may be compiled beside those, of these sizes, that are."""
        self._has_room = has_room
        self._running: list[Turn] = []
        self._waiting: list[Turn] = []
        self._last: dict[str, None] = {}  # authors, the one whose turn was last at the end

    @asynccontextmanager
    async def turn(
        self, author: str = "", *, size: int = 0, key: str = "", alone: bool = False
    ) -> AsyncIterator[Turn]:
        """`author`: of the custom resource, "" for what the administrator wants. Raises GaveWay."""
        turn = Turn(author, size, key, alone)
        self._waiting.append(turn)
        self._begin()
        if not author and not turn.mine.is_set():
            for other in self._running:
                if other.author and (not key or other.key != key):  # else it is what is wanted, and half done
                    other.scope.cancel()
        try:
            await turn.mine.wait()
            with turn.scope:
                yield turn
        finally:
            if turn in self._waiting:
                self._waiting.remove(turn)
            if turn in self._running:
                self._running.remove(turn)
            self._begin()
        if turn.scope.cancelled_caught:
            raise GaveWay("a module of the configuration file is compiled first")

    def _begin(self) -> None:
        """Begin the turns for which there is room, in order; nobody overtakes who waits for more room."""
        while (turn := self._next()) is not None and self._may_begin(turn):
            self._waiting.remove(turn)
            turn.had_company = bool(self._running)
            for other in self._running:
                other.had_company = True
            self._running.append(turn)
            self._last.pop(turn.author, None)
            self._last[turn.author] = None
            if len(self._last) > MOST_AUTHORS:
                del self._last[next(iter(self._last))]
            turn.mine.set()

    def _next(self) -> Turn | None:
        """The administrator's, the largest first, else that of the author whose last turn is longest ago. What is being
        done waits, and lets others go first."""
        keys = {turn.key for turn in self._running if turn.key}
        ready = [turn for turn in self._waiting if turn.key not in keys]
        order = {author: place for place, author in enumerate(self._last, 1)}
        return min(ready, default=None, key=lambda turn: (-1, -turn.size) if not turn.author else (
            order.get(turn.author, 0), 0))  # fmt: skip

    def _may_begin(self, turn: Turn) -> bool:
        if not self._running:
            return True
        if turn.alone or any(other.alone for other in self._running):
            return False
        if turn.author and any(other.author for other in self._running):
            return False
        return self._has_room([other.size for other in self._running], turn.size)
