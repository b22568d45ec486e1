"""Answers of other servers that are remembered for a moment, for host calls. Used by admission/host/context.py and
admission/host/outside.py.

Only successes are kept. Callers that ask the same at the same time share one question; where the one who asks it gives
up, the next one asks again.
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
        self._known: OrderedDict[Hashable, tuple[float, bytes]] = OrderedDict()  # with the time it was answered
        self._bytes = 0
        self._asking: dict[Hashable, tuple[trio.Lock, int]] = {}  # with how many want it

    async def get(self, key: Hashable, ask: Callable[[], Awaitable[bytes]], *, fresh: bool = False) -> bytes:
        """The answer, remembered or asked for. `fresh`: asked for now, whatever is known. Raises what `ask` raises."""
        if fresh:
            return self._keep(key, await ask())
        found = self._find(key)
        if found is not None:
            return found
        lock, wanted = self._asking.get(key, (trio.Lock(), 0))
        self._asking[key] = (lock, wanted + 1)
        try:
            async with lock:
                found = self._find(key)
                return found if found is not None else self._keep(key, await ask())
        finally:
            lock, wanted = self._asking[key]
            if wanted == 1:
                del self._asking[key]
            else:
                self._asking[key] = (lock, wanted - 1)

    def __len__(self) -> int:
        return len(self._known)

    def _find(self, key: Hashable) -> bytes | None:
        known = self._known.get(key)
        if known is None or trio.current_time() - known[0] >= self._remember_s:
            return None
        return known[1]

    def _keep(self, key: Hashable, answer: bytes) -> bytes:
        self._forget(key)
        if len(answer) > self._most_bytes:
            return answer
        now = trio.current_time()
        self._known[key] = (now, answer)
        self._bytes += len(answer)
        while self._bytes > self._most_bytes or len(self._known) > self._most or self._is_old(now):
            self._forget(next(iter(self._known)))
        return answer

    def _is_old(self, now: float) -> bool:
        """Whether the oldest answer is of no use any more."""
        return now - next(iter(self._known.values()))[0] >= self._remember_s

    def _forget(self, key: Hashable) -> None:
        known = self._known.pop(key, None)
        if known is not None:
            self._bytes -= len(known[1])
