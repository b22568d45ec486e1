"""A deadline that costs nothing for calls that end at once. Pure: cancel scopes are handed in.

A cycle makes a call per node and plugin, and nearly all of them end within the guest's first slice. A trio
cancel scope around each costs more than the call itself (9 to 18 microseconds against some ten), so the scope
is opened only when the call first has to wait. That is for work whose first wait is its own: scopes that it
opened before, as `trio.sleep` does, would be closed in the wrong order. Guest calls fit unless the module
imports host functions that wait. Used by guest.py, which picks one of the two.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Coroutine, Generator
from contextlib import AbstractContextManager
from typing import Any, TypeVar

T = TypeVar("T")
OpenScope = Callable[[], AbstractContextManager[Any]]
"""Opens a cancel scope whose deadline counts from now; leaving it after the deadline swallows the
cancellation."""


class DeadlinePassed(Exception):
    """The scope ended the work."""


async def inside(open_scope: OpenScope, work: Coroutine[Any, Any, T]) -> T:
    """Awaits `work` in the scope. Raises DeadlinePassed."""
    with open_scope():
        return await work
    raise DeadlinePassed


async def inside_once_it_waits(open_scope: OpenScope, work: Coroutine[Any, Any, T]) -> T:
    """As `inside`, for work that opens no scope of its own before its first wait."""
    try:
        message = work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    with open_scope():
        # The message is handed on inside the scope: trio looks for cancellation when it gets it, not before.
        return await _resume(work, message)
    raise DeadlinePassed


@types.coroutine
def _resume(work: Coroutine[Any, Any, T], message: Any) -> Generator[Any, Any, T]:
    """`await work` for a coroutine that has already given its first message."""
    try:
        while True:
            try:
                answer = yield message
            except BaseException as error:
                message = work.throw(error)
            else:
                message = work.send(answer)
    except StopIteration as done:
        result: T = done.value
        return result
