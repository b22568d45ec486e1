"""The tree of an expression: the nodes of cel-go, with macros written out. `at` is where an error about it is shown."""

from __future__ import annotations

from dataclasses import dataclass, field

from edged.kube.cel.types import Type


@dataclass(slots=True, kw_only=True)
class Node:
    """`type` is what the checker found."""

    at: int
    type: Type | None = None


@dataclass(slots=True)
class Const(Node):
    value: object


@dataclass(slots=True)
class Ident(Node):
    name: str


@dataclass(slots=True)
class Select(Node):
    """`operand.field`; `test_only`: whether it is there. `named` is set where the whole is the name of a variable."""

    operand: Node
    field: str
    test_only: bool = False
    named: str = ""


@dataclass(slots=True)
class Call(Node):
    """Operators have cel-go's names, such as `_+_`. `overloads`: ids of those that fit its types."""

    function: str
    arguments: list[Node]
    target: Node | None = None
    overloads: tuple[str, ...] = ()


@dataclass(slots=True)
class ListOf(Node):
    elements: list[Node]
    optional: frozenset[int] = frozenset()


@dataclass(slots=True)
class Entry:
    """Of a map (`key`) or a message (`name`)."""

    at: int
    key: Node | None
    name: str
    value: Node
    optional: bool


@dataclass(slots=True)
class MapOf(Node):
    entries: list[Entry]


@dataclass(slots=True)
class Message(Node):
    name: str
    entries: list[Entry]


@dataclass(slots=True)
class Fold(Node):
    """What macros become: a loop over `over` that computes `step` into the variable `accumulator`."""

    over: Node
    variable: str
    second: str
    accumulator: str
    start: Node
    condition: Node
    step: Node
    result: Node
    names: tuple[str, ...] = field(default=())
