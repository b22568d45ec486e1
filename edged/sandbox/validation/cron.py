"""Schedules and time zones of CronJobs, with the texts of the parser that kube-apiserver uses. Pure.

Facts from github.com/robfig/cron/v3 parser.go, and from validateTimeZone in kubernetes'
pkg/apis/batch/validation/validation.go.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Iterator

from edged.errors import EdgedError
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.causes import invalid, quoted

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: tuple[tuple[int, int, dict[str, int]], ...] = (
    (0, 59, {}), (0, 23, {}), (1, 31, {}), (1, 12, {name: i + 1 for i, name in enumerate(_MONTHS)}),
    (0, 6, {name: i for i, name in enumerate(_DAYS)}),
)  # fmt: skip
"""Minute, hour, day, month, weekday: the least and the greatest number, and names."""
_DESCRIPTORS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
_INT64 = 1 << 63


class _ScheduleError(EdgedError):
    """A schedule that cannot be read; the text is the parser's."""


def schedule_problem(text: str) -> str:
    """What is wrong with a schedule; "" if nothing is."""
    try:
        _read(text)
    except _ScheduleError as error:
        return str(error)
    return ""


def time_zone(field: str, name: str | None) -> Iterator[Cause]:
    if name is None:
        return
    if not name:
        yield invalid(field, name, "timeZone must be nil or non-empty string")
        return
    for part in name.split("/"):
        if part in (".", "..") or part.startswith("-") or not re.fullmatch(r"[A-Za-z.\-_0-9+]{1,14}", part):
            yield invalid(field, name, f"unknown time zone {name}")
            return
    if name.lower() == "local":
        why = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        yield invalid(field, name, why)
        if name == "Local":
            return
    if name not in ("UTC",) and not _known(name):
        yield invalid(field, name, f"unknown time zone {name}")


def _known(name: str) -> bool:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _read(text: str) -> None:
    if not text:
        raise _ScheduleError("empty spec string")
    if text.startswith(("TZ=", "CRON_TZ=")):
        zone, blank, rest = text.partition(" ")
        if not blank:
            why = "runtime error: slice bounds out of range [:-1]"
            raise _ScheduleError(f"invalid schedule format: {why}")
        name = zone.partition("=")[2]
        if name not in ("", "UTC", "Local") and not _known(name):
            raise _ScheduleError(f"provided bad location {name}: unknown time zone {name}")
        text = rest.strip()
    if text.startswith("@"):
        _descriptor(text)
        return
    fields = text.split()
    if len(fields) != len(_FIELDS):
        raise _ScheduleError(f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]")
    for value, (least, most, names) in zip(fields, _FIELDS, strict=True):
        for expression in filter(None, value.split(",")):
            _range(expression, least, most, names)


def _descriptor(text: str) -> None:
    if text in _DESCRIPTORS:
        return
    if not text.startswith("@every "):
        raise _ScheduleError(f"unrecognized descriptor: {text}")
    length = text.removeprefix("@every ")
    if re.fullmatch(r"[-+]?(0|((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)", length):
        return
    what = "invalid duration"
    if re.fullmatch(r"[-+]?\d+(\.\d*)?", length):
        what = "missing unit in duration"
    raise _ScheduleError(f"failed to parse duration {text}: time: {what} {quoted(length)}")


def _range(expression: str, least: int, most: int, names: dict[str, int]) -> None:
    parts = expression.split("/")
    ends = parts[0].split("-")
    if ends[0] in ("*", "?"):
        start, end = least, most
    else:
        start = end = _number(ends[0], names)
        if len(ends) == 2:
            end = _number(ends[1], names)
        elif len(ends) > 2:
            raise _ScheduleError(f"too many hyphens: {expression}")
    step = 1
    if len(parts) == 2:
        step = _number(parts[1], {})
        end = most if len(ends) == 1 else end
    elif len(parts) > 2:
        raise _ScheduleError(f"too many slashes: {expression}")
    if start < least:
        raise _ScheduleError(f"beginning of range ({start}) below minimum ({least}): {expression}")
    if end > most:
        raise _ScheduleError(f"end of range ({end}) above maximum ({most}): {expression}")
    if start > end:
        raise _ScheduleError(f"beginning of range ({start}) beyond end of range ({end}): {expression}")
    if step == 0:
        raise _ScheduleError(f"step of range should be a positive number: {expression}")


def _number(text: str, names: dict[str, int]) -> int:
    if text.lower() in names:
        return names[text.lower()]
    if not re.fullmatch("[+-]?[0-9]+", text, re.ASCII):
        raise _ScheduleError(f"failed to parse int from {text}: strconv.Atoi: parsing {quoted(text)}: invalid syntax")
    number = int(text[:25])
    if not -_INT64 <= number < _INT64:
        why = f"strconv.Atoi: parsing {quoted(text)}: value out of range"
        raise _ScheduleError(f"failed to parse int from {text}: {why}")
    if number < 0:
        raise _ScheduleError(f"negative number ({number}) not allowed: {text}")
    return number
