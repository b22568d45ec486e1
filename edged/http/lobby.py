"""Connections that were accepted and have said nothing yet, and those that spoke and wait for a place.

They cost a file descriptor and a few hundred bytes: no task, no TLS state. So thousands of clients that connect and say
nothing keep nobody else waiting, as they would in the kernel's accept queue, where who comes later is behind them.
`places.py` takes from here, `listener.py` puts in.
"""

from __future__ import annotations

import math
import select
import socket
from collections import OrderedDict, deque

import trio

from edged.records import dataclass

EVENTS = select.EPOLLIN | select.EPOLLRDHUP


@dataclass(frozen=True, slots=True)
class Newcomer:
    """An accepted socket. `arrived`: when the client connected, on trio's clock, which may be before `accepted`."""

    sock: socket.socket
    address: str
    arrived: float
    accepted: float


class Lobby:
    """`half_closed`: whether a client that will send nothing more may still be answered, as with plain HTTP."""

    def __init__(self, *, half_closed: bool) -> None:
        self._half_closed = half_closed
        self._epoll = select.epoll()
        self._silent: OrderedDict[int, Newcomer] = OrderedDict()  # by file descriptor, the longest silent one first
        self._ready: deque[Newcomer] = deque()

    def __len__(self) -> int:
        return len(self._silent) + len(self._ready)

    @property
    def silent(self) -> int:
        """How many have said nothing."""
        return len(self._silent)

    @property
    def ready(self) -> int:
        """How many have spoken and wait for a place."""
        return len(self._ready)

    @property
    def waits_since(self) -> float:
        """When the first of those that have spoken arrived."""
        return self._ready[0].arrived if self._ready else math.inf

    def add(self, newcomer: Newcomer) -> None:
        """Raises OSError where the kernel cannot watch one more."""
        fd = newcomer.sock.fileno()
        self._epoll.register(fd, EVENTS)
        self._silent[fd] = newcomer

    async def wait(self) -> None:
        """Until somebody spoke, or went."""
        if not self._ready:
            await trio.lowlevel.wait_readable(self._epoll.fileno())

    def look(self) -> int:
        """Note who spoke, and let go of who left; how many left."""
        left = 0
        for fd, events in self._epoll.poll(0):
            newcomer = self._forget(fd)
            if self._has_gone(events):
                newcomer.sock.close()
                left += 1
            else:
                self._ready.append(newcomer)
        return left

    def _has_gone(self, events: int) -> bool:
        gone = select.EPOLLERR | select.EPOLLHUP | (0 if self._half_closed else select.EPOLLRDHUP)
        return bool(events & gone)

    def take(self) -> Newcomer | None:
        """The next one that has spoken and is still there."""
        while self._ready:
            newcomer = self._ready.popleft()
            if not self._has_left(newcomer.sock):
                return newcomer
            newcomer.sock.close()
        return None

    def _has_left(self, sock: socket.socket) -> bool:
        """A handshake with somebody who gave up meanwhile would be for nothing, and after a burst there are many."""
        poll = select.poll()
        poll.register(sock, EVENTS)
        return any(self._has_gone(events) for _, events in poll.poll(0))

    def close_silent(self, accepted_before: float, most: int | None = None) -> int:
        """Close those that were accepted before that time and have said nothing, the oldest first; how many."""
        closed = 0
        while self._silent and (most is None or closed < most):
            fd, newcomer = next(iter(self._silent.items()))
            if newcomer.accepted >= accepted_before:
                break
            self._forget(fd)
            newcomer.sock.close()
            closed += 1
        return closed

    def _forget(self, fd: int) -> Newcomer:
        self._epoll.unregister(fd)
        return self._silent.pop(fd)

    def close(self) -> None:
        """Close everything. Idempotent."""
        for newcomer in (*self._silent.values(), *self._ready):
            newcomer.sock.close()
        self._silent.clear()
        self._ready.clear()
        if not self._epoll.closed:
            trio.lowlevel.notify_closing(self._epoll.fileno())
            self._epoll.close()
