"""Who may run the next slice: which guest call goes on when several want the processor. Pure but for trio's events.

Without a rule, trio runs every runnable call before it looks at sockets, and the slices of fifty endless guests add
up to 200 ms in which nobody else is served. With it, each pass of the event loop runs at most one call's
first unfinished slice and one later slice; among later slices the call that used the least CPU goes first, so that a
call that needs three milliseconds does not queue behind guests that used three hundred. What a module's calls usually
use counts, too: a new wave of endless calls begins where the last one ended, not among the honest ones.
"""

from __future__ import annotations

import heapq
from itertools import count

import trio


class Turnstile:
    """A lock whose waiters go through in the order of their rank (lowest first), then first come, first served."""

    def __init__(self) -> None:
        self._held = False
        self._waiting: list[tuple[int, int, trio.Event]] = []
        self._sequence = count()

    @property
    def held(self) -> bool:
        return self._held

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
