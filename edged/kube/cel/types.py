"""Types of CEL as cel-go's checker has them, and how its messages write them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Type:
    """`kind`: simple, dyn, error, null, param, list, map, type, opaque, struct."""

    kind: str
    name: str
    params: tuple[Type, ...] = ()

    def __str__(self) -> str:
        """As in messages of the checker."""
        name = _SHOWN.get(self.name, self.name)
        return f"{name}({', '.join(map(str, self.params))})" if self.params else name

    @property
    def declared(self) -> str:
        """As in messages about what an expression has to evaluate to."""
        name = self.name
        return f"{name}({', '.join(each.declared for each in self.params)})" if self.params else name


_SHOWN: Final = {"null_type": "null", "google.protobuf.Timestamp": "timestamp", "google.protobuf.Duration": "duration",
                 "error": "!error!", "google.protobuf.Any": "any"}  # fmt: skip
DYN: Final = Type("dyn", "dyn")
ERROR: Final = Type("error", "error")
NULL: Final = Type("null", "null_type")
BOOL: Final = Type("simple", "bool")
INT: Final = Type("simple", "int")
UINT: Final = Type("simple", "uint")
DOUBLE: Final = Type("simple", "double")
STRING: Final = Type("simple", "string")
BYTES: Final = Type("simple", "bytes")
TIMESTAMP: Final = Type("simple", "google.protobuf.Timestamp")
DURATION: Final = Type("simple", "google.protobuf.Duration")
_NAMED: Final = {each.name: each for each in (DYN, NULL, BOOL, INT, UINT, DOUBLE, STRING, BYTES, TIMESTAMP, DURATION)}
_NAMED["timestamp"], _NAMED["duration"], _NAMED["any"] = TIMESTAMP, DURATION, Type("dyn", "google.protobuf.Any")
_NAMED["null"] = NULL
_NULLABLE: Final = frozenset((TIMESTAMP.name, DURATION.name))


def list_of(element: Type) -> Type:
    return Type("list", "list", (element,))


def map_of(key: Type, value: Type) -> Type:
    return Type("map", "map", (key, value))


def optional_of(inner: Type) -> Type:
    return Type("opaque", "optional_type", (inner,))


def type_of(inner: Type) -> Type:
    return Type("type", "type", (inner,))


def param(name: str) -> Type:
    return Type("param", name)


def struct(name: str) -> Type:
    return Type("struct", name)


def read(declared: object) -> Type:
    """A type in declarations.json: a name, `<T>` for a parameter, or [name, [parameters]]."""
    if isinstance(declared, str):
        if declared.startswith("<"):
            return param(declared[1:-1])
        return Type("type", "type") if declared == "type" else _NAMED.get(declared) or struct(declared)
    assert isinstance(declared, list)
    name, params = declared[0], tuple(read(each) for each in declared[1])
    return Type(name if name in ("list", "map", "type") else "opaque", name, params)


class Mapping:
    """What the parameters of types stand for. `try_` forms change nothing where they fail."""

    def __init__(self) -> None:
        self._known: dict[str, Type] = {}
        self._fresh = 0

    def fresh(self) -> Type:
        self._fresh += 1
        return param(f"_var{self._fresh - 1}")

    def assignable(self, one: tuple[Type, ...], other: tuple[Type, ...]) -> bool:
        before = dict(self._known)
        if len(one) == len(other) and all(map(self._fits, one, other)):
            return True
        self._known = before
        return False

    def substituted(self, of: Type, *, dynamic: bool = False) -> Type:
        if of.kind == "param":
            known = self._known.get(of.name)
            if known is not None:
                return self.substituted(known, dynamic=dynamic)
            return DYN if dynamic else of
        if not of.params:
            return of
        return Type(of.kind, of.name, tuple(self.substituted(each, dynamic=dynamic) for each in of.params))

    def _fits(self, one: Type, other: Type) -> bool:
        if other.kind == "param":
            valid, known = self._substitution(one, other)
            if valid or known:
                return valid
        if one.kind == "param":
            return self._substitution(other, one)[0]
        if one.kind in ("dyn", "error") or other.kind in ("dyn", "error"):
            return True
        if one.kind == "null" or other.kind == "null":
            return _nullable(other if one.kind == "null" else one)
        if one.kind == "type":
            return other.kind == "type"
        if one.kind in ("opaque", "list", "map"):
            return (one.kind, one.name, len(one.params)) == (other.kind, other.name, len(other.params)) and all(
                map(self._fits, one.params, other.params)
            )
        return one == other

    def _substitution(self, one: Type, parameter: Type) -> tuple[bool, bool]:
        """Whether it can stand for the parameter, and whether something does already."""
        if one == parameter:
            return True, True
        known = self._known.get(parameter.name)
        if known is None:
            if self._absent(parameter, one):
                self._known[parameter.name] = one
                return True, False
            return False, False
        if known == one:
            return True, True
        if not self._fits(one, known):
            return False, True
        general = most_general(one, known)
        if self._absent(parameter, general):
            self._known[parameter.name] = general
        return True, True

    def _absent(self, parameter: Type, within: Type) -> bool:
        if parameter == within:
            return False
        if within.kind == "param":
            known = self._known.get(within.name)
            return known is None or self._absent(parameter, known)
        return all(self._absent(parameter, each) for each in within.params)


def _nullable(of: Type) -> bool:
    return of.kind in ("opaque", "struct", "null") or of.name in _NULLABLE


def most_general(one: Type, other: Type) -> Type:
    return one if _less_specific(one, other) else other


def _less_specific(one: Type, other: Type) -> bool:
    if one.kind in ("dyn", "param"):
        return True
    if other.kind in ("dyn", "param") or one.kind != other.kind:
        return False
    if one.kind in ("opaque", "list", "map"):
        same = one.name == other.name and len(one.params) == len(other.params)
        return same and all(map(_less_specific, one.params, other.params))
    return one.kind == "type" or one == other
