"""CPython 3.14's check of the C stack, and calls that leave the thread's stack.

From 3.14 on, CPython compares the stack pointer with the bounds of the thread's own stack. Host callbacks run on the
guest's fiber, whose stack lies elsewhere, far below. 3.14.1 and later take such a pointer for a foreign stack and raise
no RecursionError. But they still measure how much of the thread's stack is left, and find less than nothing: every
container that is freed in a callback is only put on a list until the callback has returned. Until then it keeps its
memory, and a weak reference to it hands out an object that is dead.

So the bounds are widened to all addresses while a guest runs, and are the thread's own again afterwards. On the guest's
stack nothing then ends a recursion in C but the guard page below it: host functions do bounded work (ARCHITECTURE.md,
rules 3 and 8).
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable
from typing import TypeVar

LOWEST = 1 << 16  # below the lowest address that Linux lets a process map; no stack is there
Result = TypeVar("Result")


def without_check(call: Callable[[int], Result]) -> Callable[[int], Result]:
    """`call`, a function of wasmtime that runs on a fiber, with widened bounds; `call` itself before Python 3.14.

    Calls do not nest: a host callback never calls into a guest (ARCHITECTURE.md, rule 1).
    """
    if sys.version_info < (3, 14):
        return call
    widen = ctypes.pythonapi.PyUnstable_ThreadState_SetStackProtection  # since 3.14.1
    widen.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
    reset = ctypes.pythonapi.PyUnstable_ThreadState_ResetStackProtection
    reset.restype, reset.argtypes = None, [ctypes.c_void_p]

    thread, highest = _Thread(), sys.maxsize - LOWEST

    def called(argument: int) -> Result:
        state = thread.state
        widen(state, LOWEST, highest)
        try:
            return call(argument)
        finally:
            reset(state)

    return called


class _Thread(threading.local):
    """CPython's own state of the thread that asks."""

    def __init__(self) -> None:
        current = ctypes.pythonapi.PyThreadState_Get
        current.restype, current.argtypes = ctypes.c_void_p, []
        self.state: int = current()
