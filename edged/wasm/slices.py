"""Who may run the next slice: which guest call goes on when several want the processor. Pure but for trio's events.

By itself trio runs every runnable call before it looks at sockets: the slices of fifty endless guests add up to 200 ms
in which nobody else is served. So each pass of the event loop runs at most one unfinished first slice and one later
slice. Among later slices the call that used the least CPU goes first, so that a call that needs three milliseconds does
not wait for guests that used three hundred. What a module's calls usually use counts as well: a new wave of endless
calls starts at the rank where the last wave ended, not among the short calls.
"""

from __future__ import annotations

import heapq
from itertools import count

import trio

MANY = 4
SHORT_RANK = 5
"""Calls that used less CPU than so many milliseconds are short. Others may go on for ever, and must hold nobody up."""


class Turnstile:
    """A lock that goes to the waiter of the lowest rank, and among equal ranks to the one that waits longest."""

    def __init__(self) -> None:
        self._held = False
        self._waiting: list[tuple[int, int, trio.Event]] = []
        self._sequence = count()

    @property
    def held(self) -> bool:
        return self._held

    def is_wanted(self, most: int, below: int) -> bool:
        """Whether more than so many wait whose rank is lower than that."""
        return sum(rank < below for rank, _, _ in self._waiting) > most

    def enter_now(self) -> bool:
        """Take the lock if it is free."""
        if self._held:
            return False
        self._held = True
        return True

    async def enter(self, rank: int) -> None:
        """Take the lock in turn. A checkpoint only when somebody holds it."""
        if self.enter_now():
            return
        event = trio.Event()
        entry = (rank, next(self._sequence), event)
        heapq.heappush(self._waiting, entry)
        try:
            await event.wait()
        except BaseException:
            if event.is_set():
                self.leave()  # handed over while being cancelled: pass it on
            else:
                self._waiting.remove(entry)
                heapq.heapify(self._waiting)
            raise

    def leave(self) -> None:
        """Hand over to the waiter of the lowest rank."""
        if self._waiting:
            heapq.heappop(self._waiting)[2].set()
        else:
            self._held = False


class Slices:
    """The two turnstiles of an engine: calls in their first slice, calls that used theirs."""

    def __init__(self) -> None:
        self.fresh = Turnstile()
        self.used = Turnstile()

    def is_behind(self) -> bool:
        """Whether several short calls wait for a slice. Where more begin than come to an end, each of them takes longer
        and none is done sooner."""
        return self.fresh.is_wanted(MANY, SHORT_RANK) or self.used.is_wanted(MANY, SHORT_RANK)
