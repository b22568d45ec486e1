"""Answers of other servers that are remembered for a moment, for host calls. Used by admission/host/context.py and
admission/host/outside.py.

Only successes are kept, within a number, a sum of bytes and a time. Callers that ask the same at the same time share
one question; where the one who asks it gives up, the next one asks again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable

import trio


class Answers:
    """Bounded in number and in bytes; what was asked longest ago goes first."""

    def __init__(self, remember_s: float, most: int, most_bytes: int) -> None:
        self._remember_s = remember_s
        self._most = most
        self._most_bytes = most_bytes
        self._kept: OrderedDict[Hashable, tuple[float, bytes]] = OrderedDict()  # with the time it was answered
        self._bytes = 0
        self._asking: dict[Hashable, tuple[trio.Lock, int]] = {}  # with how many want it

    async def get(self, key: Hashable, ask: Callable[[], Awaitable[bytes]], *, fresh: bool = False) -> bytes:
        """The answer, remembered or asked for. `fresh`: asked for now, whatever is known. Raises what `ask` raises."""
        if fresh:
            return self._keep(key, await ask())
        answer = self._find(key)
        if answer is not None:
            return answer
        lock, askers = self._asking.get(key, (trio.Lock(), 0))
        self._asking[key] = (lock, askers + 1)
        try:
            async with lock:
                answer = self._find(key)
                return answer if answer is not None else self._keep(key, await ask())
        finally:
            lock, askers = self._asking[key]
            if askers == 1:
                del self._asking[key]
            else:
                self._asking[key] = (lock, askers - 1)

    def __len__(self) -> int:
        return len(self._kept)

    def _find(self, key: Hashable) -> bytes | None:
        remembered = self._kept.get(key)
        if remembered is None or trio.current_time() - remembered[0] >= self._remember_s:
            return None
        return remembered[1]

    def _keep(self, key: Hashable, answer: bytes) -> bytes:
        self._forget(key)
        if len(answer) > self._most_bytes:
            return answer
        now = trio.current_time()
        self._kept[key] = (now, answer)
        self._bytes += len(answer)
        self.drop_old(now)
        while self._bytes > self._most_bytes or len(self._kept) > self._most:
            self._forget(next(iter(self._kept)))
        return answer

    def drop_old(self, now: float) -> None:
        """Forget what is of no use any more. Its owner calls it now and then: nobody may ever ask again."""
        while self._kept and now - next(iter(self._kept.values()))[0] >= self._remember_s:
            self._forget(next(iter(self._kept)))

    def _forget(self, key: Hashable) -> None:
        forgotten = self._kept.pop(key, None)
        if forgotten is not None:
            self._bytes -= len(forgotten[1])
