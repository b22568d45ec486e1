"""Functions by name: what each does with values of which kinds. The files in library/ put theirs in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from edged.json_text import dumps
from edged.kube.cel.errors import EvaluationError
from edged.kube.cel.values import Opaque, UInt, type_name

Function = TypeVar("Function", bound=Callable[..., object])
_FUNCTIONS: Final[dict[str, list[tuple[tuple[type, ...], Callable[..., object]]]]] = {}
TYPES: Final = frozenset(("bool", "bytes", "double", "int", "uint", "string", "null_type", "list", "map", "type",
                          "google.protobuf.Timestamp", "google.protobuf.Duration", "optional_type", "net.IP",
                          "net.CIDR"))  # fmt: skip
"""Names that stand for types."""
_PLAIN: Final = frozenset(("startsWith", "endsWith", "contains", "matches", "or", "orValue"))
"""Those whose refusal names nothing; operators likewise."""


def declare(name: str, *kinds: type) -> Callable[[Function], Function]:
    """Under that name, for values of these kinds: Python's types as in values.py; `object` takes any."""

    def put(function: Function) -> Function:
        _FUNCTIONS.setdefault(name, []).append((kinds, function))
        return function

    return put


def function(name: str) -> Callable[..., object]:
    """What it does, given values; raises EvaluationError where none takes values of these kinds."""
    forms = _FUNCTIONS.get(name, [])

    def run(*values: object) -> object:
        for kinds, form in forms:
            if len(kinds) == len(values) and all(map(_is, values, kinds)):
                return form(*values)
        raise EvaluationError(_refusal(name, values))

    return run


def names() -> frozenset[str]:
    """Of all functions that are there."""
    return frozenset(_FUNCTIONS)


def _refusal(name: str, values: tuple[object, ...]) -> str:
    if name in ("size", "sort"):
        return f"no such overload: {name}"
    if name in _PLAIN or not name[0].isalpha():
        return "no such overload"
    return f"no such overload: {name}({', '.join(map(type_name, values))})"


def _is(value: object, kind: type) -> bool:
    if kind is object:
        return True
    if kind is int:
        return type(value) is int
    if kind is UInt or kind is bool:
        return isinstance(value, kind)
    return isinstance(value, kind)


def go_type(value: object) -> str:
    """The name of cel-go's own type, which some of its messages have."""
    names_ = {"string": "String", "int": "Int", "uint": "Uint", "double": "Double", "bool": "Bool", "bytes": "Bytes",
              "null_type": "Null"}  # fmt: skip
    return f"types.{names_.get(type_name(value), 'Val')}"


def shown(value: object) -> str:
    """A value in a message."""
    if isinstance(value, Opaque) or value is None:
        return type_name(value)
    return value if isinstance(value, str) else dumps(value).decode()
