"""What is looked at when types are known: constant times and patterns, mixed lists and maps, constant formats."""

from __future__ import annotations

from collections.abc import Iterator

from edged.kube.cel import registry
from edged.kube.cel.errors import EvaluationError, Issue
from edged.kube.cel.library import formatting, functions
from edged.kube.cel.tree import Call, Const, Fold, ListOf, MapOf, Message, Node, Select
from edged.kube.cel.types import Type

__all__ = ["functions", "issues"]


def issues(tree: Node) -> list[Issue]:
    """Of a tree that has types."""
    found: list[Issue] = []
    for node, in_format in _nodes(tree):
        if isinstance(node, Call):
            found += _of_call(node)
        elif isinstance(node, ListOf) and not in_format:
            found += _mixed(node.elements, {index for index in node.optional})
        elif isinstance(node, MapOf) and not in_format:
            optional = {index for index, entry in enumerate(node.entries) if entry.optional}
            found += _mixed([entry.key for entry in node.entries if entry.key is not None], set())
            found += _mixed([entry.value for entry in node.entries], optional)
    return found


def _nodes(tree: Node) -> Iterator[tuple[Node, bool]]:
    """Each once, and whether it stands in the arguments of a format."""
    pending, seen = [(tree, False)], set()
    while pending:
        node, in_format = pending.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node, in_format
        inside = in_format or (isinstance(node, Call) and node.function == "format")
        pending += [(each, inside) for each in _children(node)]


def _children(node: Node) -> list[Node]:
    match node:
        case Select():
            return [node.operand]
        case Call():
            return ([] if node.target is None else [node.target]) + node.arguments
        case ListOf():
            return list(node.elements)
        case MapOf() | Message():
            keys = [entry.key for entry in node.entries if entry.key is not None]
            return keys + [entry.value for entry in node.entries]
        case Fold():
            return [node.over, node.start, node.condition, node.step, node.result]
    return []


def _of_call(node: Call) -> list[Issue]:
    if node.function == "format":
        return _of_format(node)
    if node.function not in ("duration", "timestamp", "matches") or not node.arguments:
        return []
    first = node.arguments[0]
    if not isinstance(first, Const):
        return []
    try:
        if node.function != "matches":
            registry.function(node.function)(first.value)
        elif isinstance(first.value, str):
            registry.function("matches")("", first.value)
    except EvaluationError:
        return [Issue(first.at, f"invalid {node.function} argument")]
    return []


def _mixed(elements: list[Node], optional: set[int]) -> list[Issue]:
    """A list of a constant's type and of another one; the first that differs."""
    wanted: Type | None = None
    for index, each in enumerate(elements):
        found = each.type
        if found is not None and index in optional and found.name == "optional_type" and found.params:
            found = found.params[0]
        if found is None:
            continue
        if wanted is None:
            wanted = found
        elif found != wanted and not (_open(found) or _open(wanted)):
            return [Issue(each.at, f"expected type '{wanted}' but found '{found}'")]
    return []


def _open(of: Type) -> bool:
    """Whether it is not all known, as that of `[]`."""
    return of.kind == "param" or any(map(_open, of.params))


def _of_format(node: Call) -> list[Issue]:
    target, arguments = node.target, node.arguments
    constant = isinstance(target, Const) and isinstance(target.value, str)
    if not constant or len(arguments) != 1 or not isinstance(arguments[0], ListOf):
        return []
    assert isinstance(target, Const)
    given, used = arguments[0].elements, 0
    try:
        for _, letter, _ in formatting.clauses(str(target.value)):
            if not letter:
                break
            if used >= len(given):
                return [Issue(node.at, f"index {used} out of range")]
            of = given[used].type
            wrong = formatting.fits(letter, of.name) if of is not None and of.kind not in ("dyn", "param") else ""
            if wrong:
                return [Issue(given[used].at, wrong)]
            used += 1
    except EvaluationError as error:
        return [Issue(node.at, str(error))]
    if used < len(given):
        text = f"too many arguments supplied to string.format (expected {used}, got {len(given)})"
        return [Issue(node.at, text)]
    return []
