"""A wasmtime store with one instance in it: its limits, its exports, its memory, and what the C API writes for us.

Nothing here waits: calls of functions give futures, which the driver polls (driver.py).
"""

from __future__ import annotations

import ctypes
import os
from struct import Struct

from edged.wasm import bindings, image_memory
from edged.wasm.account import Budget
from edged.wasm.bindings import holding
from edged.wasm.errors import BadModule, GuestTrap, MemoryFault
from edged.wasm.handles import Handles

MAX_ARGUMENTS = 16
WASM_PAGE = 64 << 10
FIRST_SLICE_TICKS = 2
"""One to two milliseconds: an honest review (0.2 ms) is not cut by a tick that comes early."""
LATER_SLICE_TICKS = 1

# Offsets of a store's scratch area, one allocation for all out-parameters of the C API.
INSTANCE, MEMORY, TRAP, ERROR, RESULT, EXTERN, FUNC, ARGS = 0, 16, 40, 48, 64, 96, 128, 160
_Scratch = ctypes.c_char * (ARGS + MAX_ARGUMENTS * bindings.VAL_SIZE)
_RESULT_I32, _RESULT_I64 = Struct("<i"), Struct("<q")
_POINTERS = Struct("<QQ")
OtherInstance = ctypes.c_char * 16  # wasmtime_instance_t


class Store:
    """One native store, the instance in it, and copies to and from that instance's memory."""

    __slots__ = ("_functions", "_handles", "_has_memory", "_store", "address", "budget", "context", "scratch")

    def __init__(self, handles: Handles, budget: Budget) -> None:
        self.budget = budget
        self._handles = handles
        self._functions: dict[str, bytes] = {}
        self._has_memory = False
        self.scratch = _Scratch()
        self.address = ctypes.addressof(self.scratch)
        self._store: int = holding.wasmtime_store_new(handles.engine, None, bindings.NO_FINALIZER)
        self.context: int = holding.wasmtime_store_context(self._store)
        holding.wasmtime_store_limiter(self._store, budget.memory_mib << 20, budget.table_elements, 4, 16, 4)
        # Before the deadline is first set: without it a guest would trap at its first tick.
        holding.wasmtime_context_epoch_deadline_async_yield_and_update(self.context, LATER_SLICE_TICKS)

    # --- memory: copies only; bounds are checked against the size at this moment

    def memory_size(self) -> int:
        """Bytes of linear memory now."""
        if not self._has_memory:
            self._find_memory()
        size: int = holding.wasmtime_memory_data_size(self.context, self.address + MEMORY)
        return size

    def read(self, pointer: int, length: int) -> bytes:
        """Copy of guest memory. Pointers and lengths are taken as unsigned 32-bit. Raises MemoryFault."""
        pointer &= 0xFFFFFFFF
        length &= 0xFFFFFFFF
        if pointer + length > self.memory_size():
            raise MemoryFault(f"out of bounds: {length} bytes at {pointer} of {self.memory_size()}")
        base = holding.wasmtime_memory_data(self.context, self.address + MEMORY)
        return ctypes.string_at(base + pointer, length)

    def write(self, pointer: int, data: bytes) -> None:
        """Copy into guest memory; nothing may be written anywhere. Raises MemoryFault."""
        if not data:
            return
        pointer &= 0xFFFFFFFF
        if pointer + len(data) > self.memory_size():
            raise MemoryFault(f"out of bounds: {len(data)} bytes at {pointer} of {self.memory_size()}")
        base = holding.wasmtime_memory_data(self.context, self.address + MEMORY)
        ctypes.memmove(base + pointer, data, len(data))

    def grow_memory(self, size: int) -> None:
        """Make linear memory that large, in whole pages of 64 KiB; new ones are zero. Raises MemoryFault."""
        more = size - self.memory_size()
        if more > 0:
            error = holding.wasmtime_memory_grow(
                self.context, self.address + MEMORY, more // WASM_PAGE, self.address + RESULT
            )
            if error:
                raise MemoryFault(bindings.take_error(error))

    def memory_base(self) -> int:
        """Where linear memory begins, until it grows."""
        if not self._has_memory:
            self._find_memory()
        base: int = holding.wasmtime_memory_data(self.context, self.address + MEMORY) or 0
        return base

    def show(self, offset: int, size: int, descriptor: int, at: int) -> None:
        """Let memory from `offset` on show a file's content from `at` on; what the guest writes stays its own. Once for
        an instance, and only for memory that it grew by. Raises OSError."""
        base = self.memory_base()
        if self._handles.pooled:  # there memory never moves
            self._handles.shown[self._store] = (base + offset, size)
            image_memory.show(base + offset, size, descriptor, at)
        else:
            ctypes.memmove(base + offset, os.pread(descriptor, size, at), size)

    def global_value(self, name: bytes) -> bytes:
        """An exported global's value as a `wasmtime_val_t`."""
        value = ctypes.create_string_buffer(bindings.VAL_SIZE)
        holding.wasmtime_global_get(self.context, self._find_global(name), ctypes.addressof(value))
        return value.raw

    def set_global(self, name: bytes, value: bytes) -> None:
        """Give an exported mutable global a value that `global_value` gave."""
        error = holding.wasmtime_global_set(self.context, self._find_global(name), value)
        if error:
            raise RuntimeError(f"the global {name.decode()} does not take its value: {bindings.take_error(error)}")

    def _find_global(self, name: bytes) -> int:
        """Address of a `wasmtime_global_t`, which lasts until something else is looked up."""
        if not self._find(name) or self.scratch[EXTERN] != bytes([bindings.EXTERN_GLOBAL]):
            raise RuntimeError(f"the instance exports no global {name.decode()}")
        return self.address + EXTERN + 8

    def _find_memory(self) -> None:
        if not self._find(b"memory") or self.scratch[EXTERN] != bytes([bindings.EXTERN_MEMORY]):
            raise MemoryFault("the module exports no memory named memory")
        ctypes.memmove(self.address + MEMORY, self.address + EXTERN + 8, 24)
        self._has_memory = True

    # --- calls: each gives a future, which has to be polled to its end or deleted before anything else is done here

    def begin_slice(self) -> None:
        """Arm the first slice of a call."""
        holding.wasmtime_context_set_epoch_deadline(self.context, FIRST_SLICE_TICKS)

    def start_instantiation(self, prepared: int) -> int:
        """Make the instance of a `wasmtime_instance_pre_t`."""
        address = self.address
        future: int = holding.wasmtime_instance_pre_instantiate_async(
            prepared, self.context, address + INSTANCE, address + TRAP, address + ERROR
        )
        return future

    def start_call(self, function: bytes, params: str, results: str, args: tuple[int, ...]) -> int:
        """Call a function (`wasmtime_func_t`) of that signature, which the caller has checked."""
        address = self.address
        ctypes.memmove(address + FUNC, function, 16)
        at = ARGS
        for letter, value in zip(params, args, strict=True):
            if letter == "I":
                bindings.VAL.pack_into(self.scratch, at, bindings.KIND_I64, value & 0xFFFFFFFFFFFFFFFF)
            else:
                bindings.VAL.pack_into(self.scratch, at, bindings.KIND_I32, value & 0xFFFFFFFF)
            at += bindings.VAL_SIZE
        future: int = holding.wasmtime_func_call_async(
            self.context,
            address + FUNC,
            address + ARGS,
            len(args),
            address + RESULT,
            len(results),
            address + TRAP,
            address + ERROR,
        )
        return future

    def result(self, letter: str) -> int:
        """What the last call returned, as a signed integer of that type."""
        unpack = _RESULT_I64 if letter == "I" else _RESULT_I32
        value: int = unpack.unpack_from(self.scratch, RESULT + 8)[0]
        return value

    def take_failure(self) -> GuestTrap | BadModule | None:
        """Why the last call failed; None when it did not."""
        trap, error = _POINTERS.unpack_from(self.scratch, TRAP)
        if not trap and not error:
            return None
        _POINTERS.pack_into(self.scratch, TRAP, 0, 0)
        kind, text = bindings.take_trap(trap) if trap else (None, "")
        if error:
            text = bindings.take_error(error)
        if trap:
            return GuestTrap(kind or "host trap", self._explained(text))
        return BadModule(self._explained(text))

    def _find_function(self, export: str) -> bytes:
        if not self._find(export.encode()):
            raise RuntimeError(f"the instance lacks the export {export} of its own module")
        self._functions[export] = function = self.scratch.raw[EXTERN + 8 : EXTERN + 24]
        return function

    def _find(self, name: bytes) -> bool:
        """Put an export of the instance where the scratch area has room for it."""
        is_there: bool = holding.wasmtime_instance_export_get(
            self.context, self.address + INSTANCE, name, len(name), self.address + EXTERN
        )
        return is_there

    def _explained(self, text: str) -> str:
        limit = self.budget.memory_mib << 20
        if self._has_memory and self.memory_size() > limit * 0.9:
            text += f" (the guest's memory is at its limit of {self.budget.memory_mib} MiB)"
        return text
