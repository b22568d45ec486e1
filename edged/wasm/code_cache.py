"""Compiled modules on disk: a content-addressed folder that nobody else can write to.

Compiled code is native code. So every folder on the way and the file itself must belong to this user (folders may be
root's) and be writable by nobody else; symlinks are not followed, and the bytes that were checked are the bytes that
are mapped. A file's name carries the digest of its content: a truncated or damaged file is recognised, removed and made
again. Files are written under a temporary name, synced, renamed and never opened for writing again, because the process
dies when a file is truncated while it is mapped. Everything here blocks, so compile.py calls it in a thread.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
import tempfile
import time
from pathlib import Path

from edged.errors import ConfigError
from edged.wasm.errors import BadModule
from edged.wasm.module_file import digest_of

SUFFIX = ".cwasm"
TEMPORARY = ".compiling-"
LEFT_BEHIND_S = 600.0
"""A temporary file that nobody wrote to for so long is of a compilation that was killed with the daemon."""
MOST_BYTES = 1 << 30
_COPY = 1 << 20


class CacheUntrusted(ConfigError):
    """Somebody else could have written the cache folder or a file in it."""


def _foreign(status: os.stat_result, *, folder: bool) -> str | None:
    """Why somebody else could have written the folder or the file; None where nobody could."""
    mine = (0, os.geteuid()) if folder else (os.geteuid(),)
    if status.st_uid not in mine:
        return f"belongs to user {status.st_uid}"
    writable = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    sticky = folder and status.st_mode & stat.S_ISVTX  # /tmp: others may add files but not replace ours
    return "may be written by others" if writable and not sticky else None


def check_folder(folder: Path) -> None:
    """Raise CacheUntrusted unless only this user (or root) can change the folder or any folder above it."""
    for place in (folder, *folder.parents):
        status = os.lstat(place)
        if stat.S_ISLNK(status.st_mode):
            why: str | None = "is a symbolic link"
        elif place == folder and status.st_uid != os.geteuid():
            why = f"belongs to user {status.st_uid}"
        else:
            why = _foreign(status, folder=True)
        if place == folder and not why and status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            why = "may be written by others"
        if why:
            raise CacheUntrusted(f"cache_dir {folder} is not used: {place} {why}")


class CodeCache:
    """The folder. Descriptors that it gives are the caller's to close. `discarded`: why files were removed; who tells
    of them takes them out."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.discarded: list[str] = []

    def prepare(self) -> None:
        """Make the folder if there is none. Raises CacheUntrusted, OSError."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_folder(self.folder)
        for path in self.folder.glob(f"{TEMPORARY}*"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > LEFT_BEHIND_S:
                    path.unlink()

    def open(self, key: str) -> int | None:
        """A compiled module whose file is ours and whole, open for reading; None where there is none."""
        for path in sorted(self.folder.glob(f"{key}-*{SUFFIX}")):
            try:
                return self._checked(path, path.name[len(key) + 1 : -len(SUFFIX)])
            except (OSError, CacheUntrusted, BadModule) as error:
                self.discard(key, str(error))
        return None

    def _checked(self, path: Path, content: str) -> int:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or _foreign(status, folder=False):
                raise CacheUntrusted(f"compiled module {path} is not this user's alone")
            if digest_of(descriptor) != content:
                raise BadModule(f"compiled module {path} is damaged")
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def discard(self, key: str, why: str) -> None:
        """Remove what is there for a key, because it cannot be used."""
        self.discarded.append(why)
        for path in self.folder.glob(f"{key}-*{SUFFIX}"):
            with contextlib.suppress(OSError):
                path.unlink()

    def create(self) -> NewCode:
        """For a compiled module that is about to come. Raises OSError."""
        descriptor, temporary = tempfile.mkstemp(prefix=TEMPORARY, dir=self.folder)
        return NewCode(descriptor, Path(temporary))


class NewCode:
    """A compiled module while it comes: a temporary file of the cache, or memory (`temporary` None)."""

    def __init__(self, descriptor: int, temporary: Path | None) -> None:
        self._descriptor = descriptor
        self._temporary = temporary
        self._digest = hashlib.sha256()
        self.size = 0

    @classmethod
    def in_memory(cls) -> NewCode:
        """Where the cache takes nothing."""
        return cls(os.memfd_create("compiled", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING), None)

    @property
    def is_in_memory(self) -> bool:
        return self._temporary is None

    def write(self, data: bytes) -> None:
        """Raises OSError, and then nothing of `data` counts as written."""
        if self.size + len(data) > MOST_BYTES:
            raise BadModule(f"its compiled form has more than {MOST_BYTES} bytes")
        at = 0
        while at < len(data):
            at += os.pwrite(self._descriptor, data[at:], self.size + at)
        self._digest.update(data)
        self.size += len(data)

    def moved_to_memory(self) -> NewCode:
        """What came so far, in memory. This one is dropped."""
        moved = NewCode.in_memory()
        try:
            while moved.size < self.size:
                moved.write(os.pread(self._descriptor, min(_COPY, self.size - moved.size), moved.size))
        except BaseException:
            moved.drop()
            raise
        finally:
            self.drop()
        return moved

    def keep(self, folder: Path, key: str) -> None:
        """The file gets its name in the cache. Raises OSError."""
        if self._temporary is None:
            raise ValueError("what is in memory has no name in the cache")
        os.fsync(self._descriptor)
        os.fchmod(self._descriptor, 0o400)
        os.rename(self._temporary, folder / f"{key}-{self._digest.hexdigest()}{SUFFIX}")

    def sealed(self) -> int:
        """A descriptor of what is in memory, which nobody can change or shorten any more."""
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
        fcntl.fcntl(self._descriptor, fcntl.F_ADD_SEALS, seals)
        return self._descriptor

    def drop(self) -> None:
        """Close it, and remove the temporary file if it still has that name."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        if self._temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._temporary)
