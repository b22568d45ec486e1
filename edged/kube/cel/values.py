"""Values while an expression is evaluated.

null, bool, int, float, str, bytes, list and dict of Python are CEL's null, bool, int, double, string, bytes, list and
map. The other types of CEL are classes here or in library/: they say their `type_name`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from edged.kube.cel.errors import EvaluationError


class UInt(int):
    """An unsigned number."""


class Opaque:
    """A value of a type of its own; equal to one of the same class with the same `identity`."""

    type_name: ClassVar[str] = "opaque"
    __slots__ = ()

    def identity(self) -> object:
        return id(self)


class TypeValue(Opaque):
    """What type(x) gives."""

    type_name = "type"
    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def identity(self) -> object:
        return self.name


class Timestamp(Opaque):
    """Nanoseconds since 1970; `offset`: seconds of the zone that it was written in."""

    type_name = "google.protobuf.Timestamp"
    __slots__ = ("nanos", "offset")

    def __init__(self, nanos: int, offset: int = 0) -> None:
        self.nanos = nanos
        self.offset = offset

    def identity(self) -> object:
        return self.nanos


class Duration(Opaque):
    """Nanoseconds."""

    type_name = "google.protobuf.Duration"
    __slots__ = ("nanos",)

    def __init__(self, nanos: int) -> None:
        self.nanos = nanos

    def identity(self) -> object:
        return self.nanos


class Optional(Opaque):
    """optional.of(value), or NONE."""

    type_name = "optional_type"
    __slots__ = ("present", "value")

    def __init__(self, value: object = None, *, present: bool = True) -> None:
        self.value = value
        self.present = present


NONE: Final = Optional(present=False)


class Structure(Opaque):
    """A message that an expression made: Object{...}, JSONPatch{...}."""

    __slots__ = ("fields", "name")

    def __init__(self, name: str, fields: dict[str, object]) -> None:
        self.name = name
        self.fields = fields


def type_name(value: object) -> str:
    match value:
        case None:
            return "null_type"
        case bool():
            return "bool"
        case UInt():
            return "uint"
        case int():
            return "int"
        case float():
            return "double"
        case str():
            return "string"
        case bytes():
            return "bytes"
        case list():
            return "list"
        case dict():
            return "map"
        case Structure():
            return value.name
        case Opaque():
            return value.type_name
    return "dyn"


def size(value: object) -> int:
    """What counts in costs: entries or characters; 1 for what has none."""
    if isinstance(value, str | bytes | list | dict):
        return len(value)
    if isinstance(value, Optional) and value.present:
        return size(value.value)
    measured = getattr(value, "size", None)
    return measured if isinstance(measured, int) else 1


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def equal(one: object, other: object) -> bool:
    """CEL's equality: numbers by value, other types only with their own."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if is_number(one) and is_number(other):
        return one == other
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, dict):
        return isinstance(other, dict) and _equal_maps(one, other)
    if isinstance(one, Optional):
        same = isinstance(other, Optional) and one.present == other.present
        return same and (not one.present or equal(one.value, other.value if isinstance(other, Optional) else None))
    if isinstance(one, Structure):
        same = isinstance(other, Structure) and one.name == other.name
        return same and _equal_maps(one.fields, other.fields if isinstance(other, Structure) else {})
    if isinstance(one, Opaque):
        return type(one) is type(other) and one.identity() == other.identity()
    return type(one) is type(other) and one == other


def _equal_maps(one: Mapping[Any, object], other: Mapping[Any, object]) -> bool:
    return len(one) == len(other) and all(key in other and equal(value, other[key]) for key, value in one.items())


def compare(one: Any, other: Any) -> int:
    """-1, 0 or 1. Raises EvaluationError where there is no order."""
    if is_number(one) and is_number(other):
        if any(isinstance(each, float) and math.isnan(each) for each in (one, other)):
            raise EvaluationError("NaN values cannot be ordered")
        return _order(one, other)
    if type(one) is type(other):
        if isinstance(one, str | bytes | bool):
            return _order(one, other)
        if isinstance(one, Timestamp | Duration):
            return _order(one.nanos, other.nanos)
    raise EvaluationError("no such overload")


def _order(one: Any, other: Any) -> int:
    return int(one > other) - int(one < other)


class Lazy(Opaque):
    """`variables` of a policy: each is computed when it is read first."""

    type_name = "kubernetes.variables"
    __slots__ = ()

    def value(self, name: str) -> object:
        """Raises EvaluationError."""
        raise NotImplementedError

    def has(self, name: str) -> bool:
        raise NotImplementedError
