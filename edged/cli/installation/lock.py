"""One installation or removal at a time: two would look at the same things and then both make or delete them."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edged.errors import EdgedError


@contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Holds the lock file, which is gone afterwards. Raises EdgedError while another process holds it.

    One that was killed leaves the file, but the kernel frees the lock: the next run takes it over.
    """
    try:
        descriptor = _locked(path)
    except OSError as error:
        raise EdgedError(f"{path}: {error.strerror}; edged makes this file, so that only one init or uninstall runs at "
                         "a time") from error
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _locked(path: Path) -> int:
    """The descriptor of the locked file. Whoever held it before may have deleted it just before this one had it; then
    another file counts. Raises OSError."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        held = False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = path.exists() and os.path.samestat(os.fstat(descriptor), path.stat())
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            who = f" (pid {holder})" if holder else ""
            raise EdgedError(f"another `edged init` or `edged uninstall` runs on this machine{who}: run this again "
                             "when it has ended") from None
        finally:
            if not held:
                os.close(descriptor)
        if held:
            return descriptor
