"""Which instance serves which Pod: a bounded pool of guest instances. Knows nothing of WebAssembly.

An instance is taken for a Pod's cycle, from its first call to the end of its binding, because guests keep the
cycle's state in their own memory. Instances that broke are closed instead of given back. Waits with trio, so
this file is not pure. Used by guest.py.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

import trio

from edged.errors import GuestError


class PooledInstance(Protocol):
    """What a pool needs of an instance. `dead`: it broke and must not be used again."""

    @property
    def dead(self) -> bool: ...
    def close(self) -> None: ...


I = TypeVar("I", bound=PooledInstance)  # noqa: E741


class PoolExhausted(GuestError):
    """Every instance serves a Pod, and none came back in time."""


class InstancePool(Generic[I]):
    """At most `most` instances at a time, at most `idle` of them kept while unused."""

    def __init__(self, new_instance: Callable[[], Awaitable[I]], most: int, idle: int) -> None:
        self._new_instance = new_instance
        self._most = most
        self._idle = idle
        self._slots = trio.Semaphore(most, max_value=most)
        self._free: list[I] = []
        self._retired = False

    @property
    def in_use(self) -> int:
        return self._most - self._slots.value

    async def take(self, timeout_s: float) -> I:
        """An instance for the caller alone. Raises PoolExhausted, and whatever making a new instance raises."""
        try:
            self._slots.acquire_nowait()
        except trio.WouldBlock:
            await self._wait(timeout_s)
        if self._free:
            return self._free.pop()
        try:
            return await self._new_instance()
        except BaseException:
            self._slots.release()
            raise

    async def _wait(self, timeout_s: float) -> None:
        with trio.move_on_after(timeout_s):
            await self._slots.acquire()
            return
        raise PoolExhausted(f"all {self._most} instances serve other Pods, none was free in {timeout_s:g} s")

    def give(self, instance: I) -> None:
        """Give back what was taken, in whatever condition it is."""
        if instance.dead or self._retired or len(self._free) >= self._idle:
            instance.close()
        else:
            self._free.append(instance)
        self._slots.release()

    def retire(self) -> None:
        """Keep nothing from now on: unused instances are closed, the others when they are given back."""
        self._retired = True
        while self._free:
            self._free.pop().close()
