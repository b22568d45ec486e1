"""Macros, written out as cel-go does it: has, all, exists, map, filter, those of two variables, optMap, optFlatMap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from edged.kube.cel.tree import Call, Const, Fold, Ident, ListOf, MapOf, Node, Select

ACCUMULATOR: Final = "@result"
UNUSED: Final = "#unused"


class Wrong(Exception):
    """The arguments are not those of the macro; `at` is where."""

    def __init__(self, at: int, text: str) -> None:
        super().__init__(text)
        self.at = at


def expanded(call: Call) -> Node:
    """What stands for the call: itself where it is no macro. Raises Wrong."""
    if call.target is None:
        return _has(call) if call.function == "has" and len(call.arguments) == 1 else call
    macro = _MACROS.get((call.function, len(call.arguments)))
    return call if macro is None else macro(call)


def _has(call: Call) -> Node:
    argument = call.arguments[0]
    if isinstance(argument, Select) and not argument.test_only:
        return Select(argument.operand, argument.field, True, at=call.at)
    raise Wrong(argument.at, "invalid argument to has() macro")


def _variable(call: Call, index: int = 0) -> str:
    node = call.arguments[index]
    if not isinstance(node, Ident) or node.name.startswith("."):
        raise Wrong(node.at, "argument must be a simple name")
    if node.name in (ACCUMULATOR, "__result__"):
        raise Wrong(node.at, "iteration variable overwrites accumulator variable")
    return node.name


def _fold(call: Call, start: Node, condition: Node, step: Node, result: Node, *, two: bool = False) -> Node:
    first = _variable(call)
    second = _variable(call, 1) if two else ""
    if two and first == second:
        raise Wrong(call.arguments[1].at, f"duplicate variable name: {first}")
    assert call.target is not None
    return Fold(call.target, first, second, ACCUMULATOR, start, condition, step, result, at=call.at)


def _quantified(two: bool) -> Callable[[Call], Node]:
    def expand(call: Call) -> Node:
        at, predicate = call.at, call.arguments[-1]
        accumulated = Ident(ACCUMULATOR, at=at)
        every = call.function == "all"
        going: Node = accumulated if every else Call("!_", [accumulated], at=at)
        condition = Call("@not_strictly_false", [going], at=at)
        step = Call("_&&_" if every else "_||_", [accumulated, predicate], at=at)
        return _fold(call, Const(every, at=at), condition, step, accumulated, two=two)

    return expand


def _one(two: bool) -> Callable[[Call], Node]:
    def expand(call: Call) -> Node:
        at = call.at
        accumulated = Ident(ACCUMULATOR, at=at)
        more = Call("_+_", [accumulated, Const(1, at=at)], at=at)
        step = Call("_?_:_", [call.arguments[-1], more, accumulated], at=at)
        result = Call("_==_", [accumulated, Const(1, at=at)], at=at)
        return _fold(call, Const(0, at=at), Const(True, at=at), step, result, two=two)

    return expand


def _transformed(skip: int) -> Callable[[Call], Node]:
    """map, transformList: `skip` variables, perhaps a condition, and what becomes of an element."""

    def expand(call: Call) -> Node:
        at, rest = call.at, call.arguments[skip:]
        accumulated = Ident(ACCUMULATOR, at=at)
        step: Node = Call("_+_", [accumulated, ListOf([rest[-1]], at=at)], at=at)
        if len(rest) == 2:
            step = Call("_?_:_", [rest[0], step, accumulated], at=at)
        return _fold(call, ListOf([], at=at), Const(True, at=at), step, accumulated, two=skip == 2)

    return expand


def _filter(call: Call) -> Node:
    at = call.at
    accumulated = Ident(ACCUMULATOR, at=at)
    kept = Call("_+_", [accumulated, ListOf([Ident(_variable(call), at=call.arguments[0].at)], at=at)], at=at)
    step = Call("_?_:_", [call.arguments[1], kept, accumulated], at=at)
    return _fold(call, ListOf([], at=at), Const(True, at=at), step, accumulated)


def _transformed_map(call: Call) -> Node:
    at, rest = call.at, call.arguments[2:]
    accumulated = Ident(ACCUMULATOR, at=at)
    arguments: list[Node] = [accumulated, rest[-1]]
    if call.function == "transformMap":
        arguments.insert(1, Ident(_variable(call), at=at))
    step: Node = Call("cel.@mapInsert", arguments, at=at)
    if len(rest) == 2:
        step = Call("_?_:_", [rest[0], step, accumulated], at=at)
    return _fold(call, MapOf([], at=at), Const(True, at=at), step, accumulated, two=True)


def _sort_by(call: Call) -> Node:
    at, target = call.at, call.target
    assert target is not None
    if not isinstance(target, ListOf | Select | Ident | Fold | Call):
        text = "sortBy can only be applied to a list, identifier, comprehension, call or select expression"
        raise Wrong(target.at, text)
    given = Ident("@__sortBy_input__", at=at)
    keys = _transformed(1)(Call("map", call.arguments, given, at=at))
    made = Call("@sortByAssociatedKeys", [keys], given, at=at)
    return Fold(ListOf([], at=at), UNUSED, "", given.name, target, Const(False, at=at), given, made, at=at)


def _optional_map(call: Call) -> Node:
    at, target = call.at, call.target
    assert target is not None
    name = call.arguments[0]
    if not isinstance(name, Ident):
        raise Wrong(name.at, f"{call.function}() variable name must be a simple identifier")
    inner = Fold(ListOf([], at=at), UNUSED, "", name.name, Call("value", [], target, at=at), Const(False, at=at),
                 Ident(name.name, at=at), call.arguments[1], at=at)  # fmt: skip
    mapped: Node = inner if call.function == "optFlatMap" else Call("optional.of", [inner], at=at)
    return Call("_?_:_", [Call("hasValue", [], target, at=at), mapped, Call("optional.none", [], at=at)], at=at)


_MACROS: Final[dict[tuple[str, int], Callable[[Call], Node]]] = {
    ("all", 2): _quantified(False), ("exists", 2): _quantified(False),
    ("all", 3): _quantified(True), ("exists", 3): _quantified(True),
    ("exists_one", 2): _one(False), ("existsOne", 2): _one(False),
    ("exists_one", 3): _one(True), ("existsOne", 3): _one(True),
    ("map", 2): _transformed(1), ("map", 3): _transformed(1), ("filter", 2): _filter,
    ("transformList", 3): _transformed(2), ("transformList", 4): _transformed(2),
    ("transformMap", 3): _transformed_map, ("transformMap", 4): _transformed_map,
    ("transformMapEntry", 3): _transformed_map, ("transformMapEntry", 4): _transformed_map,
    ("sortBy", 2): _sort_by, ("optMap", 2): _optional_map, ("optFlatMap", 2): _optional_map,
}  # fmt: skip
