"""Error families. Who is at fault decides what happens next (ARCHITECTURE.md, "Errors").

A denial is a verdict, not an error, and has no class here. Finer types live beside the code that raises them.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable

DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS})
"""What a disk says that takes nothing more. It may happen wherever something is written."""
_FEW = 12
"""So many names are listed in a message."""


class EdgedError(Exception):
    """Base of every error that edged raises on purpose; `str()` is fit for a user."""


class ConfigError(EdgedError):
    """The operator's to fix: configuration, files on disk, command-line arguments. Exit code 2, or 1 where the
    cause is a disk that takes no more."""


class GuestError(EdgedError):
    """A WebAssembly module misbehaved: trap, budget, bad reply, bad module. Costs that module's own verdict."""


class PeerError(EdgedError):
    """Another program misbehaved or is away: API server, registry, webhook client. Back off, or answer 4xx."""


def is_disk_error(error: BaseException | None) -> bool:
    """Whether a disk that takes no more caused it, directly or by further errors. The configuration is not at fault
    then, and a later try may succeed."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        if isinstance(error, OSError) and error.errno in DISK_ERRORS:
            return True
        seen.append(error)
        error = error.__cause__
    return False


class BrokenInvariant(BaseException):
    """Something that the process relies on to be safe does not hold any more. It ends the process.

    No `except Exception` and no boundary (process/boundary.py) takes it: going on could corrupt memory, or let two
    tasks own one thing. ARCHITECTURE.md lists every place that raises it. Unlike `assert` it works under `python -O`.
    """


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean X?` where a known name is near, or "". Case does not count. For the end of a message."""
    from difflib import get_close_matches  # only for errors

    names = {name.lower(): name for name in sorted(known)}
    close = get_close_matches(word.lower(), list(names), n=1, cutoff=0.6)
    return f"; did you mean {names[close[0]]}?" if close else ""


def did_you_mean_or_all(word: str, known: Iterable[str]) -> str:
    """As `did_you_mean`; where nothing is near, the names that there are, if they are few."""
    names = sorted(known)
    near = did_you_mean(word, names)
    return near or (f"; there are: {', '.join(names)}" if 0 < len(names) <= _FEW else "")
