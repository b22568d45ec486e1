"""Images: what an initialised instance holds, as data that fresh instances of the same module can begin from.

An image is linear memory as far as it differs from a fresh instance's, and the values of mutable globals, which the
exposed form of a module exports (rewriting.py, which also says for which modules that is all an instance holds). It may
hold settings, so it is in memory of this process alone, gone with its last user, and never near the cache of compiled
modules.

Where an instance grew by much, that memory is mapped (image_memory.py): what the guest does not touch costs nothing.
Few pages are copied, and so are those of the module's own memory, which wasmtime maps from the module. Nothing else
goes on while an image is put into an instance, so one of which much would be copied is refused.
"""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
from collections.abc import Iterable

import trio

from edged.wasm import bindings, image_memory
from edged.wasm.errors import BadModule, GuestMemory, MemoryFault
from edged.wasm.guest_store import Store
from edged.wasm.image_memory import Vector

PAGE = mmap.PAGESIZE
CHUNK = 16 * PAGE
"""Is compared at once: most are equal, and a step in Python takes longer than comparing a page."""
PAUSE = 16 * CHUNK
"""Of memory, after which others go on: memory that was never touched takes long to compare, some ms for each MiB."""
_ZERO = bytes(CHUNK)
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
MAPPED_FROM = 16 * PAGE
"""What is more than that is mapped: mapping and unmapping cost as much as copying ten pages does."""
MOST_MEMORY = 64 << 20
"""Of an instance."""
MOST_COPIED = 4 << 20
"""For each review: 2 ms, as long as a guest's first slice."""
MOST_HELD = 16 << 20
MOST_KNOWN = 64
"""Slots of which the places of all pages are remembered."""
Run = tuple[int, bytes]
"""(offset in linear memory, content): whole pages of the machine."""


class Image:
    """What fresh instances of one module begin from."""

    __slots__ = ("_copied", "_descriptor", "_globals", "_grown", "_vectors", "held_bytes", "memory_size")

    def __init__(
        self, memory_size: int, fresh_size: int, runs: Iterable[Run], values: tuple[tuple[bytes, bytes], ...]
    ) -> None:
        """`memory_size`: bytes of linear memory, `fresh_size` of a fresh instance's. `values`: (export name,
        `wasmtime_val_t`) of mutable globals."""
        self.memory_size = memory_size
        self._globals = values
        self._vectors: dict[int, ctypes.Array[Vector]] = {}  # by where a slot's memory begins
        copied, mapped = [*runs], []
        if sum(len(content) for offset, content in copied if offset >= fresh_size) > MAPPED_FROM:
            mapped = [run for run in copied if run[0] >= fresh_size]
            copied = [run for run in copied if run[0] < fresh_size]
        if len(copied) > image_memory.MOST_VECTORS:
            raise BadModule(f"its memory differs from a fresh instance's in {len(copied)} places")
        if (size := sum(len(content) for _, content in copied)) > MOST_COPIED:
            raise BadModule(f"{size >> 10} KiB would be copied for each review, more than {MOST_COPIED >> 10}")
        self._copied = tuple((offset, len(content)) for offset, content in copied)  # one after the other in the file
        self._grown = (fresh_size, memory_size - fresh_size if mapped else 0, sum(size for _, size in self._copied))
        """Offset and size of what is mapped, and where it stands in the file."""
        self.held_bytes = sum(len(content) for _, content in copied + mapped)
        """Of this process's memory, for its pages."""
        try:
            self._descriptor = os.memfd_create("image", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            self._write(copied, mapped)
        except OSError as error:
            raise GuestMemory(f"there is no room for an image: {error.strerror or error}") from error

    def _write(self, copied: list[Run], mapped: list[Run]) -> None:
        end = 0
        for _, content in copied:
            end += _put(self._descriptor, content, end)
        start, size, at = self._grown
        for offset, content in mapped:
            _put(self._descriptor, content, at + offset - start)
        os.ftruncate(self._descriptor, at + size)
        fcntl.fcntl(self._descriptor, fcntl.F_ADD_SEALS, _SEALS)

    def __del__(self) -> None:
        if getattr(self, "_descriptor", -1) >= 0:
            os.close(self._descriptor)

    def put(self, instance: Store) -> None:
        """Let an instance go on from here. It must be fresh: of the same module, and not called yet. Raises
        MemoryFault where it may not have so much memory."""
        try:
            instance.grow_memory(self.memory_size)
            base = instance.memory_base()
            if self._copied:
                image_memory.fill(self._vectors.get(base) or self._places(base), self._descriptor, self._grown[2])
            offset, size, at = self._grown
            if size:
                instance.show(offset, size, self._descriptor, at)
        except OSError as error:
            raise MemoryFault(f"the instance cannot begin from an image: {error.strerror or error}") from error
        for name, value in self._globals:
            instance.set_global(name, value)

    def _places(self, base: int) -> ctypes.Array[Vector]:
        if len(self._vectors) >= MOST_KNOWN:
            self._vectors.clear()
        places = (Vector * len(self._copied))(*(Vector(base + offset, size) for offset, size in self._copied))
        self._vectors[base] = places
        return places


def _put(descriptor: int, content: bytes, at: int) -> int:
    done = 0
    while done < len(content):
        done += os.pwrite(descriptor, content[done:], at + done)
    return done


async def take(initialised: Store, fresh: Store, exposed: Iterable[str]) -> Image:
    """The image of an instance. `fresh`: another one of the same module that was never called; `exposed`: the names of
    all mutable globals. Neither may be in a call until this returns. Raises BadModule where there can be none, and
    GuestMemory."""
    values = tuple((name.encode(), initialised.global_value(name.encode())) for name in exposed)
    for name, value in values:
        if value[0] > bindings.KIND_V128:
            raise BadModule(f"the global {name.decode()} holds a reference")
    if initialised.memory_size() > MOST_MEMORY:
        raise BadModule(f"its memory has {initialised.memory_size() >> 20} MiB, more than {MOST_MEMORY >> 20}")
    return Image(initialised.memory_size(), fresh.memory_size(), await _differences(initialised, fresh), values)


async def _differences(initialised: Store, fresh: Store) -> list[Run]:
    """Pages in a row are one run, but none reaches over the end of a fresh instance's memory. Raises BadModule."""
    known, base, fresh_base = fresh.memory_size(), initialised.memory_base(), fresh.memory_base()

    def same(at: int, size: int) -> bool:
        return image_memory.equal(base + at, fresh_base + at if at < known else _ZERO, size)

    runs: list[Run] = []
    begun, held = -1, 0
    for chunk in range(0, initialised.memory_size(), CHUNK):  # a memory is as large as some of them
        is_same = same(chunk, CHUNK)
        for at in (chunk,) if is_same else range(chunk, chunk + CHUNK, PAGE):
            differs = not is_same and not same(at, PAGE)
            if begun >= 0 and (not differs or at == known):
                runs.append((begun, ctypes.string_at(base + begun, at - begun)))
                begun = -1
            if differs and begun < 0:
                begun = at
            held += PAGE if differs else 0
            if held > MOST_HELD:
                raise BadModule(f"more than {MOST_HELD >> 20} MiB of its memory differ from a fresh instance's")
        if chunk % PAUSE == 0:
            await trio.lowlevel.checkpoint()
    if begun >= 0:
        runs.append((begun, ctypes.string_at(base + begun, initialised.memory_size() - begun)))
    return runs
