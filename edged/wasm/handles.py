"""Who frees the native handles of an engine's calls and stores, when, and in which order (rule 5).

A future, a linker or a store may be freed only on the trio side and between polls: freeing a future unwinds a guest's
fiber. Finalizers run at any moment, even inside a host callback, so they only put handles on a list.
"""

from __future__ import annotations

from collections import deque

import trio

from edged.wasm.bindings import holding, releasing
from edged.wasm.image_memory import make_blank
from edged.wasm.stack_check import without_check
from edged.wasm.stacks import Stacks

# A call's future: both run on the guest's fiber, where host functions and finalizers are called.
poll_future = without_check(releasing.wasmtime_call_future_poll)
free_future = without_check(holding.wasmtime_call_future_delete)


class Handles:
    """The native engine, and the futures, linkers and stores that live in it."""

    def __init__(self, engine: int, stacks: Stacks, slots: int, *, pooled: bool) -> None:
        self.engine = engine
        self.pooled = pooled  # whether instances live in reserved slots
        self.shown: dict[int, tuple[int, int]] = {}  # by store, where its memory shows an image: (address, size)
        self.stacks = stacks
        self.free_slots = trio.Semaphore(slots)  # one for each store that has instances
        self._doomed: deque[tuple[int, int, int]] = deque()  # (future, linker, store), 0 where there is none

    def doom(self, future: int, store: int, linker: int = 0) -> None:
        """Free these later: callable from a finalizer, on any thread, inside a callback."""
        (self._doomed if self.engine else _orphans).append((future, linker, store))

    def delete_future(self, future: int) -> None:
        """Unwind and free a call. Only between polls, on the trio side."""
        free_future(future)
        self.stacks.call_ended()
        if self._doomed:
            self.bury()

    def delete_store(self, store: int) -> None:
        """Free a store and its slot. Only between polls, on the trio side."""
        self._hide_image(store)
        holding.wasmtime_store_delete(store)
        self.free_slots.release()

    def bury(self) -> None:
        """Free what was doomed, a future before its store. Only between polls, on the trio side."""
        while self._doomed:
            future, linker, store = self._doomed.popleft()
            self._hide_image(store)
            _free(future, linker, store)
            if future:
                self.stacks.call_ended()
            if store:
                self.free_slots.release()

    def _hide_image(self, store: int) -> None:
        """Before a slot is another store's. Raises OSError where that is not possible: then the slot stays taken."""
        if store in self.shown:
            make_blank(*self.shown[store])
            del self.shown[store]

    def close(self) -> None:
        """Let the native engine go; it ends with the last module that is still referenced."""
        self.bury()
        engine, self.engine = self.engine, 0
        if engine:
            holding.wasm_engine_delete(engine)


_orphans: deque[tuple[int, int, int]] = deque()
"""What was doomed when its engine was closed already; the native engine's addresses are free after the last of them.

A finalizer can reach no other place than the module's: nobody holds a closed engine any more.
"""


def free_orphans() -> None:
    """Free what closed engines left. Only between polls, on the trio side."""
    while _orphans:
        _free(*_orphans.popleft())


def _free(future: int, linker: int, store: int) -> None:
    if future:
        free_future(future)
    if linker:
        holding.wasmtime_linker_delete(linker)
    if store:
        holding.wasmtime_store_delete(store)
