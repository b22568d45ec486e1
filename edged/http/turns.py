"""How many requests begin in one pass of the event loop, so that a pass stays short however many have come.

trio runs every runnable task before it looks at sockets. A thousand requests that begin in one pass would keep
handshakes, timers and guests that are under way waiting for half a second; and whoever waits ten seconds for a
handshake gives up, as kube-apiserver does.
"""

from __future__ import annotations

from collections.abc import Callable

import trio


class Turns:
    """`run` is a task of the listener; without it the turns of the first pass are all that there are.

    `is_behind` says whether so much has begun and not come to its end that nothing else should begin in this pass.
    """

    def __init__(self, in_a_pass: int, is_behind: Callable[[], bool] = lambda: False) -> None:
        self._is_behind = is_behind
        self._in_a_pass = in_a_pass
        self._left = in_a_pass
        self._waiting = trio.lowlevel.ParkingLot()
        self._taken = trio.Event()

    def take_nowait(self) -> bool:
        """Take a turn of this pass, if there is one left and nobody waits."""
        if not self._left or self._waiting:
            return False
        self._left -= 1
        self._taken.set()
        return True

    async def take(self) -> None:
        """Wait for a turn, in order. A checkpoint only where there is none left in this pass."""
        if not self.take_nowait():
            await self._waiting.park()

    async def run(self) -> None:
        """Give out the turns of each pass, for ever. Sleeps while nobody takes any."""
        while True:
            await self._taken.wait()
            await trio.lowlevel.checkpoint()
            if self._is_behind():
                self._left = 0
                continue
            served = min(len(self._waiting), self._in_a_pass)
            self._waiting.unpark(count=served)
            self._left = self._in_a_pass - served
            if not served:
                self._taken = trio.Event()
