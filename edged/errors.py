"""Error families. Who is at fault decides what happens next (ARCHITECTURE.md, "Errors").

A denial is a verdict, not an error, and has no class here. Finer types live beside the code that raises them.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator

DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS})
"""What a disk says that takes nothing more. It may happen wherever something is written."""
_PASSING = DISK_ERRORS | {
    errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EAGAIN, errno.EBUSY, errno.ECONNREFUSED, errno.ECONNRESET,
    errno.EHOSTUNREACH, errno.EINTR, errno.EMFILE, errno.ENETDOWN, errno.ENETUNREACH, errno.ENFILE, errno.ENOBUFS,
    errno.ENOLCK, errno.ENOMEM, errno.ESTALE, errno.ETIMEDOUT, errno.ETXTBSY,
}  # fmt: skip
"""What the machine says that is short of something, or whose network is not up yet."""
_BITS = 256
_LONGEST_NAME = 64
_FEW = 12
"""So many names are listed in a message."""


class EdgedError(Exception):
    """Base of every error that edged raises on purpose; `str()` is fit for a user."""


class ConfigError(EdgedError):
    """The operator's to fix: configuration, files on disk, command-line arguments. Exit code 2, or 1 where the
    cause may pass by itself (`may_pass`)."""


class GuestError(EdgedError):
    """A WebAssembly module misbehaved: trap, budget, bad reply, bad module. Costs that module's own verdict."""


class PeerError(EdgedError):
    """Another program misbehaved or is away: API server, registry, webhook client. Back off, or answer 4xx."""


def is_disk_error(error: BaseException | None) -> bool:
    """Whether a disk that takes no more caused it, directly or by further errors. The configuration is not at fault
    then, and a later try may succeed."""
    return any(isinstance(each, OSError) and each.errno in DISK_ERRORS for each in _causes(error))


def may_pass(error: BaseException | None) -> bool:
    """Whether it may be gone at a later try without anybody changing anything: a full disk, an address that another
    process still has or that is not there yet, a name that cannot be resolved, another program that is away, a machine
    short of memory."""
    # Errors of name resolution (socket.gaierror) have negative numbers.
    return any(
        isinstance(each, MemoryError | PeerError)
        or (isinstance(each, OSError) and (each.errno in _PASSING or (each.errno or 0) < 0))
        for each in _causes(error)
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, what it was raised from, and so on."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        yield error
        seen.append(error)
        error = error.__cause__


class BrokenInvariant(BaseException):
    """Something that the process relies on to be safe does not hold any more. It ends the process.

    No `except Exception` and no boundary (process/boundary.py) takes it: going on could corrupt memory, or let two
    tasks own one thing. ARCHITECTURE.md lists every place that raises it. Unlike `assert` it works under `python -O`.
    """


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean X?` where a known name is near, or "". Case does not count. For the end of a message."""
    from difflib import get_close_matches  # only for errors

    names = {name.lower(): name for name in sorted(known)}
    close = get_close_matches(word[:_LONGEST_NAME].lower(), list(names), n=1, cutoff=0.6)
    return f"; did you mean {names[close[0]]}?" if close else ""


def did_you_mean_or_all(word: str, known: Iterable[str]) -> str:
    """As `did_you_mean`; where nothing is near, the names that there are, if they are few."""
    names = sorted(known)
    near = did_you_mean(word, names)
    return near or (f"; there are: {', '.join(names)}" if 0 < len(names) <= _FEW else "")


def cut(text: str, most: int) -> str:
    """At most `most` bytes of UTF-8; a text that was cut ends with " ..."."""
    if len(text) * 4 <= most:
        return text
    data = text[: most + 1].encode(errors="replace")
    if len(data) <= most:
        return text
    return data[: most - 4].decode("utf-8", "ignore") + " ..."


def shown(value: object, most: int = 120) -> str:
    """A value that somebody gave, for the end of a message: as Python writes it, cut to `most` characters. Of lists,
    objects and numbers without end only what they are, since writing them may fail."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, int) and value.bit_length() > _BITS:
        return "a number of many digits"
    text = repr(value[: most + 1] if isinstance(value, str | bytes) else value)
    return text if len(text) <= most else text[: most - 3] + "..."
