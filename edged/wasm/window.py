"""A memory through which Python and modules of ours exchange data beside a guest (surrounded.py)."""

from __future__ import annotations

import ctypes

from edged.wasm import bindings
from edged.wasm.account import Account
from edged.wasm.bindings import holding

PAGE = 64 << 10
Memory = ctypes.c_char * 24  # wasmtime_memory_t


class Window:
    """The memory that the first module exports as `window`: written and read while its guest does not run."""

    __slots__ = ("_account", "_context", "_memory")

    def __init__(self, context: int, memory: ctypes.Array[ctypes.c_char], account: Account) -> None:
        self._context = context
        self._memory = memory
        self._account = account

    def address(self) -> int:
        """Where it begins, until it grows."""
        address: int = holding.wasmtime_memory_data(self._context, ctypes.addressof(self._memory))
        return address

    def size(self) -> int:
        size: int = holding.wasmtime_memory_data_size(self._context, ctypes.addressof(self._memory))
        return size

    def reserve(self, size: int) -> bool:
        """Make it at least so many bytes large; False where the store's limit is below, or that of all windows."""
        present = self.size()
        missing = size - present
        if missing <= 0:
            return True
        before = ctypes.c_uint64()
        pages = -(-missing // PAGE)
        if not self._account.count_window(present + pages * PAGE):
            return False
        error = holding.wasmtime_memory_grow(
            self._context, ctypes.addressof(self._memory), pages, ctypes.addressof(before)
        )
        if error:
            bindings.take_error(error)
            self._account.count_window(present)
        return not error
