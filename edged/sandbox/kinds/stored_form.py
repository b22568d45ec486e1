"""What Go's types make of an object: which empty values stay, which are left out, how numbers and times are written.

An object is decoded into a Go struct, stored as protobuf and read again. So a field that is no pointer has a value
even where the client gave none; `omitempty` leaves out empty texts, numbers, lists and maps, but no structs. Pure;
results are new objects. Source: the field tags in types.json, encoding/json, and the MarshalJSON methods of Quantity,
Time, MicroTime and Duration (apimachinery).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from edged.kube.values.quantity import QuantityError, canonical, parsed, written
from edged.sandbox.kinds.go_types import GoTypes, WireField

_ZERO: dict[str, Any] = {
    "string": "", "bool": False, "int": 0, "int32": 0, "int64": 0, "uint32": 0, "uint8": 0, "float32": 0, "float64": 0,
    "Quantity": "0", "IntOrString": 0, "Duration": "0s",
}  # fmt: skip
"""Of what is no struct. What is not named here (lists, maps, times, raw JSON, bytes) is null."""
_STRUCTS = {"Quantity", "Time", "MicroTime", "Duration", "IntOrString", "RawExtension"}
"""Structs with a JSON form of their own: omitempty does not leave them out."""


def of(value: Any, go_type: str, types: GoTypes, *, stored: bool = False) -> Any:
    """`value` as the API server gives it back. What is not of its type stays as it is: others refuse it. `stored`: an
    empty list that has to be there has become null, as it does in protobuf."""
    if go_type.startswith("[]"):
        inner = go_type[2:]
        return [of(item, inner, types, stored=stored) for item in value] if isinstance(value, list) else value
    if go_type.startswith("{}"):
        inner = go_type[2:]
        if not isinstance(value, dict):
            return value
        return {k: _amount(v) if inner == "Quantity" else of(v, inner, types, stored=stored) for k, v in value.items()}
    if go_type in types:
        return _struct(value, go_type, types, stored) if isinstance(value, dict) else value
    write = _WRITERS.get(go_type)
    return write(value) if write is not None and isinstance(value, str | int | float) else value


def _struct(value: dict[str, Any], go_type: str, types: GoTypes, stored: bool) -> dict[str, Any]:
    result: dict[str, Any] = {key: value[key] for key in ("kind", "apiVersion") if key in value}
    for field in types.flat_fields(go_type):
        given = value.get(field.name)
        if given is None:
            _put_absent(result, field, types)
            continue
        item = of(given, field.type, types, stored=stored)
        if item or field.pointer:
            result[field.name] = item
        elif not _left_out(field, types):
            result[field.name] = None if stored and item == [] and field.type.startswith("[]") else item
        else:
            result.pop(field.name, None)
    return result


def _put_absent(result: dict[str, Any], field: WireField, types: GoTypes) -> None:
    if field.pointer:
        if not field.omit_nil:
            result[field.name] = None
    elif not _left_out(field, types):
        result[field.name] = _struct({}, field.type, types, False) if field.type in types else _ZERO.get(field.type)


def _left_out(field: WireField, types: GoTypes) -> bool:
    """Whether its empty value is left out."""
    return field.omit_zero or (field.omit_empty and field.type not in _STRUCTS and field.type not in types)


# --- scalars


def _quantity(value: str | float) -> Any:
    try:
        return canonical(value.strip() if isinstance(value, str) else value)
    except QuantityError:
        return value


def _amount(value: Any) -> Any:
    """Of a map of resources, whose amounts have no fractions finer than a thousandth: SetDefaults_ResourceList."""
    text = _quantity(value)
    try:
        nanos, form = parsed(text)
    except QuantityError:
        return text
    return text if nanos % 10**6 == 0 else written(-(-nanos // 10**6) * 10**6, form)


_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def _moment(value: object) -> datetime | None:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _time(value: object) -> object:
    moment = _moment(value)
    return value if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _micro_time(value: object) -> object:
    moment = _moment(value)
    return value if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


_DURATION = re.compile(r"([+-]?)((?:\d+(?:\.\d*)?(?:h|ms|m|s|us|µs|ns))+|0)")
_DURATION_PART = re.compile(r"(\d+(?:\.\d*)?)(h|ms|m|s|us|µs|ns)")
_NANOSECONDS = {"h": 3_600_000_000_000, "m": 60_000_000_000, "s": 10**9, "ms": 10**6, "us": 1000, "µs": 1000, "ns": 1}


def _duration(value: object) -> object:
    """As Go's Duration.String writes it: 90s is 1m30s."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) and len(value) <= 100 else None
    if match is None:
        return value
    total = sum(round(float(number) * _NANOSECONDS[unit]) for number, unit in _DURATION_PART.findall(match[2]))
    if total == 0:
        return "0s"
    return ("-" if match[1] == "-" else "") + _duration_text(total)


def _duration_text(total: int) -> str:
    if total < 10**9:
        unit, size = next((u, s) for u, s in (("ms", 10**6), ("µs", 1000), ("ns", 1)) if total >= s)
        return f"{total / size:g}{unit}"
    seconds, rest = divmod(total, 10**9)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    text = f"{seconds}{fraction}s"
    return f"{hours}h{minutes}m{text}" if hours else f"{minutes}m{text}" if minutes else text


def _bytes(value: object) -> object:
    """Go's base64 decoder passes over ends of lines."""
    return value.replace("\r", "").replace("\n", "") if isinstance(value, str) else value


_WRITERS: dict[str, Callable[[Any], Any]] = {
    "Quantity": _quantity, "Time": _time, "MicroTime": _micro_time, "Duration": _duration, "bytes": _bytes,
}  # fmt: skip
