"""Protobuf messages back into the JSON form, by the same field table: for tests that look into encoded bytes.

Zero values are left out, as Go's `omitempty` would, but not those of fields that Go holds by pointer.
Times come back as RFC 3339 with seconds. Not used by edged itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from edged.scheduling.guests.object_encoding import fields


def decode(message: str, data: bytes) -> dict[str, Any]:
    """The message as decoded JSON. Raises `KeyError` for a field number that the table lacks."""
    by_number = {field.number: field for field in fields(message)}
    result: dict[str, Any] = {}
    for number, value in wire_fields(data):
        field = by_number[number]
        if not field.name:
            result.update(decode(field.kind, value))
        elif field.kind.startswith("[]"):
            result.setdefault(field.name, []).append(_value(field.kind[2:], value))
        elif field.kind.startswith("map:"):
            entry = dict(wire_fields(value))
            result.setdefault(field.name, {})[entry[1].decode()] = _value(field.kind[4:], entry[2])
        else:
            decoded = _value(field.kind, value)
            if not field.always or decoded:
                result[field.name] = decoded
    return result


def _value(kind: str, value: Any) -> Any:
    match kind:
        case "string":
            return value.decode()
        case "bool":
            return bool(value)
        case "int32" | "int64":
            return value - (1 << 64) if value >> 63 else value
        case "Quantity":
            return dict(wire_fields(value))[1].decode()
        case "Time":
            seconds = dict(wire_fields(value)).get(1)
            return None if seconds is None else _rfc3339(_value("int64", seconds))
        case "IntOrString":
            parts = dict(wire_fields(value))
            return parts[3].decode() if parts[1] else _value("int64", parts[2])
        case "FieldsV1":
            return orjson.loads(dict(wire_fields(value))[1])
    return decode(kind, value)


def _rfc3339(seconds: int) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    return moment.isoformat().replace("+00:00", "Z")


def wire_fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """(number, value) in order: an int for a varint, bytes for a length-delimited field."""
    position = 0

    def varint() -> int:
        nonlocal position
        result = shift = 0
        while True:
            byte = data[position]
            position += 1
            result |= (byte & 127) << shift
            if byte < 128:
                return result
            shift += 7

    while position < len(data):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
        else:
            assert key & 7 == 2, f"wire type {key & 7}"
            size = varint()
            assert position + size <= len(data), "length beyond the end"
            yield key >> 3, data[position : position + size]
            position += size
