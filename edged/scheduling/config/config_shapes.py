"""Reading decoded YAML as Go reads it into its types. Pure.

Unknown fields, other kinds and numbers out of range are errors. A shape is a function of a value and its path: it
gives the value, or raises ConfigError that names the path. null is what is not there: `record` leaves such fields out,
elsewhere it is the empty value. document_shapes.py is made of these.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from edged.errors import ConfigError, did_you_mean_or_all, shown

Shape = Callable[[object, str], Any]

_DURATION: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_NANOSECONDS: Final = {
    "ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9,
}  # fmt: skip


def an_object(value: object, path: str) -> dict[str, Any]:
    """{} for nothing."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError(f"{path or 'the document'}: must be an object, not {kind_of(value)}")
    return value


def text(value: object, path: str) -> str:
    """ "" for nothing."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ConfigError(f"{path}: must be text, not {kind_of(value)}")
    return value


def boolean(value: object, path: str) -> bool:
    """False for nothing."""
    if value is None:
        return False
    if not isinstance(value, bool):
        raise ConfigError(f"{path}: must be true or false, not {kind_of(value)}")
    return value


def number(value: object, path: str) -> float:
    """0 for nothing."""
    if value is None:
        return 0.0
    if not isinstance(value, int | float) or isinstance(value, bool) or abs(value) > 3.5e38:
        raise ConfigError(f"{path}: must be a number, not {kind_of(value)}")
    return float(value)


def anything(value: object, path: str) -> object:
    return value


def whole_number(bits: int) -> Shape:
    """0 for nothing."""
    least, most = -(1 << (bits - 1)), (1 << (bits - 1)) - 1

    def read(value: object, path: str) -> int:
        if value is None:
            return 0
        if not isinstance(value, int) or isinstance(value, bool):
            raise ConfigError(f"{path}: must be a whole number, not {kind_of(value)}")
        if not least <= value <= most:
            raise ConfigError(f"{path}: must be from {least} to {most}, not {kind_of(value)}")
        return value

    return read


def list_of(shape: Shape) -> Shape:
    def read(value: object, path: str) -> list[Any]:
        if value is None:
            return []
        if not isinstance(value, list):
            raise ConfigError(f"{path}: must be a list, not {kind_of(value)}")
        return [shape(item, f"{path}[{i}]") for i, item in enumerate(value)]

    return read


def map_of(shape: Shape) -> Shape:
    def read(value: object, path: str) -> dict[str, Any]:
        return {key: shape(item, f"{path}.{key}") for key, item in an_object(value, path).items()}

    return read


def record(**fields: Shape) -> Shape:
    """Other fields are errors."""

    def read(value: object, path: str) -> dict[str, Any]:
        given = an_object(value, path)
        only_known(given, fields.keys(), path)
        here = f"{path}." if path else ""
        return {
            key: fields[key](item, f"{here}{key}")
            for key, item in given.items()
            if item is not None or fields[key] is duration_s
        }

    return read


def duration_s(value: object, path: str) -> float:
    """Seconds of a Go duration: `15s`, `1m30s`, `500ms`. Nothing is an error, as upstream: leave the field out."""
    found = _nanoseconds(value) if isinstance(value, str) else None
    if found is None:
        raise ConfigError(f'{path}: must be a duration such as "15s", not {kind_of(value)}')
    return found / 1e9


def optional_duration_s(value: object, path: str) -> float:
    """The same for fields that may be null; `record` leaves these out."""
    return duration_s(value, path)


def _nanoseconds(given: str) -> int | None:
    sign, digits = (-1, given[1:]) if given.startswith("-") else (1, given.removeprefix("+"))
    if digits == "0":
        return 0
    parts = _DURATION.findall(digits)
    if not parts or "".join(amount + unit for amount, unit in parts) != digits:
        return None
    total = sum(_part(amount, _NANOSECONDS[unit]) for amount, unit in parts)
    return sign * total if total < 1 << 63 or (sign < 0 and total == 1 << 63) else None


def _part(amount: str, unit: int) -> int:
    whole, _, fraction = amount.partition(".")
    return int(whole[:30] or 0) * unit + int(fraction[:18] or 0) * unit // int(10 ** len(fraction[:18]))


def data(value: object, path: str) -> bytes:
    """Base64, with line breaks or not; a list of numbers is its bytes."""
    if isinstance(value, list):
        numbers = [whole_number(64)(item, f"{path}[{i}]") for i, item in enumerate(value)]
        if all(0 <= item <= 255 for item in numbers):
            return bytes(numbers)
        raise ConfigError(f"{path}: must be base64")
    given = text(value, path)
    try:
        return base64.b64decode(given.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ConfigError(f"{path}: must be base64") from error


def kind_of(value: object) -> str:
    """What is there instead, for messages."""
    return "nothing" if value is None else shown(value)


def only_known(value: Mapping[str, object], keys: frozenset[str] | set[str] | Any, path: str) -> None:
    """ConfigError for the first other key."""
    for key in value:
        if key not in keys:
            raise ConfigError(f"{path}{'.' if path else ''}{key}: unknown field{did_you_mean_or_all(key, keys)}")
