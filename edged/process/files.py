"""Writing a file whole or not at all. Used for certificates and static manifests, where half a file does
harm."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def write_atomically(path: Path, data: bytes, mode: int) -> None:
    """Replace `path` by `data`, whole or not at all. Raises OSError."""
    with written(path, mode) as file:
        file.write(data)


@contextmanager
def written(path: Path, mode: int) -> Iterator[BinaryIO]:
    """A file that replaces `path` at the end, also across a power cut: temporary name, sync, rename, sync the folder.
    Nothing is replaced when anything is raised.

    The temporary name ends in `.tmp`, which nothing that reads a folder by extension takes. Written by root,
    the file belongs to whom its folder belongs to: `edged webhook install` prepares files that the daemon,
    which is not root, has to renew. Raises OSError.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fchmod(file.fileno(), mode)
            _give_to_owner_of(path.parent, file.fileno())
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def make_folder(folder: Path, mode: int) -> None:
    """A folder, and those above it, that belong to the owner of what was there already. Raises OSError."""
    missing = [folder]
    while not missing[-1].parent.exists():
        missing.append(missing[-1].parent)
    for path in reversed(missing):
        if path.is_dir():
            continue
        path.mkdir(mode=mode)
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
