"""A deadline that costs nothing for calls that end at once.

A cycle makes a call per node and plugin, and nearly all of them end within the guest's first slice. A trio
cancel scope around each costs more than the call itself (9 to 18 microseconds against some ten), so the
scope is opened only when the call first has to wait. That is for work whose first wait is its own: scopes
that it opened before, as `trio.sleep` does, would be closed in the wrong order. Guest calls fit unless the
module imports host functions that wait. Used by guest.py, which picks one of the two.
"""

from __future__ import annotations

import types
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

import trio

T = TypeVar("T")


async def within_plain(timeout_s: float, work: Coroutine[Any, Any, T]) -> T:
    """Awaits `work`, at most `timeout_s` seconds. Raises trio.TooSlowError."""
    with trio.CancelScope(deadline=trio.current_time() + timeout_s):
        return await work
    raise trio.TooSlowError


async def within(timeout_s: float, work: Coroutine[Any, Any, T]) -> T:
    """As `within_plain`, for work that opens no cancel scope before its first wait.

    The first step runs without a scope: what it does before it waits is not cancelled by this deadline.
    """
    try:
        message = work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    with trio.CancelScope(deadline=trio.current_time() + timeout_s):
        # The message is handed on inside the scope: trio looks for cancellation when it gets it, not before.
        return await _resume(work, message)
    raise trio.TooSlowError


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
