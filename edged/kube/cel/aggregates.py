"""Plans of lists, maps and messages."""

from __future__ import annotations

from edged.kube.cel.errors import EvaluationError
from edged.kube.cel.fields import shown_key
from edged.kube.cel.frames import Frame, Plan, Planner
from edged.kube.cel.registry import shown
from edged.kube.cel.tree import Const, ListOf, MapOf, Message, Node
from edged.kube.cel.values import Optional, Structure


def is_constant(node: Node) -> bool:
    """Whether it is made of constants alone: then it is made once."""
    match node:
        case Const():
            return True
        case ListOf():
            return not node.optional and all(map(is_constant, node.elements))
        case MapOf():
            return all(
                entry.key is not None and is_constant(entry.key) and is_constant(entry.value) and not entry.optional
                for entry in node.entries
            )
    return False


def list_plan(node: ListOf, plan: Planner) -> Plan:
    elements = [(index in node.optional, plan(each)) for index, each in enumerate(node.elements)]
    if is_constant(node):
        values = [each(Frame({})) for _, each in elements]
        return lambda _: values

    def evaluate(frame: Frame) -> object:
        made = []
        for optional, each in elements:
            value = each(frame)
            if optional:
                if not isinstance(value, Optional):
                    raise EvaluationError(
                        f"cannot initialize optional list element from non-optional value {shown(value)}"
                    )
                if not value.present:
                    continue
                value = value.value
            made.append(value)
        frame.spend(10)
        return made

    return evaluate


def _not_optional(key: str, value: object) -> EvaluationError:
    return EvaluationError(f"cannot initialize optional entry '{key}' from non-optional value {shown(value)}")


def map_plan(node: MapOf, plan: Planner) -> Plan:
    entries = [(plan(each.key), plan(each.value), each.optional) for each in node.entries if each.key is not None]

    def make(frame: Frame) -> dict[object, object]:
        made: dict[object, object] = {}
        for key_plan, value_plan, optional in entries:
            key, value = key_plan(frame), value_plan(frame)
            if not isinstance(key, str | bool | int):
                raise EvaluationError("unsupported key type")
            if optional:
                if not isinstance(value, Optional):
                    raise _not_optional(shown_key(key), value)
                if not value.present:
                    continue
                value = value.value
            made[key] = value
        return made

    if is_constant(node):
        constant = make(Frame({}))
        return lambda _: constant

    def evaluate(frame: Frame) -> object:
        made = make(frame)
        frame.spend(30)
        return made

    return evaluate


def message_plan(node: Message, plan: Planner) -> Plan:
    entries = [(each.name, plan(each.value), each.optional) for each in node.entries]
    name = node.name.removeprefix(".")

    def evaluate(frame: Frame) -> object:
        fields: dict[str, object] = {}
        for field, value_plan, optional in entries:
            value = value_plan(frame)
            if optional:
                if not isinstance(value, Optional):
                    raise _not_optional(field, value)
                if not value.present:
                    continue
                value = value.value
            fields[field] = value
        frame.spend(40)
        return Structure(name, fields)

    return evaluate
