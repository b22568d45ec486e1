"""What Go's decoder says of single values of the right JSON type: quantities, times, bytes, numbers of a size. Pure."""

from __future__ import annotations

import re

from edged.kube.values import quantity

_RANGES = {
    "int32": (-(1 << 31), (1 << 31) - 1), "int64": (-(1 << 63), (1 << 63) - 1), "int": (-(1 << 63), (1 << 63) - 1),
    "uint32": (0, (1 << 32) - 1), "uint8": (0, 255), "IntOrString": (-(1 << 31), (1 << 31) - 1),
}  # fmt: skip
_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)([.,]\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII
)
_FORMATS = {"Time": "2006-01-02T15:04:05Z07:00", "MicroTime": "2006-01-02T15:04:05.000000Z07:00"}
NO_QUANTITY = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
_ALPHABET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")


def out_of_range(go_type: str, value: object) -> bool:
    """Whether a whole number does not fit its Go type."""
    least_most = _RANGES.get(go_type)
    return least_most is not None and isinstance(value, int) and not least_most[0] <= value <= least_most[1]


def scalar_problem(go_type: str, value: object) -> str:
    """The decoder's text; "" if it takes the value."""
    if go_type == "Quantity":
        try:
            quantity.nano(value.strip() if isinstance(value, str) else value)
        except quantity.QuantityError:
            return NO_QUANTITY
    elif go_type == "bytes" and isinstance(value, str):
        at = _base64_problem(value)
        return "" if at is None else f"illegal base64 data at input byte {at}"
    elif go_type in _FORMATS and isinstance(value, str) and value:
        return _time_problem(value, _FORMATS[go_type])
    return ""


def _base64_problem(text: str) -> int | None:
    """The byte at which Go's base64.StdEncoding stops; it skips line ends."""
    place = 0
    for at, letter in enumerate(text):
        if letter in "\r\n":
            continue
        if letter in _ALPHABET:
            place += 1
            continue
        rest = text[at:].replace("\r", "").replace("\n", "")
        if letter != "=" or place % 4 < 2:
            return at
        needed = 4 - place % 4
        if len(rest) < needed or rest[:needed] != "=" * needed:
            return len(text) if len(rest) < needed else at + 1
        return None if len(rest) == needed else at + needed
    return None if place % 4 == 0 else len(text) - place % 4


def _time_problem(text: str, form: str) -> str:
    """Only what is no time at all has Go's exact text."""
    if _TIME.fullmatch(text):
        return ""
    match = re.match(r"\d{4}", text)
    if not match:
        return f'parsing time "{text}" as "{form}": cannot parse "{text}" as "2006"'
    rest, layout = text[4:], form[4:]
    for part in ("-", "01", "-", "02", "T", "15", ":", "04", ":", "05"):
        wanted = r"\d\d" if part.isdigit() else re.escape(part)
        if not re.match(wanted, rest):
            return f'parsing time "{text}" as "{form}": cannot parse "{rest}" as "{part}"'
        rest, layout = rest[2 if part.isdigit() else 1 :], layout
    return f'parsing time "{text}" as "{form}": cannot parse "{rest}" as "Z07:00"'
