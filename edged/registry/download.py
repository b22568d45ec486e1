"""A module that is being downloaded into a file. It is written while it arrives, so its size costs no memory. Used by
registry/modules.py and by the store."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from typing import Any, BinaryIO

MAGIC = b"\0asm"


@dataclass(slots=True)
class Download:
    """`file` holds nothing else. The next attempt overwrites a failed one."""

    file: BinaryIO
    size: int = 0
    _head: bytes = b""
    _hash: Any = field(default_factory=hashlib.sha256)

    def begin(self) -> None:
        """From the start."""
        self.file.seek(0)
        self.file.truncate()
        self.size, self._head, self._hash = 0, b"", hashlib.sha256()

    def write(self, chunk: bytes) -> None:
        self.file.write(chunk)
        self._hash.update(chunk)
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
