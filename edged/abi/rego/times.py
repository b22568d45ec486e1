"""Builtins about time: time.*, and Kubewarden's names `date` and `parse_rfc3339_ns` for two of them. Pure.

Times are nanoseconds since 1970 as integers, those that 64 bits can hold. Layouts are Go's: see time_layouts.py.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from edged.abi.rego import time_layouts
from edged.abi.rego.environment import Environment
from edged.abi.rego.signature import Builtin
from edged.abi.rego.values import BuiltinError

SECOND = 1_000_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST = 1 << 63
_UNITS = {
    "ns": 1,
    "us": 1000,
    "µs": 1000,
    "μs": 1000,
    "ms": 1_000_000,
    "s": SECOND,
    "m": 60 * SECOND,
    "h": 3600 * SECOND,
    "d": 24 * 3600 * SECOND,
    "w": 7 * 24 * 3600 * SECOND,
    "y": 365 * 24 * 3600 * SECOND,
}
_DURATION_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h|d|w|y)")
_RFC3339 = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d?):(\d\d):(\d\d)(?:[.,](\d+))?(Z|[+-]\d\d:\d\d)")


def _zone(name: str) -> tzinfo:
    if name in ("", "UTC"):
        return UTC
    if name == "Local":
        local = datetime.now().astimezone().tzinfo
        assert local is not None
        return local
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:
        raise BuiltinError(f"unknown time zone {name}") from error


def _when(value: object) -> tuple[datetime, int, str]:
    """(time without fractions, nanoseconds, layout) of a number, or of [number, zone, layout]."""
    parts: list[Any] = value if isinstance(value, list) else [value]
    if not 1 <= len(parts) <= 3 or not all(isinstance(part, str) for part in parts[1:]):
        raise BuiltinError("a time is a number of nanoseconds or [number, zone, layout]")
    number = parts[0]
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if not isinstance(number, int) or isinstance(number, bool):
        raise BuiltinError("a time is an integer number of nanoseconds")
    if not -_MOST <= number < _MOST:
        raise BuiltinError("time out of range: more than 64 bits of nanoseconds")
    seconds, nanoseconds = divmod(number, SECOND)
    moment = (EPOCH + timedelta(seconds=seconds)).astimezone(_zone(parts[1] if len(parts) > 1 else ""))
    return moment, nanoseconds, parts[2] if len(parts) > 2 else ""


def nanoseconds_of(moment: datetime, nanoseconds: int = 0) -> int:
    """Since 1970. Raises BuiltinError where 64 bits cannot hold it."""
    apart = moment - EPOCH
    since_epoch = (apart.days * 86400 + apart.seconds) * SECOND + nanoseconds
    if not -_MOST <= since_epoch < _MOST:
        raise BuiltinError("time outside of valid range")
    return since_epoch


def _now(environment: Environment) -> int:
    return environment.now_ns


def _date(_environment: Environment, value: object) -> list[int]:
    moment, _, _ = _when(value)
    return [moment.year, moment.month, moment.day]


def _clock(_environment: Environment, value: object) -> list[int]:
    moment, _, _ = _when(value)
    return [moment.hour, moment.minute, moment.second]


def _weekday(_environment: Environment, value: object) -> str:
    return time_layouts.DAYS[_when(value)[0].weekday()]


def _add_date(_environment: Environment, value: object, years: int, months: int, days: int) -> int:
    """A day that the month does not have runs over into the next, as in Go."""
    moment, nanoseconds, _ = _when(value)
    if max(abs(years), abs(months), abs(days)) > 1_000_000:
        raise BuiltinError("time outside of valid range")
    month = moment.month - 1 + months
    year = moment.year + years + month // 12
    try:
        first = datetime(year, month % 12 + 1, 1, moment.hour, moment.minute, moment.second)
        local = first + timedelta(days=moment.day - 1 + days)
    except (ValueError, OverflowError) as error:
        raise BuiltinError("time outside of valid range") from error
    return nanoseconds_of(local.replace(tzinfo=moment.tzinfo), nanoseconds)


def _difference(_environment: Environment, one: object, other: object) -> list[int]:
    """[years, months, days, hours, minutes, seconds] between, in the zone of the first."""
    first, first_ns, _ = _when(one)
    second, second_ns, _ = _when(other)
    second = second.astimezone(first.tzinfo)
    if (first, first_ns) > (second, second_ns):
        first, second = second, first
    parts = [b - a for a, b in zip(first.timetuple()[:6], second.timetuple()[:6], strict=True)]
    following = first.replace(day=28, tzinfo=None) + timedelta(days=4)
    limits = (0, 12, (following - timedelta(days=following.day)).day, 24, 60, 60)
    for index in range(5, 0, -1):
        if parts[index] < 0:
            parts[index] += limits[index]
            parts[index - 1] -= 1
    return parts


def _format(_environment: Environment, value: object) -> str:
    moment, nanoseconds, layout = _when(value)
    return time_layouts.write(moment, nanoseconds, time_layouts.NAMED.get(layout, layout or time_layouts.RFC3339_NANO))


def _parse(_environment: Environment, layout: str, text: str) -> int:
    return nanoseconds_of(*time_layouts.read(time_layouts.NAMED.get(layout, layout), text))


def _parse_rfc3339(_environment: Environment, text: str) -> int:
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise BuiltinError(f"parsing time {text!r}: not RFC 3339")
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=time_layouts.offset(match[8]))
    except ValueError as error:
        raise BuiltinError(f"parsing time {text!r}: {error}") from error
    return nanoseconds_of(moment, int((match[7] or "")[:9].ljust(9, "0")))


def _parse_duration(_environment: Environment, text: str) -> int:
    """Go's durations, and `d`, `w` and `y` for days, weeks and years of 365 days."""
    body = text[1:] if text[:1] in ("+", "-") else text
    if len(text) > 200:
        raise BuiltinError("invalid duration: too long")
    total, at = Fraction(0), 0
    while match := _DURATION_PART.match(body, at):
        total += Fraction(match[1] if match[1][-1] != "." else match[1][:-1]) * _UNITS[match[2]]
        at = match.end()
    if at != len(body) or (not at and body != "0"):
        if body == "0":
            return 0
        raise BuiltinError(f"invalid duration {text!r}")
    duration = int(total)
    if duration >= _MOST:
        raise BuiltinError(f"invalid duration {text!r}")
    return -duration if text[0] == "-" else duration


BUILTINS = (
    Builtin("time.now_ns", "", _now),
    Builtin("time.date", "x", _date),
    Builtin("date", "x", _date),
    Builtin("time.clock", "x", _clock),
    Builtin("time.weekday", "x", _weekday),
    Builtin("time.add_date", "xiii", _add_date),
    Builtin("time.diff", "xx", _difference),
    Builtin("time.format", "x", _format),
    Builtin("time.parse_ns", "ss", _parse),
    Builtin("time.parse_rfc3339_ns", "s", _parse_rfc3339),
    Builtin("parse_rfc3339_ns", "s", _parse_rfc3339),
    Builtin("time.parse_duration_ns", "s", _parse_duration),
)
