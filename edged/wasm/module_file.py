"""A module's file: its digest, and what the binary says about itself, read piece by piece.

The file is never mapped. It may belong to a package or to a person who rewrites it in place, and the process would die
(SIGBUS) at the first look at a page that is not there any more. Reading blocks, so callers use a thread.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edged.records import dataclass
from edged.wasm import binary
from edged.wasm.binary import Interface
from edged.wasm.errors import BadModule

METADATA_SECTION = "io.kubewarden.metadata"
MAX_MODULE_BYTES = 256 << 20
MAX_METADATA_BYTES = 1 << 20
_SLICE = 1 << 18


@dataclass(frozen=True, slots=True)
class Description:
    """What is known of a module without compiling it. `digest`: SHA-256, hexadecimal. `size`: in bytes."""

    digest: str
    size: int
    interface: Interface
    metadata: bytes | None


class ModuleFile:
    """An open file as binary.py reads it: a slice is read when it is asked for."""

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor = descriptor
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, index: slice, /) -> bytes:
        start, stop, _ = index.indices(self._size)
        parts = []
        while start < stop:
            part = os.pread(self._descriptor, min(_SLICE, stop - start), start)
            if not part:
                raise BadModule("the module's file became shorter while it was read")
            parts.append(part)
            start += len(part)
        return b"".join(parts)


def describe(path: Path, name: str) -> Description:
    """Raises BadModule; `name` is for messages."""
    with opened(path) as descriptor:
        digest = digest_of(descriptor)
        view = ModuleFile(descriptor, _size(descriptor, path))
        try:
            interface = binary.interface(view)
            metadata = binary.custom_section(view, METADATA_SECTION, MAX_METADATA_BYTES)
        except BadModule as error:
            raise BadModule(f"module {name}: {error}") from error
        if digest_of(descriptor) != digest:
            raise BadModule(f"module {name} changed while it was being loaded")
        return Description(digest, len(view), interface, metadata)


def is_whole(descriptor: int) -> bool:
    """Whether an open file is a module whose sections end where the file ends."""
    try:
        for _ in binary.sections(ModuleFile(descriptor, os.fstat(descriptor).st_size)):
            pass
    except BadModule:
        return False
    return True


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """A module's file, open for reading. Raises BadModule."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except FileNotFoundError as error:
        raise BadModule(f"the module file is missing ({path})") from error
    except (OSError, ValueError) as error:
        raise BadModule(f"cannot read module {path}: {getattr(error, 'strerror', None) or error}") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise BadModule(f"cannot read module {path}: not a regular file")
        _size(descriptor, path)
        yield descriptor
    except OSError as error:
        raise BadModule(f"cannot read module {path}: {error.strerror or error}") from error
    finally:
        os.close(descriptor)


def _size(descriptor: int, path: Path) -> int:
    size = os.fstat(descriptor).st_size
    if not 8 <= size <= MAX_MODULE_BYTES:
        raise BadModule(f"not a WebAssembly module: {path} has {size} bytes")
    return size


def digest_of(descriptor: int) -> str:
    """SHA-256 of an open file, read in pieces so that none of it stays in memory. Raises OSError."""
    digest, at = hashlib.sha256(), 0
    while chunk := os.pread(descriptor, _SLICE, at):
        digest.update(chunk)
        at += len(chunk)
    return digest.hexdigest()
