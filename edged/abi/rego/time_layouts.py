"""Go's time layouts, in which the time of reference `Mon Jan 2 15:04:05 MST 2006` says what stands where. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

from edged.abi.rego.values import BuiltinError

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July",
    "August", "September", "October", "November", "December",
)  # fmt: skip
RFC3339_NANO = "2006-01-02T15:04:05.999999999Z07:00"
NAMED = {
    "ANSIC": "Mon Jan _2 15:04:05 2006",
    "UnixDate": "Mon Jan _2 15:04:05 MST 2006",
    "RubyDate": "Mon Jan 02 15:04:05 -0700 2006",
    "RFC822": "02 Jan 06 15:04 MST",
    "RFC822Z": "02 Jan 06 15:04 -0700",
    "RFC850": "Monday, 02-Jan-06 15:04:05 MST",
    "RFC1123": "Mon, 02 Jan 2006 15:04:05 MST",
    "RFC1123Z": "Mon, 02 Jan 2006 15:04:05 -0700",
    "RFC3339": "2006-01-02T15:04:05Z07:00",
    "RFC3339Nano": RFC3339_NANO,
}
_TOKEN = re.compile(
    r"January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|2006|__2|_2006|_2|002|01|02|03|04|05|06|15|PM|pm"
    r"|Z07:00:00|Z07:00|Z070000|Z0700|Z07|-07:00:00|-07:00|-070000|-0700|-07|[.,]0+(?!\d)|[.,]9+(?!\d)|1|2|3|4|5"
)
_ZONE = {"Z": "Z|", "-": ""}


def offset(text: str) -> timezone:
    """Of `Z`, `+01`, `+0100`, `+01:00`, `+01:00:00`. Raises BuiltinError."""
    if text == "Z":
        return UTC
    digits = text[1:].replace(":", "")
    hours, minutes, seconds = int(digits[:2]), int(digits[2:4] or 0), int(digits[4:6] or 0)
    if hours > 24 or minutes >= 60 or seconds >= 60:
        raise BuiltinError(f"time zone offset {text!r} out of range")
    apart = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    try:
        return timezone(-apart if text[0] == "-" else apart)
    except ValueError as error:
        raise BuiltinError(f"time zone offset {text!r} out of range") from error


def write(moment: datetime, nanoseconds: int, layout: str) -> str:
    """A time by a layout."""

    def token(match: re.Match[str]) -> str:
        return _written(match[0], moment, nanoseconds)

    return _TOKEN.sub(token, layout)


def _written(token: str, moment: datetime, nanoseconds: int) -> str:
    if token[0] in ".,":
        digits = f"{nanoseconds:09d}".ljust(len(token) - 1, "0")[: len(token) - 1]
        if token[1] == "9":
            digits = digits.rstrip("0")
        return token[0] + digits if digits else ""
    if token[0] in "Z-":
        return _written_zone(token, moment)
    hour = moment.hour % 12 or 12
    return {
        "January": MONTHS[moment.month - 1],
        "Jan": MONTHS[moment.month - 1][:3],
        "Monday": DAYS[moment.weekday()],
        "Mon": DAYS[moment.weekday()][:3],
        "MST": _abbreviation(moment),
        "2006": f"{moment.year:04d}",
        "_2006": f"_{moment.year:04d}",
        "06": f"{moment.year % 100:02d}",
        "01": f"{moment.month:02d}",
        "1": str(moment.month),
        "02": f"{moment.day:02d}",
        "_2": f"{moment.day:2d}",
        "2": str(moment.day),
        "002": f"{moment.timetuple().tm_yday:03d}",
        "__2": f"{moment.timetuple().tm_yday:3d}",
        "15": f"{moment.hour:02d}",
        "03": f"{hour:02d}",
        "3": str(hour),
        "04": f"{moment.minute:02d}",
        "4": str(moment.minute),
        "05": f"{moment.second:02d}",
        "5": str(moment.second),
        "PM": "PM" if moment.hour >= 12 else "AM",
        "pm": "pm" if moment.hour >= 12 else "am",
    }[token]


def _abbreviation(moment: datetime) -> str:
    name = moment.tzname() or ""
    return _written_zone("-0700", moment)[: 3 if moment.utcoffset() == timedelta(0) else 5] if ":" in name else name


def _written_zone(token: str, moment: datetime) -> str:
    apart = moment.utcoffset() or timedelta(0)
    if token[0] == "Z" and not apart:
        return "Z"
    seconds = abs(int(apart.total_seconds()))
    parts = [f"{seconds // 3600:02d}", f"{seconds // 60 % 60:02d}", f"{seconds % 60:02d}"]
    count = {3: 1, 5: 2, 6: 2, 7: 3, 9: 3}[len(token)]
    return ("-" if apart < timedelta(0) else "+") + (":" if ":" in token else "").join(parts[:count])


_PATTERNS = {
    "January": "(?P<month_name>" + "|".join(MONTHS) + ")",
    "Jan": "(?P<month_short>" + "|".join(month[:3] for month in MONTHS) + ")",
    "Monday": "(?:" + "|".join(DAYS) + ")",
    "Mon": "(?:" + "|".join(day[:3] for day in DAYS) + ")",
    "MST": r"(?P<abbreviation>[A-Z]{3,5}|[+-]\d\d(?:\d\d)?)",
    "2006": r"(?P<year>\d{4})",
    "_2006": r"_(?P<year>\d{4})",
    "06": r"(?P<short_year>\d\d)",
    "01": r"(?P<month>\d\d)",
    "1": r"(?P<month>\d\d?)",
    "02": r"(?P<day>\d\d)",
    "_2": r" ?(?P<day>\d\d?)",
    "2": r"(?P<day>\d\d?)",
    "002": r"(?P<year_day>\d{3})",
    "__2": r" {0,2}(?P<year_day>\d{1,3})",
    "15": r"(?P<hour>\d\d)",
    "03": r"(?P<hour12>\d\d)",
    "3": r"(?P<hour12>\d\d?)",
    "04": r"(?P<minute>\d\d)",
    "4": r"(?P<minute>\d\d?)",
    "05": r"(?P<second>\d\d)",
    "5": r"(?P<second>\d\d?)",
    "PM": "(?P<half>AM|PM)",
    "pm": "(?P<half>am|pm)",
}


def read(layout: str, text: str) -> tuple[datetime, int]:
    """(time without fractions, nanoseconds) of a text in that layout. Raises BuiltinError."""
    if len(layout) > 200 or len(text) > 200:
        raise BuiltinError("a layout or time of more than 200 characters")
    try:
        match = re.fullmatch(_pattern(layout), text)
    except re.error as error:
        raise BuiltinError(f"layout {layout!r} has a part twice") from error
    if match is None:
        raise BuiltinError(f"parsing time {text!r} as {layout!r}: it does not fit")
    parts = {name: value for name, value in match.groupdict().items() if value is not None}
    try:
        return _moment(parts), int(parts.get("fraction", "")[:9].ljust(9, "0"))
    except (ValueError, OverflowError) as error:
        raise BuiltinError(f"parsing time {text!r}: {error}") from error


def _pattern(layout: str) -> str:
    """A regular expression without loops inside loops, so that it cannot run away."""
    parts: list[str] = []
    at = 0
    for token in _TOKEN.finditer(layout):
        parts.append(re.escape(layout[at : token.start()]))
        at = token.end()
        parts.append(_token_pattern(token[0]))
        # Go takes fractions after seconds, whether the layout has them or not.
        if token[0] in ("05", "5") and not re.match(r"[.,][09]", layout[at:]):
            parts.append(r"(?:[.,](?P<fraction>\d+))?")
    return "".join([*parts, re.escape(layout[at:])])


def _token_pattern(token: str) -> str:
    if token[0] in ".,":
        if token[1] == "9":
            return r"(?:[.,](?P<fraction>\d+))?"
        return rf"[.,](?P<fraction>\d{{{len(token) - 1}}})"
    if token[0] in "Z-":
        separator = ":" if ":" in token else ""
        count = {3: 1, 5: 2, 6: 2, 7: 3, 9: 3}[len(token)]
        return f"(?P<zone>{_ZONE[token[0]]}[+-]" + separator.join([r"\d\d"] * count) + ")"
    return _PATTERNS[token]


def _moment(parts: dict[str, str]) -> datetime:
    month, day = int(parts.get("month", 1)), int(parts.get("day", 1))
    if name := parts.get("month_name") or parts.get("month_short"):
        month = [full[: len(name)] for full in MONTHS].index(name) + 1
    year = int(parts.get("year", 0))
    if "short_year" in parts:
        short = int(parts["short_year"])
        year = short + (1900 if short >= 69 else 2000)
    hour = int(parts.get("hour", 0))
    if "hour12" in parts:
        hour = int(parts["hour12"]) % 12 if "half" in parts else int(parts["hour12"])
    if parts.get("half", "").lower() == "pm" and hour < 12:
        hour += 12
    zone = offset(parts["zone"]) if "zone" in parts else UTC
    if "year_day" in parts:
        first = datetime(year, 1, 1, hour, int(parts.get("minute", 0)), int(parts.get("second", 0)), tzinfo=zone)
        return first + timedelta(days=int(parts["year_day"]) - 1)
    return datetime(year, month, day, hour, int(parts.get("minute", 0)), int(parts.get("second", 0)), tzinfo=zone)
