"""Tree -> functions of Python that evaluate it. What each step costs is counted as cel-go's interpreter counts it."""

from __future__ import annotations

from edged.kube.cel import aggregates, calls
from edged.kube.cel.errors import EvaluationError
from edged.kube.cel.fields import field_of, has
from edged.kube.cel.frames import Failed, Frame, Plan
from edged.kube.cel.registry import go_type
from edged.kube.cel.tree import Call, Const, Fold, Ident, ListOf, MapOf, Message, Select


def plan(node: object) -> Plan:
    """Of a node of the tree. Raises EvaluationError for a constant that cannot be converted."""
    match node:
        case Const():
            return calls.constant(node.value)
        case Ident():
            return calls.ident(node.name)
        case Select():
            return calls.ident(node.named) if node.named else _select(node)
        case Call():
            return calls.planned(node, plan)
        case ListOf():
            return aggregates.list_plan(node, plan)
        case MapOf():
            return aggregates.map_plan(node, plan)
        case Message():
            return aggregates.message_plan(node, plan)
        case Fold():
            return _fold(node)
    raise AssertionError(node)


def _select(node: Select) -> Plan:
    operand, field = plan(node.operand), node.field
    if node.test_only:
        return lambda frame: has(operand(frame), field)

    def evaluate(frame: Frame) -> object:
        value = operand(frame)
        frame.spend(1)
        return field_of(value, field)

    return evaluate


def _fold(node: Fold) -> Plan:
    over, start, condition, step, result = map(
        plan, (node.over, node.start, node.condition, node.step, node.result)
    )
    first, second, accumulator = node.variable, node.second, node.accumulator

    def evaluate(frame: Frame) -> object:
        items = _items(over(frame), two=bool(second))
        outer = frame.names
        names = frame.names = dict(outer)
        try:
            began = start(frame)
            names[accumulator] = began.copy() if isinstance(began, list | dict) else began
            for one, other in items:
                names[first] = one
                if second:
                    names[second] = other
                if condition(frame) is False:
                    break
                try:
                    names[accumulator] = step(frame)
                except EvaluationError as error:
                    names[accumulator] = Failed(error)
            return result(frame)
        finally:
            frame.names = outer

    return evaluate


def _items(value: object, *, two: bool) -> list[tuple[object, object]]:
    if isinstance(value, dict):
        return list(value.items())
    if isinstance(value, list):
        return list(enumerate(value)) if two else [(each, None) for each in value]
    raise EvaluationError(f"got '{go_type(value)}', expected iterable type")
