"""Reading a file that a person names, and writing one whole or not at all.

`read_file` never waits: a path may lead to a FIFO that nobody writes to, and reading that would hold up the event loop
for ever. Writing is used for certificates and static manifests, where half a file does harm.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

MOST_BYTES = 16 << 20
"""Of a file that a person names: certificates, tokens, settings. A reader of something larger says so."""
_CHUNK_BYTES = 1 << 20
_NAME_PART = 50
"""So many characters of a file's name are in the name of its temporary one. Names have 255 bytes at most."""
LEFT_BEHIND_S = 2 * 3600.0
"""A temporary file that nobody wrote to for so long belongs to nobody any more."""

Identity = tuple[int, int, int, int]


def read_file(path: str | os.PathLike[str], *, most_bytes: int = MOST_BYTES) -> bytes:
    """The whole of a regular file. Raises OSError, whose `strerror` says why it cannot be read: also for a FIFO, a
    socket or a device, for a file of more than `most_bytes`, and for what no file can be called."""
    name = os.fspath(path)
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except ValueError as error:
        raise OSError(errno.EINVAL, "this cannot be the name of a file", name) from error
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), name)
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "not a regular file", name)
        return _read_whole(descriptor, most_bytes, name)
    finally:
        os.close(descriptor)


def _read_whole(descriptor: int, most_bytes: int, name: str) -> bytes:
    chunks, left = [], most_bytes + 1
    while left > 0 and (chunk := os.read(descriptor, min(left, _CHUNK_BYTES))):
        chunks.append(chunk)
        left -= len(chunk)
    if left <= 0:
        raise OSError(errno.EINVAL, f"larger than {most_bytes} bytes", name)
    return b"".join(chunks)


def identity(path: str | os.PathLike[str]) -> Identity | None:
    """Changes when the file, or what its symlinks lead to, is replaced or written; None where there is none or it
    cannot be looked for."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


class FilesRead:
    """Files that were read, or looked for in vain, and what each was like just before: did any change since? One that
    could not be read changes when it can be (`chmod`, `chgrp`, `setfacl`), although nobody writes to it.

    `waiting`: a pipe may be read, for commands that are given one.
    """

    def __init__(self, *, waiting: bool = False) -> None:
        self._waiting = waiting
        self._seen: dict[str, Identity | None] = {}
        self._closed: set[str] = set()  # files that this user may not read

    def note(self, path: str | os.PathLike[str]) -> None:
        """This file matters: whether it is there, and what it is like."""
        name = os.fspath(path)
        if name not in self._seen:
            self._seen[name] = seen = identity(name)
            if seen is not None and not _may_read(name):
                self._closed.add(name)

    def read(self, path: str | os.PathLike[str]) -> bytes:
        """As `read_file`. Raises OSError."""
        self.note(path)
        if self._waiting and Path(path).is_fifo():
            return Path(path).read_bytes()
        return read_file(path)

    def changed(self) -> bool:
        return any(map(_may_read, self._closed)) or any(identity(path) != seen for path, seen in self._seen.items())

    def __iter__(self) -> Iterator[str]:
        return iter(self._seen)


def _may_read(path: str) -> bool:
    return os.access(path, os.R_OK, effective_ids=True)


@contextmanager
def in_memory(data: bytes) -> Iterator[str]:
    """A path to a file with `data` that nobody else can open, for libraries that read files only, such as ssl."""
    descriptor = os.memfd_create("edged", os.MFD_CLOEXEC)
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(data)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def write_atomically(path: Path, data: bytes, mode: int) -> None:
    """Replace `path` by `data`, whole or not at all. Raises OSError."""
    with written(path, mode) as file:
        file.write(data)


@contextmanager
def written(path: Path, mode: int) -> Iterator[BinaryIO]:
    """A file that replaces `path` at the end, also across a power cut: temporary name, sync, rename, sync the folder.
    Nothing is replaced when anything is raised.

    Of several who write it at once, the last one to end has its file there, whole. Raises OSError.
    """
    temporary, opened = temporary_file(path, mode)
    try:
        with opened as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def temporary_file(path: Path, mode: int) -> tuple[Path, BinaryIO]:
    """A new file beside `path`, which is to take its place: its name, and itself, open. Raises OSError.

    The name ends in `.tmp`, which nothing that reads a folder by extension takes. No two writers share one, not even in
    one process. Made by root, the file belongs to whom its folder belongs to: `edged webhook install` prepares files
    that the daemon, which is not root, has to renew.
    """
    _sweep(path)
    temporary = path.with_name(f".{path.name[:_NAME_PART]}.{secrets.token_hex(8)}.tmp")
    descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    try:
        os.fchmod(descriptor, mode)
        _give_to_owner_of(path.parent, descriptor)
    except BaseException:
        os.close(descriptor)
        temporary.unlink(missing_ok=True)
        raise
    return temporary, os.fdopen(descriptor, "wb")


def _sweep(path: Path) -> None:
    """Remove what killed processes left behind of this file. What a living one writes to is younger. (Names with a
    process's number instead of a token are of an earlier edged.)"""
    ours = re.compile(re.escape(f".{path.name[:_NAME_PART]}.") + r"(?:[0-9]+|[0-9a-f]{16})\.tmp")
    with suppress(OSError), os.scandir(path.parent) as entries:
        for entry in entries:
            if ours.fullmatch(entry.name):
                numbered = len(entry.name.split(".")[-2]) < 16
                if numbered or time.time() - entry.stat(follow_symlinks=False).st_mtime > LEFT_BEHIND_S:
                    os.unlink(entry.path)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Alone among all threads and processes that lock this file, which is made if there is none. Blocks. For changes of
    several files that belong together. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        _give_to_owner_of(path.parent, descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def make_folder(folder: Path, mode: int) -> None:
    """A folder, and those above it, that belong to the owner of what was there already. Raises OSError."""
    missing = [folder]
    while not missing[-1].parent.exists():
        missing.append(missing[-1].parent)
    for path in reversed(missing):
        try:
            path.mkdir(mode=mode)
        except FileExistsError:
            if path.is_dir():
                continue  # there was one, or another task made it in this moment
            raise
        path.chmod(mode)  # whatever the umask of a hardened unit says
        _give_to_owner_of(path.parent, path)


def _give_to_owner_of(folder: Path, what: int | Path) -> None:
    if os.geteuid() == 0:
        owner = folder.stat()
        os.chown(what, owner.st_uid, owner.st_gid)


def remove(path: Path) -> bool:
    """Delete a file for good; whether there was one. Raises OSError."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    sync_folder(path.parent)
    return True


def sync_folder(folder: Path) -> None:
    """Make renames and deletions in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
