"""Log lines: one event, one line, to stderr; logfmt or JSON, with journald's priority prefix under systemd.

A `Logger` is an argument like any other; there is no global one and the logging package is not used.
Messages are short and fixed, fields carry what varies: `log.info("policy loaded", policy="no-privileged",
elapsed_ms=12)`. Text from guests goes through `GuestLines`, which tags it and limits its rate. Called by
the loops and by edged/daemon; pure files never log.
"""

from __future__ import annotations

import json
import os
import re
import select
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from edged.records import dataclass
from edged.telemetry.internal_errors import InternalErrors

VALUE_LIMIT = 4096
"""Bytes of UTF-8 that one field may have; the rest is cut and the cut is marked."""

_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3}
_CUT = "...[cut]"
_BARE = re.compile(r"[a-zA-Z0-9\-_./:@+*,%#~()\[\]{}<>&;!?|$^']+").fullmatch
"""Of a value that needs no quotes in a logfmt line."""


@dataclass(frozen=True, slots=True)
class LogStyle:
    """How lines look. `journal`: for journald, which adds the time and reads `<6>` as a priority."""

    format: str = "logfmt"
    level: str = "info"
    journal: bool = False


def is_journal(fd: int = 2) -> bool:
    """Whether this file descriptor is the stream that systemd connected to the journal ($JOURNAL_STREAM)."""
    device, colon, inode = os.environ.get("JOURNAL_STREAM", "").partition(":")
    if not colon:
        return False
    try:
        stream = os.fstat(fd)
    except OSError:
        return False
    return (device, inode) == (str(stream.st_dev), str(stream.st_ino))


def write_stderr(line: bytes) -> None:
    """One write per line. A stderr that is gone, full or on a full disk costs the line, never the daemon."""
    try:
        os.write(2, line)
    except OSError:
        return


class Logger:
    """Writes events of its level and above. `bind` gives one that adds fields to every line.

    `internal_errors` is shared with the loggers that `bind` gives: there is one count of them for a process.
    """

    def __init__(
        self,
        style: LogStyle | None = None,
        *,
        write: Callable[[bytes], None] = write_stderr,
        clock: Callable[[], float] = time.time,
        fields: Mapping[str, object] | None = None,
        internal_errors: InternalErrors | None = None,
    ) -> None:
        self.style = style or LogStyle(journal=is_journal())
        self._write = write
        self._clock = clock
        self._fields = fields or {}
        self._threshold = _PRIORITIES[self.style.level]
        self.internal_errors = internal_errors or InternalErrors()
        self._second = -1
        self._shown_second = ""

    def bind(self, **fields: object) -> Logger:
        return Logger(
            self.style,
            write=self._write,
            clock=self._clock,
            fields={**self._fields, **fields},
            internal_errors=self.internal_errors,
        )

    @contextmanager
    def in_one_write(self) -> Iterator[None]:
        """What is logged in the block is written after it, as much at once as a pipe takes in one piece. The block must
        not wait: lines of others would be held up."""
        lines: list[bytes] = []
        write, self._write = self._write, lines.append
        try:
            yield
        finally:
            self._write = write
            for piece in _joined(lines):
                write(piece)

    def now(self) -> float:
        """Unix time, by the clock that stamps the lines."""
        return self._clock()

    def enabled(self, level: str) -> bool:
        """Whether lines of this level are written; ask before computing expensive fields."""
        return _PRIORITIES[level] <= self._threshold

    def debug(self, message: str, **fields: object) -> None:
        self.log("debug", message, fields)

    def info(self, message: str, **fields: object) -> None:
        self.log("info", message, fields)

    def warning(self, message: str, **fields: object) -> None:
        self.log("warning", message, fields)

    def error(self, message: str, **fields: object) -> None:
        self.log("error", message, fields)

    def log(self, level: str, message: str, fields: Mapping[str, object]) -> None:
        priority = _PRIORITIES[level]
        if priority > self._threshold:
            return
        head = "" if self.style.journal else self._time()
        event = {"level": level, "msg": message, **self._fields, **fields}
        if self.style.format == "json":
            line = _json({"time": head, **event} if head else event)
        else:
            line = _logfmt(event, f"time={head} " if head else "")
        prefix = f"<{priority}>" if self.style.journal else ""
        self._write(f"{prefix}{line}\n".encode())

    def _time(self) -> str:
        now = self._clock()
        second = int(now)
        if second != self._second:
            self._second, self._shown_second = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._shown_second}.{int((now - second) * 1000):03d}Z"


class GuestLines:
    """Lines that guests print. Each source (a policy, a plugin) may write `per_s` lines, `burst` at once.

    What is left out is counted and told with the next line that may pass. `now` is monotonic seconds.
    """

    _MOST_SOURCES = 1024

    def __init__(self, logger: Logger, *, per_s: float = 10.0, burst: int = 50, level: str = "") -> None:
        """`level`: that of all lines, whatever the guests say."""
        self._logger = logger
        self._level = level
        self._per_s = per_s
        self._burst = burst
        self._sources: dict[str, _Allowance] = {}

    def enabled(self, level: str) -> bool:
        """Whether a line of this level would be written at all."""
        return self._logger.enabled(self._level or level)

    def write(
        self, source: str, text: str | bytes, *, now: float, level: str = "info", **fields: object
    ) -> None:
        """Everything a guest wrote at once; one event per non-empty line."""
        level = self._level or level
        if not self._logger.enabled(level):
            return
        if isinstance(text, bytes):
            text = text.decode(errors="replace")
        for line in text.splitlines():
            if line.strip():
                self._line(source, line, now, level, fields)

    def _line(self, source: str, line: str, now: float, level: str, fields: Mapping[str, object]) -> None:
        allowance = self._sources.get(source)
        if allowance is None:
            if len(self._sources) >= self._MOST_SOURCES:
                self._sources.pop(next(iter(self._sources)))
            allowance = self._sources[source] = _Allowance(float(self._burst), now)
        allowance.left = min(float(self._burst), allowance.left + (now - allowance.at) * self._per_s)
        allowance.at = now
        if allowance.left < 1:
            allowance.dropped += 1
            return
        allowance.left -= 1
        dropped, allowance.dropped = allowance.dropped, 0
        if dropped:
            fields = {**fields, "lines_dropped": dropped}
        self._logger.log(level, "guest", {"source": source, "line": line, **fields})


@dataclass(slots=True)
class _Allowance:
    left: float
    at: float
    dropped: int = 0


def _joined(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Whole lines, in pieces of at most PIPE_BUF bytes where a line is not longer itself."""
    piece = b""
    for line in lines:
        if piece and len(piece) + len(line) > select.PIPE_BUF:
            yield piece
            piece = b""
        piece += line
    if piece:
        yield piece


def _json(event: Mapping[str, object]) -> str:
    # ensure_ascii: no line separator, terminal control or lone surrogate reaches the output as itself.
    return json.dumps({name: _bounded(value) for name, value in event.items()}, separators=(",", ":"))


def _logfmt(event: Mapping[str, object], head: str) -> str:
    """The fields behind `head`. Most values are short words and numbers: those take the quick way."""
    parts = []
    for name, value in event.items():
        if isinstance(value, str) and len(value) * 4 <= VALUE_LIMIT and _BARE(value):
            parts.append(f"{name}={value}")
        elif isinstance(value, bool):
            parts.append(f"{name}=true" if value else f"{name}=false")
        else:
            parts.append(f"{name}={_logfmt_value(_bounded(value))}")
    return head + " ".join(parts)


def _bounded(value: object) -> str | float | None:
    """`value` as None, a number, a boolean or a string of at most VALUE_LIMIT bytes."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else str(value)
    if isinstance(value, bytes):
        text = value.decode(errors="replace")
    elif isinstance(value, str):
        text = value
    else:
        text = json.dumps(value, separators=(",", ":"), default=str) if _is_json(value) else str(value)
    if len(text) * 4 <= VALUE_LIMIT or len(data := text.encode(errors="replace")) <= VALUE_LIMIT:
        return text
    return data[: VALUE_LIMIT - len(_CUT)].decode(errors="ignore") + _CUT


def _is_json(value: object) -> bool:
    return isinstance(value, dict | list | tuple)


def _logfmt_value(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    if _BARE(text):
        return text
    return '"' + "".join(map(_escaped, text)) + '"' if not _is_plain(text) else f'"{text}"'


def _is_plain(text: str) -> bool:
    return text.isprintable() and '"' not in text and "\\" not in text


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    short = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(character)
    if short:
        return short
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
