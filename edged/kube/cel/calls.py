"""Plans of names, operators and functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from edged.kube.cel import costs, registry, weights
from edged.kube.cel.aggregates import is_constant
from edged.kube.cel.errors import EvaluationError
from edged.kube.cel.fields import field_of, optional_field, shown_key
from edged.kube.cel.frames import Failed, Frame, Plan, Planner
from edged.kube.cel.library import functions, regexes
from edged.kube.cel.macros import ACCUMULATOR
from edged.kube.cel.tree import Call, Const, Ident, ListOf, Node
from edged.kube.cel.values import NONE, Optional, TypeValue

__all__ = ["constant", "functions", "ident", "planned"]
_FOLDED: Final = frozenset(("int", "uint", "double", "string", "bytes", "bool", "duration", "timestamp", "type", "dyn"))
"""Conversions that are made once, when the program is, where they are given a constant."""


def constant(value: object) -> Plan:
    return lambda _: value


def ident(name: str, cost: int = 1) -> Plan:
    name = name.removeprefix(".")

    def evaluate(frame: Frame) -> object:
        frame.spend(cost)
        try:
            value = frame.names[name]
        except KeyError:
            if name in registry.TYPES:
                return TypeValue(name)
            raise EvaluationError(f"no such attribute(s): {name}") from None
        if isinstance(value, Failed):
            raise value.error
        return value

    return evaluate


def planned(node: Call, plan: Planner) -> Plan:
    """Raises EvaluationError for a constant that cannot be converted."""
    special = _SPECIAL.get(node.function)
    if special is not None:
        return special(node, plan)
    function, overloads = node.function, node.overloads
    run = registry.function(function)
    nodes = ([] if node.target is None else [node.target]) + node.arguments
    if function in _FOLDED and all(isinstance(each, Const) for each in nodes):
        return constant(run(*(each.value for each in nodes if isinstance(each, Const))))
    arguments = [plan(each) for each in nodes]
    steps = weights.before(function)
    in_constant = function == "@in" and isinstance(node.arguments[1], ListOf) and is_constant(node.arguments[1])

    def evaluate(frame: Frame) -> object:
        values = [each(frame) for each in arguments]
        if not in_constant:
            if steps is not None:
                frame.work(steps(values))
            frame.spend(costs.before(function, overloads, values))
        try:
            result = run(*values)
        except RecursionError:
            raise EvaluationError("value is nested too deeply") from None
        if isinstance(result, str | bytes | list | dict) and values:
            frame.work(weights.made(values, result))
        if extra := costs.after(function, values, result):
            frame.spend(extra)
        return result

    return evaluate


def _logical(ends_at: bool) -> Callable[[Call, Planner], Plan]:
    def planned_(node: Call, plan: Planner) -> Plan:
        left, right = plan(node.arguments[0]), plan(node.arguments[1])

        def evaluate(frame: Frame) -> object:
            failure: EvaluationError | None = None
            for each in (left, right):
                try:
                    value = each(frame)
                except EvaluationError as error:
                    failure = failure or error
                    continue
                if value is ends_at:
                    return ends_at
                if not isinstance(value, bool):
                    failure = failure or EvaluationError("no such overload")
            if failure is not None:
                raise failure
            return not ends_at

        return evaluate

    return planned_


def _conditional(node: Call, plan: Planner) -> Plan:
    condition, yes, no = (_branch(each, plan) for each in node.arguments)

    def evaluate(frame: Frame) -> object:
        value = condition(frame)
        if not isinstance(value, bool):
            raise EvaluationError("no such overload")
        return yes(frame) if value else no(frame)

    return evaluate


def _branch(node: Node, plan: Planner) -> Plan:
    """A name in a branch is read without cost."""
    if isinstance(node, Ident):
        return ident(node.name, 0)
    return plan(node)


def _not_false(node: Call, plan: Planner) -> Plan:
    inner = plan(node.arguments[0])

    def evaluate(frame: Frame) -> object:
        try:
            return inner(frame) is not False
        except EvaluationError:
            return True
        finally:
            frame.spend(1)

    return evaluate


def _indexed(node: Call, plan: Planner) -> Plan:
    operand, index = (plan(each) for each in node.arguments)
    read = optional_field if node.function == "_[?_]" else field_of

    def evaluate(frame: Frame) -> object:
        value, key = operand(frame), index(frame)
        if isinstance(value, dict) and not isinstance(key, str):
            frame.work(3 * len(value))  # 1 and true are the same key in Python: all keys are looked at
        result = read(value, key)
        if result is not NONE:
            frame.spend(1)
        return result

    return evaluate


def _optional_select(node: Call, plan: Planner) -> Plan:
    operand, field = plan(node.arguments[0]), node.arguments[1]
    assert isinstance(field, Const)
    name = field.value

    def evaluate(frame: Frame) -> object:
        result = optional_field(operand(frame), name)
        if result is not NONE:
            frame.spend(1)
        return result

    return evaluate


def _or_value(node: Call, plan: Planner) -> Plan:
    """orValue and or: the other one is looked at only if it is needed."""
    assert node.target is not None
    target, other = plan(node.target), plan(node.arguments[0])
    unwrap = node.function == "orValue"

    def evaluate(frame: Frame) -> object:
        value = target(frame)
        if not isinstance(value, Optional):
            raise EvaluationError("no such overload")
        if not value.present:
            return other(frame)
        return value.value if unwrap else value

    return evaluate


def _sum(node: Call, plan: Planner) -> Plan:
    """What macros add to their result goes into the list that they began."""
    one, other = node.arguments
    if not (isinstance(one, Ident) and one.name == ACCUMULATOR and isinstance(other, ListOf)):
        return _planned_as_function(node, plan)
    element = plan(other.elements[0])

    def evaluate(frame: Frame) -> object:
        frame.spend(12)
        found = frame.names[ACCUMULATOR]
        if isinstance(found, Failed):
            raise found.error
        assert isinstance(found, list)
        value = element(frame)
        if frame.names[ACCUMULATOR] is found:
            found.append(value)
        return found

    return evaluate


def _insert(node: Call, plan: Planner) -> Plan:
    """cel.@mapInsert, likewise."""
    arguments = [plan(each) for each in node.arguments[1:]]

    def evaluate(frame: Frame) -> object:
        frame.spend(2)
        found = frame.names[ACCUMULATOR]
        if isinstance(found, Failed):
            raise found.error
        values = [each(frame) for each in arguments]
        entries = {values[0]: values[1]} if len(values) == 2 else values[0]
        if not isinstance(entries, dict) or not isinstance(found, dict):
            raise EvaluationError("no such overload")
        for key, value in entries.items():
            if key in found:
                raise EvaluationError(f"insert failed: key {shown_key(key)} already exists")
            found[key] = value
        return found

    return evaluate


def _search(node: Call, plan: Planner) -> Plan:
    """matches, find, findAll: bounded in time besides their cost."""
    function, overloads = node.function, node.overloads
    run = registry.function(function)
    nodes = ([] if node.target is None else [node.target]) + node.arguments
    arguments = [plan(each) for each in nodes]

    def evaluate(frame: Frame) -> object:
        values = [each(frame) for each in arguments]
        frame.spend(costs.before(function, overloads, values))
        frame.work(regexes.steps(values[0], values[1]))
        result = run(*values)
        frame.work(len(result) * regexes.OF_A_MATCH if isinstance(result, list) else weights.made(values, result))
        return result

    return evaluate


def _planned_as_function(node: Call, plan: Planner) -> Plan:
    function, overloads = node.function, node.overloads
    run = registry.function(function)
    one, other = (plan(each) for each in node.arguments)

    def evaluate(frame: Frame) -> object:
        values = [one(frame), other(frame)]
        frame.spend(costs.before(function, overloads, values))
        result = run(*values)
        frame.work(weights.made(values, result))
        return result

    return evaluate


_SPECIAL: Final[Mapping[str, Callable[[Call, Planner], Plan]]] = {
    "_&&_": _logical(False), "_||_": _logical(True), "_?_:_": _conditional, "@not_strictly_false": _not_false,
    "_[_]": _indexed, "_[?_]": _indexed, "_?._": _optional_select, "orValue": _or_value, "or": _or_value, "_+_": _sum,
    "cel.@mapInsert": _insert, **dict.fromkeys(("matches", "find", "findAll"), _search),
}  # fmt: skip
