"""Looking up names of hosts, so that name servers which do not answer hold up nobody else.

The system's resolver blocks a thread, for half a minute or longer where nobody answers. trio's threads are shared by
all that needs one. So look-ups have threads of their own: each part of the process has a few (`Lookups`), and one name
never has two. The daemon installs `Resolver`; everything that connects, trio's own functions included, then goes
through it.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import trio

AT_ONCE = 4
ANSWER_S = 10.0

T = TypeVar("T")


class Lookups:
    """The look-ups of one part of the process."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._all = trio.CapacityLimiter(at_once)
        self._names: dict[object, trio.CapacityLimiter] = {}

    @contextmanager
    def used(self) -> Iterator[None]:
        """By this task, and those that it starts meanwhile."""
        token = _USED.set(self)
        try:
            yield
        finally:
            _USED.reset(token)

    async def ask(self, name: object, question: Callable[[], T]) -> T:
        """The answer to a question that blocks. Raises OSError, also if there is none in time."""
        with trio.move_on_after(ANSWER_S):
            place = _Place(self._all, self._names, name)
            # The type of a limiter is CapacityLimiter; trio asks for the two methods that _Place has.
            limiter: Any = place
            return await trio.to_thread.run_sync(question, abandon_on_cancel=True, limiter=limiter)
        raise socket.gaierror(socket.EAI_AGAIN, f"the name servers do not answer within {ANSWER_S:g} s")


class _Place:
    """A thread's place among all look-ups, and the only one of its name. A thread that nobody waits for any more keeps
    its place until it ends."""

    def __init__(
        self, everything: trio.CapacityLimiter, names: dict[object, trio.CapacityLimiter], name: object
    ) -> None:
        self._all = everything
        self._names = names
        self._name = name

    async def acquire_on_behalf_of(self, borrower: object) -> None:
        one = self._names.setdefault(self._name, trio.CapacityLimiter(1))
        try:
            await one.acquire_on_behalf_of(borrower)
            try:
                await self._all.acquire_on_behalf_of(borrower)
            except BaseException:
                one.release_on_behalf_of(borrower)
                raise
        except BaseException:
            self._forget(one)
            raise

    def release_on_behalf_of(self, borrower: object) -> None:
        one = self._names[self._name]
        self._all.release_on_behalf_of(borrower)
        one.release_on_behalf_of(borrower)
        self._forget(one)

    def _forget(self, one: trio.CapacityLimiter) -> None:
        used = one.statistics()
        if not used.borrowed_tokens and not used.tasks_waiting and self._names.get(self._name) is one:
            del self._names[self._name]


_USED: ContextVar[Lookups | None] = ContextVar("lookups", default=None)
"""Whose look-ups a task's are."""


class Resolver(trio.abc.HostnameResolver):
    """For `trio.socket.set_custom_hostname_resolver`."""

    def __init__(self) -> None:
        self._others = Lookups()

    async def getaddrinfo(
        self, host: bytes | None, port: bytes | str | int | None, family: int = 0, type: int = 0, proto: int = 0,
        flags: int = 0,
    ) -> Any:  # fmt: skip
        return await self._lookups().ask(
            host, lambda: socket.getaddrinfo(host, port, family, type, proto, flags)
        )

    async def getnameinfo(self, sockaddr: Any, flags: int) -> tuple[str, str]:
        return await self._lookups().ask(sockaddr, lambda: socket.getnameinfo(sockaddr, flags))

    def _lookups(self) -> Lookups:
        return _USED.get() or self._others
