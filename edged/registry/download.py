"""A module that is being downloaded into a file. It is written while it arrives, so its size costs no memory. Used by
registry/modules.py and by the store."""

from __future__ import annotations

import hashlib
import os
from dataclasses import field
from typing import Any, BinaryIO

import trio

from edged.records import dataclass

MAGIC = b"\0asm"
HEAD_BYTES = 8
MOST_SECTIONS = 10_000
AT_ONCE = 1 << 20
"""So many bytes are hashed and written in one go, beside the event loop: a slow disk may take long for them."""


@dataclass(slots=True)
class Download:
    """`file` holds nothing else. The next attempt overwrites a failed one."""

    file: BinaryIO
    limiter: trio.CapacityLimiter | None = None
    """Of the threads that write; None for trio's own."""
    size: int = 0
    _head: bytes = b""
    _frame: _Frame = field(default_factory=lambda: _Frame())
    _hash: Any = field(default_factory=hashlib.sha256)
    _waiting: bytearray = field(default_factory=bytearray)

    def begin(self) -> None:
        """From the start."""
        self._waiting.clear()
        self.file.seek(0)
        self.file.truncate()
        self.size, self._head, self._frame, self._hash = 0, b"", _Frame(), hashlib.sha256()

    async def take(self, chunk: bytes) -> None:
        """What arrived. It is in the file after `flush`. Raises OSError."""
        self._waiting += chunk
        if len(self._waiting) >= AT_ONCE:
            await self.flush()

    async def flush(self) -> None:
        """Write what was taken. Raises OSError."""
        data = bytes(self._waiting)
        self._waiting.clear()
        if data:
            await trio.to_thread.run_sync(self.write, data, limiter=self.limiter)

    def write(self, chunk: bytes) -> None:
        self.file.write(chunk)
        self._hash.update(chunk)
        self._frame.read(chunk)
        self.size += len(chunk)
        if len(self._head) < len(MAGIC):
            self._head = (self._head + chunk)[: len(MAGIC)]

    def settle(self) -> None:
        """Wait until it is on the disk. A slow disk takes seconds, so this does not run on the event loop."""
        self.file.flush()
        os.fsync(self.file.fileno())

    @property
    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"

    @property
    def is_module(self) -> bool:
        """Whether it begins as a Wasm module."""
        return self._head == MAGIC

    @property
    def is_whole(self) -> bool:
        """Whether it is a Wasm module whose last section ends where the download ended: it was not cut short."""
        return self.is_module and self._frame.at_an_end


@dataclass(slots=True)
class _Frame:
    """Where a module's sections begin and end, read from pieces of any size."""

    _left: int = HEAD_BYTES
    _header: bytearray = field(default_factory=bytearray)
    _sections: int = 0

    @property
    def at_an_end(self) -> bool:
        return not self._left and not self._header and self._sections <= MOST_SECTIONS

    def read(self, chunk: bytes) -> None:
        at = 0
        while at < len(chunk) and self._sections <= MOST_SECTIONS:
            if self._left:
                step = min(self._left, len(chunk) - at)
                self._left -= step
                at += step
                continue
            self._header.append(chunk[at])
            at += 1
            if len(self._header) > 1 and self._header[-1] < 0x80:
                self._left = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(self._header[1:]))
                self._header.clear()
                self._sections += 1
            elif len(self._header) > 6:
                self._sections = MOST_SECTIONS + 1  # no length of a section: it cannot end anywhere
