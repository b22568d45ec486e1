"""Kubernetes protobuf bodies -> objects, by the field numbers in types.json. Pure; encoding is never needed.

The envelope is `k8s\\0` and a runtime.Unknown message: 1 TypeMeta {1 apiVersion, 2 kind}, 2 the object's bytes.
Strings and numbers travel even when empty: an empty value of an `omitempty` field counts as absent.
"""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from edged.json_text import loads
from edged.sandbox.kinds.go_types import GoTypes, WireField
from edged.sandbox.kinds.resources import Registry
from edged.sandbox.protocol.api_status import bad_request

Object = dict[str, Any]
MAGIC = b"k8s\0"
# Kinds that are no resources of their own but are sent as bodies.
OTHER_KINDS = {
    "DeleteOptions": "meta/v1.DeleteOptions",
    "Binding": "core/v1.Binding",
    "Eviction": "policy/v1.Eviction",
    "Scale": "autoscaling/v1.Scale",
    "TokenRequest": "authentication/v1.TokenRequest",
}


Raw = int | bytes
"""What stands on the wire: a number, or bytes that are a text, a message or a number of fixed size."""


class _Malformed(ValueError):
    """The message ends in the middle of a field, or a field has another type than its number stands for."""


def decode(body: bytes, types: GoTypes, registry: Registry) -> Object:
    """An enveloped body -> a decoded object with apiVersion and kind. Raises 400."""
    if not body.startswith(MAGIC):
        raise bad_request("the body is not Kubernetes protobuf: it does not start with k8s\\0")
    try:
        envelope = _parts(body[4:])
        meta = _parts(envelope.get(1, b""))
        api_version, kind = _text(meta.get(1, b"")), _text(meta.get(2, b""))
        go_type = _type_of(api_version, kind, registry)
        decoded = _message(envelope.get(2, b""), go_type, types)
    except (ValueError, OverflowError, OSError, struct.error) as error:
        raise bad_request(f"the body is not Kubernetes protobuf: {error}") from error
    except RecursionError as error:
        raise bad_request("the body is nested too deeply") from error
    return {"apiVersion": api_version, "kind": kind, **decoded}


def _type_of(api_version: str, kind: str, registry: Registry) -> str:
    resource = registry.by_kind(api_version, kind)
    if resource is not None and resource.go_type:
        return resource.go_type
    if kind in OTHER_KINDS:
        return OTHER_KINDS[kind]
    raise bad_request(f'no kind "{kind}" is registered for version "{api_version}"')


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        if position >= len(data) or shift > 63:
            raise _Malformed("a varint does not end")
        byte = data[position]
        result |= (byte & 0x7F) << shift
        position += 1
        if byte < 0x80:
            return result, position
        shift += 7


def wire_fields(message: Raw) -> Iterator[tuple[int, Raw]]:
    """(field number, value): ints for varints, bytes for everything with a length, raw bytes for fixed sizes."""
    data, position = memoryview(_bytes(message)), 0
    while position < len(data):
        tag, position = _varint(data, position)
        wire = tag & 7
        if wire == 0:
            value, position = _varint(data, position)
            yield tag >> 3, value
            continue
        if wire == 2:
            size, position = _varint(data, position)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise _Malformed(f"wire type {wire}")
        if position + size > len(data):
            raise _Malformed("a field is longer than its message")
        yield tag >> 3, bytes(data[position : position + size])
        position += size


def _parts(message: Raw) -> dict[int, Raw]:
    """The last value of each field, for messages of which no field is repeated."""
    return dict(wire_fields(message))


def _bytes(raw: Raw) -> bytes:
    if isinstance(raw, int):
        raise _Malformed("a number instead of a text or a message")
    return raw


def _number(raw: Raw) -> int:
    if isinstance(raw, bytes):
        raise _Malformed("bytes instead of a number")
    return raw


def _text(raw: Raw) -> str:
    return _bytes(raw).decode()


def _message(data: Raw, go_type: str, types: GoTypes) -> Object:
    by_number = {field.number: field for field in types.wire_fields(go_type)}
    result: Object = {}
    for number, raw in wire_fields(data):
        field = by_number.get(number)
        if field is None:
            continue
        if field.inline:
            result.update(_message(raw, field.type, types))
        else:
            _put(result, field, raw, types)
    return result


def _put(result: Object, field: WireField, raw: Raw, types: GoTypes) -> None:
    if field.type.startswith("[]"):
        element = _value(raw, field.type[2:], types)
        result.setdefault(field.name, []).append(element)
        return
    if field.type.startswith("{}"):
        key, value = _entry(raw, field.type[2:], types)
        result.setdefault(field.name, {})[key] = value
        return
    value = _value(raw, field.type, types)
    if value is None or (field.omit_empty and value in ("", 0, False, {}, [])):
        return
    result[field.name] = value


def _entry(raw: Raw, go_type: str, types: GoTypes) -> tuple[str, Any]:
    parts = _parts(raw)
    value = parts.get(2)
    if value is None:
        return _text(parts.get(1, b"")), "" if go_type in ("string", "bytes") else {}
    return _text(parts.get(1, b"")), _value(value, go_type, types)


def _value(raw: Raw, go_type: str, types: GoTypes) -> Any:
    reader = _READERS.get(go_type)
    if reader is not None:
        return reader(raw)
    if go_type.startswith("[]"):  # a map's value that is a list: ExtraValue {1 items}
        return [_value(item, go_type[2:], types) for number, item in wire_fields(raw) if number == 1]
    if "JSONSchemaPropsOr" in go_type:
        return _schema_union(raw, go_type, types)
    return _message(raw, go_type, types) if go_type in types else None


def _signed(raw: Raw) -> int:
    number = _number(raw) & 0xFFFFFFFFFFFFFFFF
    return number - (1 << 64) if number >= 1 << 63 else number


def _float(raw: Raw, form: str) -> float:
    number: float = struct.unpack(form, _bytes(raw))[0]
    if not math.isfinite(number):
        raise _Malformed("a number that JSON cannot write")
    return number


def _first(raw: Raw) -> Raw | None:
    return _parts(raw).get(1)


def _time(raw: Raw, digits: str = "") -> str | None:
    parts = _parts(raw)
    if 1 not in parts:
        return None
    moment = datetime.fromtimestamp(_signed(parts[1]), UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f".{_number(parts.get(2, 0)) // 1000:06d}" if digits else ""
    return f"{moment}{fraction}Z"


def _int_or_string(raw: Raw) -> int | str:
    parts = _parts(raw)
    return _text(parts.get(3, b"")) if parts.get(1) == 1 else _signed(parts.get(2, 0))


def _duration(raw: Raw) -> str:
    return f"{_signed(_first(raw) or 0) / 1e9:g}s"


def _json(raw: Raw) -> Any:
    inner = _first(raw)
    return loads(_bytes(inner)) if inner else None


def _schema_union(raw: Raw, go_type: str, types: GoTypes) -> Any:
    """In JSON some fields of a CRD's schema take values of two types: a schema or a bool, a schema or a list of
    schemas, a schema or a list of strings. In protobuf each of these is a message with one field for each type."""
    schema = "apiextensions/v1.JSONSchemaProps"
    fields = list(wire_fields(raw))
    if go_type.endswith("OrBool"):
        parts = dict(fields)
        return _message(parts[2], schema, types) if 2 in parts else bool(_number(parts.get(1, 0)))
    listed = [value for number, value in fields if number == 2]
    if go_type.endswith("OrStringArray") and listed:
        return [_text(value) for value in listed]
    if listed:
        return [_message(value, schema, types) for value in listed]
    return _message(dict(fields).get(1, b""), schema, types)


_READERS: dict[str, Callable[[Raw], Any]] = {
    "string": _text,
    "bytes": lambda raw: base64.b64encode(_bytes(raw)).decode(),
    "bool": lambda raw: bool(_number(raw)),
    "int": _signed, "int32": _signed, "int64": _signed, "uint32": _number, "uint8": _number,
    "float64": lambda raw: _float(raw, "<d"),
    "float32": lambda raw: _float(raw, "<f"),
    "Quantity": lambda raw: _text(_first(raw) or b""),
    "IntOrString": _int_or_string,
    "Time": _time,
    "MicroTime": lambda raw: _time(raw, "micro"),
    "Duration": _duration,
    "RawJSON": _json, "JSON": _json, "RawExtension": _json,
}  # fmt: skip
