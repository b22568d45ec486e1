"""Timestamps and durations."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from edged.kube.cel.errors import EvaluationError
from edged.kube.cel.library.conversions import failed
from edged.kube.cel.library.operators import duration, timestamp
from edged.kube.cel.registry import declare
from edged.kube.cel.values import Duration, Timestamp

_UNITS = {"h": 3600 * 10**9, "m": 60 * 10**9, "s": 10**9, "ms": 10**6, "us": 10**3, "µs": 10**3, "μs": 10**3, "ns": 1}
_PART = re.compile(r"([0-9]{1,19}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})(h|ms|m|s|us|µs|μs|ns)")
_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d{1,30}))?(Z|[+-]\d\d:\d\d)", re.ASCII)
_SECOND = 10**9
_ZONE = re.compile(r"([+-]?)(\d\d):(\d\d)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

for _name, _kind in (("timestamp", Timestamp), ("duration", Duration)):
    declare(_name, _kind)(lambda value: value)


@declare("duration", str)
def read_duration(text: str) -> Duration:
    """As Go reads it: `1h30m`, `-1.5s`, `0`."""
    rest = text[1:] if text[:1] in ("+", "-") else text
    if rest == "0":
        return Duration(0)
    total, at = 0, 0
    while at < len(rest) and (part := _PART.match(rest, at)) is not None:
        whole, _, fraction = part[1].partition(".")
        unit = _UNITS[part[2]]
        total += int(whole or "0") * unit + (int(fraction) * unit // 10 ** len(fraction) if fraction else 0)
        at = part.end()
    if not rest or at < len(rest) or total > 2**63 - 1:
        raise failed(text, Duration.type_name)
    return duration(-total if text[0] == "-" else total)


@declare("timestamp", str)
def read_timestamp(text: str) -> Timestamp:
    """RFC 3339."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise failed(text, Timestamp.type_name)
    try:
        year, month, day, hour, minute, second = (int(match[index]) for index in range(1, 7))
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        raise failed(text, Timestamp.type_name) from None
    offset = 0
    if match[8] != "Z":
        offset = (int(match[8][1:3]) * 3600 + int(match[8][4:6]) * 60) * (-1 if match[8][0] == "-" else 1)
    seconds = (moment - _EPOCH) // timedelta(seconds=1) - offset
    return timestamp(seconds * _SECOND + int((match[7] or "0")[:9].ljust(9, "0")), offset)


declare("timestamp", int)(lambda seconds: timestamp(seconds * _SECOND))


@declare("string", Duration)
def duration_text(value: Duration) -> str:
    """Seconds, with as many digits as it takes."""
    whole, rest = divmod(abs(value.nanos), _SECOND)
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    return f"{'-' if value.nanos < 0 else ''}{whole}{fraction}s"


@declare("string", Timestamp)
def timestamp_text(value: Timestamp) -> str:
    """RFC 3339 in the zone that it was written in."""
    seconds, rest = divmod(value.nanos, _SECOND)
    moment = _EPOCH + timedelta(seconds=seconds + value.offset)
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    zone = "Z" if not value.offset else f"{'-' if value.offset < 0 else '+'}{abs(value.offset) // 3600:02d}:" \
                                        f"{abs(value.offset) // 60 % 60:02d}"
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}{zone}".rjust(20, "0")


_PARTS: dict[str, Callable[[datetime], int]] = {
    "getFullYear": lambda at: at.year, "getMonth": lambda at: at.month - 1, "getDate": lambda at: at.day,
    "getDayOfMonth": lambda at: at.day - 1, "getDayOfYear": lambda at: at.timetuple().tm_yday - 1,
    "getDayOfWeek": lambda at: at.isoweekday() % 7, "getHours": lambda at: at.hour, "getMinutes": lambda at: at.minute,
    "getSeconds": lambda at: at.second, "getMilliseconds": lambda at: at.microsecond // 1000,
}  # fmt: skip
_OF_DURATIONS = {"getHours": 3600 * _SECOND, "getMinutes": 60 * _SECOND, "getSeconds": _SECOND,
                 "getMilliseconds": 10**6}  # fmt: skip


def _put(name: str, part: Callable[[datetime], int]) -> None:
    declare(name, Timestamp)(lambda value: part(_moment(value, UTC)))
    declare(name, Timestamp, str)(lambda value, zone: part(_moment(value, _zone(zone))))


def _moment(value: Timestamp, zone: tzinfo) -> datetime:
    try:
        return (_EPOCH + timedelta(microseconds=value.nanos // 1000)).astimezone(zone)
    except OverflowError:
        raise EvaluationError("timestamp overflow") from None


def _zone(name: str) -> tzinfo:
    match = _ZONE.fullmatch(name)
    if match is not None:
        seconds = int(match[2]) * 3600 + int(match[3]) * 60
        if seconds < 24 * 3600:
            return timezone(timedelta(seconds=-seconds if match[1] == "-" else seconds))
    try:
        return UTC if name in ("", "UTC") else ZoneInfo(name)
    except (OSError, ValueError, LookupError):
        raise EvaluationError(f"unknown time zone {name}") from None


for _part_name, _part in _PARTS.items():
    _put(_part_name, _part)


def _put_duration(name: str, unit: int) -> None:
    declare(name, Duration)(lambda value: abs(value.nanos) // unit * (-1 if value.nanos < 0 else 1))


for _unit_name, _unit in _OF_DURATIONS.items():
    _put_duration(_unit_name, _unit)
