"""Pod, Node and NodeList (decoded JSON) as the bare protobuf messages that scheduler guests read.

Bare: no `k8s\\0` envelope. The bytes are those that Kubernetes' own Go types write (ascending fields, sorted
map keys, fields that Go holds by value written even when empty): guests use types generated from those and
dereference what Go never leaves out. Field numbers are data in `protobuf_fields.py`. Fields that are not in
that table are skipped, as an older client would.

Pure. `encode` does it; `PodEncodings` and `NodeEncodings` keep what was encoded (`scheduling/guests/guest.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from operator import index
from typing import Any, Final, SupportsIndex

from edged.errors import PeerError
from edged.json_text import dumps
from edged.protobuf_wire import BYTES, VARINT, delimited, varint
from edged.protobuf_wire import tag as field_tag
from edged.scheduling.guests.protobuf_fields import MESSAGES

_NAMES: Final = ("name", "namespace", "uid", "resourceVersion")
_FEW_NODES: Final = 16
_SCALARS: Final = ("bool", "int32", "int64")
_Encoder = Callable[[Any], bytes]


class EncodeError(PeerError):
    """An object does not have the types that the Kubernetes API gives it; the text names the field."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Field:
    """One entry of the table. `name` is "" for an inlined struct; `always`: written also when absent."""

    number: int
    name: str
    kind: str
    always: bool


@cache
def fields(message: str) -> tuple[Field, ...]:
    """The fields of a message in ascending order. `KeyError` for a message that is not in the table."""
    result = []
    for entry in MESSAGES[message].split(", "):
        number, name, kind = entry.split(" ")
        result.append(Field(int(number.rstrip("!")), name.lstrip("-"), kind, number.endswith("!")))
    return tuple(result)


def encode(message: str, obj: Mapping[str, object]) -> bytes:
    """`obj` (the JSON form) as the message of that name, e.g. `encode("Pod", pod)`. Raises `EncodeError`."""
    try:
        return _plan(message).encode(obj)
    except EncodeError as error:
        raise EncodeError(message + error.path, error.problem) from error.__cause__


class _Plan:
    """How one message is encoded: a slot per field, filled beforehand with what an absent field writes."""

    __slots__ = ("encoders", "inlined", "template")

    def __init__(self, message: str) -> None:
        self.template: list[bytes] = []
        self.encoders: dict[str, tuple[int, _Encoder]] = {}
        self.inlined: list[tuple[int, bytes, str]] = []
        for slot, field in enumerate(fields(message)):
            self.template.append(_absent(field) if field.always else b"")
            if field.name:
                self.encoders[field.name] = (slot, _field_encoder(field))
            else:
                self.inlined.append((slot, field_tag(field.number, BYTES), field.kind))

    def encode(self, obj: Mapping[str, object]) -> bytes:
        parts = self.template.copy()
        encoders = self.encoders
        name = ""
        try:
            for name, value in obj.items():
                encoder = encoders.get(name)
                if encoder is not None and value is not None:
                    parts[encoder[0]] = encoder[1](value)
        except EncodeError as error:
            raise EncodeError(f".{name}{error.path}", error.problem) from error
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise EncodeError(f".{name}" if name else "", f"not of the expected type ({error})") from error
        for slot, tag, message in self.inlined:
            parts[slot] = delimited(tag, _plan(message).encode(obj))
        return b"".join(parts)


@cache
def _plan(message: str) -> _Plan:
    return _Plan(message)


def _absent(field: Field) -> bytes:
    """What Go writes for a field that it holds by value and that the JSON form leaves out."""
    if field.kind == "string":
        return field_tag(field.number, BYTES) + b"\0"
    if field.kind in _SCALARS:
        return field_tag(field.number, VARINT) + b"\0"
    tag = field_tag(field.number, BYTES)
    zeros = {"Quantity": "0", "Time": "", "IntOrString": 0}
    if field.kind in zeros:
        return delimited(tag, _LEAVES[field.kind](zeros[field.kind]))
    return delimited(tag, encode(field.kind, {}))


def _field_encoder(field: Field) -> _Encoder:
    """A function from the JSON value of a field to its bytes, tags included."""
    kind = field.kind.removeprefix("map:").removeprefix("[]")
    if kind in _SCALARS:
        one = _scalar_encoder(field_tag(field.number, VARINT), kind)
        return _list_encoder(one) if field.kind.startswith("[]") else one
    tag = field_tag(field.number, BYTES)
    body = _body_encoder(kind)
    if field.kind.startswith("map:"):
        return _map_encoder(tag, body)
    one = _delimited_encoder(tag, body)
    return _list_encoder(one) if field.kind.startswith("[]") else one


def _body_encoder(kind: str) -> _Encoder:
    """A function from a JSON value to the bytes of a length-delimited field, without tag and length."""
    if kind in _LEAVES:
        return _LEAVES[kind]
    # Looked up at the first use: messages contain each other, and most are never needed.
    return lambda value: _plan(kind).encode(value)


def _delimited_encoder(tag: bytes, body: _Encoder) -> _Encoder:
    return lambda value: delimited(tag, body(value))


def _scalar_encoder(tag: bytes, kind: str) -> _Encoder:
    if kind == "bool":
        texts = {True: tag + b"\1", False: tag + b"\0"}
        return lambda value: texts[value]
    limit = 1 << (31 if kind == "int32" else 63)

    def integer(value: SupportsIndex) -> bytes:
        number = index(value)
        if not -limit <= number < limit:
            raise OverflowError(f"{number} does not fit {kind}")
        return tag + varint(number & 0xFFFFFFFFFFFFFFFF)

    return integer


def _list_encoder(one: _Encoder) -> _Encoder:
    """Repeated fields: one after the other, numbers too (proto2 does not pack them)."""

    def encode_list(values: object) -> bytes:
        if not isinstance(values, list):
            raise TypeError(f"{type(values).__name__} instead of a list")
        parts = []
        for position, value in enumerate(values):
            try:
                parts.append(one(value))
            except EncodeError as error:
                raise EncodeError(f"[{position}]{error.path}", error.problem) from error
        return b"".join(parts)

    return encode_list


def _map_encoder(tag: bytes, body: _Encoder) -> _Encoder:
    def encode_map(values: Mapping[str, object]) -> bytes:
        parts = []
        for key in sorted(values):
            entry = delimited(b"\x0a", key.encode()) + delimited(b"\x12", body(values[key]))
            parts.append(delimited(tag, entry))
        return b"".join(parts)

    return encode_map


# --- values whose JSON form is not the JSON form of their fields ---------------------------------------


def _string(value: str) -> bytes:
    return value.encode()


def _quantity(value: Any) -> bytes:
    text = str(value) if type(value) in (int, float) else value
    return delimited(b"\x0a", canonical_quantity(text).encode())


def _time(value: str | None) -> bytes:
    """Seconds only: Go drops fractions too. The zero time ("" here, null in JSON) is an empty message."""
    if not value:
        return b""
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError(f"{value!r} lacks a time zone")
    seconds = int((moment - _EPOCH).total_seconds() // 1)
    return b"\x08" + varint(seconds & 0xFFFFFFFFFFFFFFFF) + b"\x10\0"


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _int_or_string(value: str | SupportsIndex) -> bytes:
    if isinstance(value, str):
        return b"\x08\1\x10\0" + delimited(b"\x1a", value.encode())
    return b"\x08\0\x10" + varint(index(value) & 0xFFFFFFFFFFFFFFFF) + b"\x1a\0"


def _fields_v1(value: object) -> bytes:
    return delimited(b"\x0a", dumps(value))


_LEAVES: Final[dict[str, _Encoder]] = {
    "string": _string,
    "Quantity": _quantity,
    "Time": _time,
    "IntOrString": _int_or_string,
    "FieldsV1": _fields_v1,
}


# --- quantities ----------------------------------------------------------------------------------------

_QUANTITY: Final = re.compile(
    r"([+-]?)([0-9]*)(?:\.([0-9]*))?(?:([KMGTPE])i|([numkMGTPE]?)|[eE]([+-]?[0-9]+))\Z"
)
_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_DECIMAL_SUFFIX: Final = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_BINARY: Final = "KMGTPE"
_NANO = 10**9
_LARGEST = 2**63 - 1
_LARGEST_EXPONENT = 400  # beyond: only cost


def canonical_quantity(text: str) -> str:
    """The text in Kubernetes' own form: `0.5` is `500m`, `1024Mi` is `1Gi`. `ValueError`: not a quantity.

    A text that is canonical already, as nearly every one from an API server, comes back as it is.
    """
    match = _QUANTITY.match(text)
    if match is None or not (match[2] or match[3]):
        raise ValueError(f"{text!r} is not a quantity")
    sign, whole, fraction, binary, decimal, power = match.groups()
    exponent = int(power) if power else _DECIMAL[decimal or ""]
    if abs(exponent) > _LARGEST_EXPONENT:
        raise ValueError(f"{text!r} is out of range")
    if _passes_as_canonical(whole.lstrip("0") or "0", fraction or "", binary, exponent):
        return text
    nanos = _nanos(whole, fraction or "", binary, exponent)
    if binary and nanos > _LARGEST * _NANO:
        nanos = _LARGEST * _NANO
    if nanos == 0:
        return "0"
    minus = "-" if sign == "-" else ""
    if binary and nanos >= 1024 * _NANO and nanos % _NANO == 0:
        return minus + _with_factor(nanos // _NANO, 1024, [""] + [letter + "i" for letter in _BINARY])
    if power is not None:
        return minus + _exponent_form(nanos)
    return minus + _with_factor(nanos, 1000, list(_DECIMAL_SUFFIX.values()))


def _passes_as_canonical(whole: str, fraction: str, binary: str | None, exponent: int) -> bool:
    """Go's own shortcut: a text with few digits that needs no other suffix is kept letter by letter."""
    if binary:
        digits_left = 14 - len(whole) - 3 * (_BINARY.index(binary) + 1)
        return not fraction and digits_left >= 0 and bool(int(whole) & 7)
    digits, scale = whole + fraction, exponent - len(fraction)
    if digits[0] == "0" or digits.endswith("000"):
        return False
    return len(digits) <= 18 and scale >= -9 and scale % 3 == 0


def _nanos(whole: str, fraction: str, binary: str | None, exponent: int) -> int:
    """The absolute value in units of 10^-9, rounded up."""
    digits = int(whole + fraction or "0")
    if binary:
        digits <<= 10 * (_BINARY.index(binary) + 1)
        exponent = 0
    power = exponent + 9 - len(fraction)
    factor: int = 10 ** abs(power)
    return digits * factor if power >= 0 else -(-digits // factor)


def _with_factor(number: int, factor: int, suffixes: list[str]) -> str:
    """`number` with the largest suffix that leaves it whole; each is worth `factor` times the one before."""
    position = 0
    while number % factor == 0 and position + 1 < len(suffixes):
        number //= factor
        position += 1
    return f"{number}{suffixes[position]}"


def _exponent_form(nanos: int) -> str:
    exponent = -9
    while nanos % 1000 == 0:
        nanos //= 1000
        exponent += 3
    return f"{nanos}e{exponent}" if exponent else str(nanos)


# --- what was encoded once -----------------------------------------------------------------------------


class PodEncodings:
    """The Pods encoded last, at most `most` of them, by `uid`, `resourceVersion` and `spec.nodeName`.

    The node's name is part of the key because the scheduler fills it in on its own copy before it binds. Pods
    without uid or resourceVersion are encoded each time.
    """

    def __init__(self, most: int = 64) -> None:
        self._most = most
        self._pods: dict[tuple[str, str, str], bytes] = {}

    def pod(self, pod: Mapping[str, Any]) -> bytes:
        metadata = pod["metadata"]
        uid, version = metadata.get("uid"), metadata.get("resourceVersion")
        if not uid or not version:
            return encode("Pod", pod)
        key = (uid, version, (pod.get("spec") or {}).get("nodeName") or "")
        encoded = self._pods.pop(key, None)
        if encoded is None:
            encoded = encode("Pod", pod)
            while len(self._pods) >= self._most:
                del self._pods[next(iter(self._pods))]
        self._pods[key] = encoded
        return encoded


# A node's name, a token that changes with the node (compared by identity), and where to get the object.
NodeSource = tuple[str, object, Callable[[], Mapping[str, Any]]]


def encode_what_can_be(message: str, obj: Mapping[str, Any]) -> bytes:
    """As `encode`, without the parts (metadata but for the names, spec, status) that have types of another world. For
    objects of others: what is wrong with one of them must not fail whoever looks at all."""
    try:
        return encode(message, obj)
    except EncodeError:
        metadata = obj["metadata"]
        names = {key: metadata[key] for key in _NAMES if isinstance(metadata.get(key), str)}
        kept: dict[str, Any] = {"metadata": names}
        for name, part in obj.items():
            with suppress(EncodeError):
                encode(message, {name: part})
                kept[name] = part
        return encode(message, kept)


class NodeEncodings:
    """Encoded Nodes by name, each kept while its version is the same object; and the NodeList they make. Of a Node that
    has fields of other types than Kubernetes' the part with the field is missing."""

    def __init__(self) -> None:
        self._nodes: dict[str, tuple[object, bytes]] = {}
        self._parts: list[bytes] = []
        self._list = b""

    def known(self, source: NodeSource) -> bool:
        """Whether `node` would only look it up."""
        kept = self._nodes.get(source[0])
        return kept is not None and kept[0] is source[1]

    def node(self, source: NodeSource) -> bytes:
        name, version, load = source
        kept = self._nodes.get(name)
        if kept is None or kept[0] is not version:
            kept = self._nodes[name] = (version, encode_what_can_be("Node", load()))
        return kept[1]

    def keep(self, names: Collection[str]) -> None:
        """Forgets the other Nodes, once those that are gone are as many as those that are there."""
        if len(self._nodes) > 2 * len(names) + _FEW_NODES:
            there = frozenset(names)
            self._nodes = {name: kept for name, kept in self._nodes.items() if name in there}

    def node_list(self, sources: Iterable[NodeSource]) -> bytes:
        """A NodeList with empty list metadata, the items in the order given. Other Nodes are forgotten."""
        names = []
        parts = []
        for source in sources:
            names.append(source[0])
            parts.append(self.node(source))
        if len(self._nodes) > len(names):
            self._nodes = {name: self._nodes[name] for name in names}
        if parts != self._parts or not self._list:
            self._parts = parts
            self._list = _LIST_METADATA + b"".join([delimited(b"\x12", part) for part in parts])
        return self._list


_LIST_METADATA: Final = delimited(b"\x0a", encode("ListMeta", {}))
