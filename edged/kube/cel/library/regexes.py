"""Regular expressions: matches, find, findAll. By RE2, which takes linear time as Go's regexp does, with its syntax."""

from __future__ import annotations

import re as python_re
from functools import lru_cache
from typing import Any, Final

from edged.kube.cel.errors import EvaluationError
from edged.kube.cel.registry import declare

MOST_MEMORY: Final = 4 << 20
"""Bytes of one pattern that is compiled, with what its matching remembers."""
REMEMBERED: Final = 64
"""Patterns: together they take at most a quarter of a GiB, and those that people write some KiB."""
MOST_MATCHES: Final = 100_000
OF_A_MATCH: Final = 1_000
"""Steps that it takes to make one match into a value."""
_REASONS: Final = {
    "missing )": "missing closing )", "missing ]": "missing closing ]", "no argument for repetition operator":
    "missing argument to repetition operator", "bad repetition operator": "invalid nested repetition operator",
    "trailing \\": "trailing backslash at end of expression", "invalid repetition size": "invalid repeat count",
    "invalid perl operator": "invalid or unsupported Perl syntax", "invalid named capture group":
    "invalid named capture", "pattern too large - compile failed": "expression too large",
}  # fmt: skip
"""What RE2 says -> what Go's regexp says."""
_ONE_BYTE: Final = python_re.compile(r"(?:[^\\]|\\[^C])*?\\C", python_re.DOTALL)


@lru_cache(maxsize=REMEMBERED)
def compiled(pattern: str) -> Any:
    """Raises EvaluationError with Go's text."""
    import re2  # type: ignore[import-not-found,import-untyped,unused-ignore]

    if "\\C" in pattern and _ONE_BYTE.match(pattern):
        raise EvaluationError("error parsing regexp: invalid escape sequence: `\\C`")
    try:
        found = re2.compile(_bytes(pattern), _options())
        re2.purge()  # its own cache, which keeps 128
        return found
    except re2.error as error:
        raise EvaluationError(f"error parsing regexp: {_go_text(error, pattern)}") from None


@lru_cache(maxsize=1)
def _options() -> Any:
    import re2

    options = re2.Options()
    options.log_errors = False
    options.max_mem = MOST_MEMORY
    return options


def _go_text(error: Exception, pattern: str) -> str:
    raw = error.args[0] if error.args else ""
    text = raw.decode(errors="replace") if isinstance(raw, bytes) else str(raw)
    reason, _, piece = text.partition(": ")
    reason = _REASONS.get(reason, reason)
    if reason in ("missing closing )", "unexpected )", "expression too large"):
        piece = "" if reason == "expression too large" else pattern
    if piece in ("(?<=", "(?<!"):
        rest = pattern[pattern.find(piece) :]
        reason, piece = "invalid named capture", rest[: rest.find(">") + 1] or rest
    elif piece == "(?P=":
        piece = "(?P"
    return reason if not piece and reason == "expression too large" else f"{reason}: `{piece}`"


def is_found(pattern: str, text: str) -> bool:
    """Raises EvaluationError."""
    return compiled(pattern).search(_bytes(text)) is not None


def steps(text: object, pattern: object) -> int:
    """How long a search may take at most. The API server's costs do not know how large `[a-z]{1000}` becomes."""
    if not isinstance(text, str) or not isinstance(pattern, str):
        return 0
    return int(compiled(pattern).programsize) * (len(text) + 100)


def _bytes(text: str) -> bytes:
    """Positions in str would be counted anew for each match."""
    return text.encode(errors="surrogatepass")


declare("matches", str, str)(lambda text, pattern: is_found(pattern, text))


@declare("find", str, str)
def _find(text: str, pattern: str) -> str:
    return next(iter(_found(text, pattern, 1)), "")


@declare("findAll", str, str)
def _find_all(text: str, pattern: str) -> list[str]:
    return _found(text, pattern, -1)


@declare("findAll", str, str, int)
def _found(text: str, pattern: str, most: int) -> list[str]:
    """As Go's FindAll: an empty match right after another match does not count."""
    known, source = compiled(pattern), _bytes(text)
    found: list[str] = []
    at = last = 0
    while at <= len(source) and len(found) != most and (match := known.search(source, at)) is not None:
        start, end = match.span()
        if end > start or start != last or not found:
            if len(found) == MOST_MATCHES:
                raise EvaluationError("operation cancelled: actual cost limit exceeded")
            found.append(match[0].decode(errors="replace"))
        at, last = (end if end > start else _next(source, end)), end
    return found


def _next(text: bytes, at: int) -> int:
    """Where the next character begins."""
    at += 1
    while at < len(text) and text[at] & 0xC0 == 0x80:
        at += 1
    return at
