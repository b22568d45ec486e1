"""Giving back the code of modules that nobody called for a while.

Compiled code is mapped from its file. One review brings nearly all of a policy's 2.6 MB into memory, used or not,
because the kernel maps what is around each fault. When memory is short, the kernel takes mapped code last. Once
unmapped, the code is ordinary page cache, and the next call gets it from there within microseconds.
"""

from __future__ import annotations

import ctypes
import mmap
import re
import weakref
from collections.abc import Iterable
from typing import Protocol

from edged.wasm.bindings import holding

_LINE = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ (\d+)")
_madvise = ctypes.CDLL(None, use_errno=True).madvise
_madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


class Code(Protocol):
    """A compiled module, as far as giving back its code needs it."""

    handle: int
    called: bool  # since the last look
    warm: bool  # its code may be mapped


class Idle:
    """The modules of an engine. `look` is called every second or so."""

    def __init__(self) -> None:
        self._modules: weakref.WeakSet[Code] = weakref.WeakSet()

    def add(self, module: Code) -> None:
        self._modules.add(module)

    def look(self) -> None:
        """Give back the code of those that were called before the last look and not since."""
        idle = []
        for module in self._modules:
            if module.called:
                module.called, module.warm = False, True
            elif module.warm:
                idle.append(module)
        if idle:
            give_back(idle)
        for module in idle:  # where it failed, the next look tries again
            module.warm = False


def give_back(modules: Iterable[Code]) -> None:
    """Drop these modules' pages, but only those that come unchanged from a file: they can be read from it again."""
    mappings = _mappings()
    for module in modules:
        start, end = image_range(module.handle)
        inside = [(low, high, safe) for low, high, safe in mappings if low < end and high > start]
        if inside and all(safe for *_, safe in inside) and sum(high - low for low, high, _ in inside) >= end - start:
            _madvise(start, end - start, mmap.MADV_DONTNEED)


def image_range(handle: int) -> tuple[int, int]:
    """First address of a module's compiled image, and the one after it."""
    start, end = ctypes.c_void_p(), ctypes.c_void_p()
    holding.wasmtime_module_image_range(handle, ctypes.addressof(start), ctypes.addressof(end))
    return start.value or 0, end.value or 0


def _mappings() -> list[tuple[int, int, bool]]:
    """(first address, the one after it, whether it is a file's and read-only) of each mapping of this process."""
    mappings = []
    with open("/proc/self/maps") as file:
        for line in file:
            if match := _LINE.match(line):
                safe = match[4] != "0" and "w" not in match[3]
                mappings.append((int(match[1], 16), int(match[2], 16), safe))
    return mappings
