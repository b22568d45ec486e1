"""Which downloads run now: a few at a time, and a slow one holds up nobody.

A download has a place for a while and then goes on beside the others, so that a registry that drips its bytes for an
hour costs the next in line seconds. One host gets a part of the places only. Those that go on without a place are
bounded as well: where strangers say what is downloaded, the oldest gives way to the next; otherwise the next one waits,
because on a slow link the oldest is nearest to its end.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import field

import trio

from edged.errors import PeerError
from edged.records import dataclass

PER_HOST = 2
IN_ALL = 8
PLACE_S = 10.0
MOST_RUNNING = 32


@dataclass(slots=True, eq=False)
class _Download:
    host: str
    begun: float = 0.0
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)


class Places:
    """Places for downloads, given in the order of arrival."""

    def __init__(
        self,
        per_host: int = PER_HOST,
        in_all: int = IN_ALL,
        place_s: float = PLACE_S,
        most: int = MOST_RUNNING,
        *,
        gives_way: bool = False,
    ) -> None:
        self._gives_way = gives_way
        self._per_host = per_host
        self._in_all = in_all
        self._place_s = place_s
        self._most = most
        self._waiting: list[_Download] = []
        self._running: list[_Download] = []  # the oldest first
        self._changed = trio.Event()

    @asynccontextmanager
    async def place(self, host: str) -> AsyncIterator[None]:
        """Download from that host meanwhile. Raises PeerError if it had to give way."""
        download = _Download(host)
        await self._wait(download)
        download.begun = trio.current_time()
        self._running.append(download)
        going_on = [running for running in self._running if not running.scope.cancel_called]
        if len(going_on) > self._most:
            going_on[0].scope.cancel()
        try:
            with download.scope:
                yield
        finally:
            self._running.remove(download)
            self._tell()
        if download.scope.cancelled_caught:
            after = trio.current_time() - download.begun
            raise PeerError(f"not there after {after:.0f} s, and it gave way to other downloads")

    async def _wait(self, download: _Download) -> None:
        self._waiting.append(download)
        try:
            while not self._may_begin(download):
                with trio.move_on_at(self._next_end()):
                    await self._changed.wait()
        finally:
            self._waiting.remove(download)
            self._tell()

    def _may_begin(self, download: _Download) -> bool:
        """Whether there is a place for it when those who came before have theirs."""
        if not self._gives_way and len(self._running) >= self._most:
            return False
        taken = Counter(running.host for running in self._placed())
        for waiting in self._waiting:
            if taken.total() >= self._in_all:
                return False
            if taken[waiting.host] < self._per_host:
                if waiting is download:
                    return True
                taken[waiting.host] += 1
        return False

    def _placed(self) -> list[_Download]:
        now = trio.current_time()
        return [running for running in self._running if now < running.begun + self._place_s]

    def _next_end(self) -> float:
        """When the next place is given up at the latest."""
        return min((running.begun + self._place_s for running in self._placed()), default=math.inf)

    def _tell(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
