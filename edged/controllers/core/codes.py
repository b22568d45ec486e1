"""The numbers that host and guest give each other: status codes, and the 64 bits that hold a code and a length.

An import answers with a code and the length of a latch, an export with a pointer and a length, or with a code.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

from edged.errors import EdgedError
from edged.json_text import Fragment, dumps


class Code(enum.IntEnum):
    """What an import answers. 0 is success."""

    OK = 0
    INTERNAL = -1
    DENIED = -2
    NOT_FOUND = -3
    ALREADY_EXISTS = -4
    CONFLICT = -5
    WATCH_CLASH = -6
    INVALID = -7
    THROTTLED = -8
    UNKNOWN = -9
    LIMIT = -10
    UNAVAILABLE = -11
    NOT_SYNCED = -12
    DEADLINE = -13
    UNSUPPORTED = -14


RETRY, TERMINAL, BAD_INPUT = -1, -2, -3
"""What an export answers below 0: again after a back-off; not before the object changes; the input was bad."""
_REASONS = {code: code.name.title().replace("_", "") for code in Code}
_LOW = 0xFFFF_FFFF


class Refused(EdgedError):
    """What an import answers instead of a result.

    `http`: the API server's status, 0 where it was not asked. `retry_after_ms`: 0 where nobody knows. `current`: the
    live object as JSON, with ALREADY_EXISTS. `fields`: those that an apply conflicts on.
    """

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        http: int = 0,
        retry_after_ms: int = 0,
        current: bytes | None = None,
        fields: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.http = http
        self.retry_after_ms = retry_after_ms
        self.current = current
        self.fields = fields

    @property
    def reason(self) -> str:
        """`NotFound`, `WatchClash`."""
        return _REASONS[self.code]

    def latch(self) -> bytes:
        """What the guest may read of it, JSON."""
        told: dict[str, object] = {"code": int(self.code), "reason": self.reason, "message": str(self)}
        if self.http:
            told["http"] = self.http
        if self.retry_after_ms:
            told["retryAfterMs"] = self.retry_after_ms
        if self.current is not None:
            told["current"] = Fragment(self.current)
        if self.fields:
            told["fields"] = list(self.fields)
        return dumps(told)


def invalid(message: str) -> Refused:
    """A request that cannot be understood."""
    return Refused(Code.INVALID, message)


def packed(code: int, length: int) -> int:
    """What an import returns, as an unsigned number of 64 bits. `length`: bytes of the latch."""
    return (code & _LOW) << 32 | length


class GuestResult(NamedTuple):
    """`code` 0: the body is at `pointer`, `length` bytes, 0 for no body. Below 0 there is none."""

    code: int
    pointer: int
    length: int


def unpacked(value: int) -> GuestResult:
    """What an export returned, a signed number of 64 bits."""
    if value < 0:
        return GuestResult(value, 0, 0)
    return GuestResult(0, value >> 32, value & _LOW)
