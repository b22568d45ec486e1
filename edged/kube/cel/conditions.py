"""Match conditions of webhooks: which compile, and whether a request meets them, as the API server decides it. Pure.

They read `object`, `oldObject`, `request`, `authorizer` and `namespaceObject`, which is always null. Facts from
k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions. Not for the daemon: it costs megabytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from edged.errors import EdgedError
from edged.kube.cel import declarations, parsing, programs
from edged.kube.cel.errors import CompileError, EvaluationError
from edged.kube.cel.programs import MATCH_BUDGET, Program
from edged.kube.cel.tree import Call, Fold, Ident, ListOf, MapOf, Message, Node, Select
from edged.kube.cel.types import BOOL

OUT_OF_BUDGET: Final = "validation failed due to running out of cost budget, no further validation rules will be run"
_CACHE: Final = programs.Cache(declarations.admission())


class ConditionError(EdgedError):
    """An expression cannot be compiled, or its evaluation failed. The text is the API server's."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of a list of conditions. `false`: the name of the first one that is false, if any. `failed`: (the condition, why)
    of each that could not be evaluated, which count only where none is false."""

    false: str | None = None
    failed: tuple[tuple[Mapping[str, str], str], ...] = ()

    @property
    def holds(self) -> bool:
        return self.false is None and not self.failed


def problem(expression: str) -> str:
    """Why the API server refuses the expression; "" if it does not."""
    try:
        program = _CACHE.program(expression)
    except CompileError as error:
        return f"compilation failed: {error}"
    except EvaluationError as error:
        return f"program instantiation failed: {error}"
    if program.type != BOOL:
        return f"must evaluate to {BOOL.declared} but got {program.type.declared}"
    return ""


def evaluate(expression: str, variables: Mapping[str, object]) -> object:
    """The value of one expression. Raises ConditionError."""
    outcome = programs.run(_program(expression), {"namespaceObject": None, **variables})
    if outcome.error:
        raise ConditionError(outcome.error)
    return outcome.value


def decide(conditions: Sequence[Mapping[str, str]], variables: Mapping[str, object]) -> Verdict:
    """Of `{name, expression}`. All are evaluated, within what they may cost together."""
    known = {"namespaceObject": None, **variables}
    failed: list[tuple[Mapping[str, str], str]] = []
    false: str | None = None
    left = MATCH_BUDGET
    for condition in conditions:
        try:
            outcome = programs.run(_program(condition["expression"]), known)
        except ConditionError as error:
            failed.append((condition, str(error)))
            continue
        left -= outcome.cost
        if left < 0:
            return Verdict(failed=((condition, OUT_OF_BUDGET),))
        if outcome.error:
            failed.append((condition, outcome.error))
        elif outcome.value is not True and false is None:
            false = condition["name"]
    return Verdict(false, tuple(failed))


def _program(expression: str) -> Program:
    try:
        return _CACHE.program(expression)
    except (CompileError, EvaluationError) as error:
        raise ConditionError(str(error)) from None


@lru_cache(maxsize=256)
def names(expression: str) -> frozenset[str]:
    """The variables that an expression reads, whatever they are. Raises ConditionError."""
    try:
        tree = parsing.parse(expression)
    except CompileError as error:
        raise ConditionError(str(error)) from None
    return frozenset(_free(tree, frozenset()))


def _free(node: Node, bound: frozenset[str]) -> set[str]:
    match node:
        case Ident():
            return set() if node.name in bound else {node.name.removeprefix(".")}
        case Select():
            return _free(node.operand, bound)
        case Call():
            return _all([*node.arguments, *([] if node.target is None else [node.target])], bound)
        case ListOf():
            return _all(node.elements, bound)
        case MapOf() | Message():
            parts = [each for entry in node.entries for each in (entry.key, entry.value) if each is not None]
            return _all(parts, bound)
        case Fold():
            inner = bound | {node.variable, node.second, node.accumulator}
            within = _all([node.condition, node.step], inner) | _free(node.result, bound | {node.accumulator})
            return within | _all([node.over, node.start], bound)
    return set()


def _all(nodes: Sequence[Node], bound: frozenset[str]) -> set[str]:
    return {name for each in nodes for name in _free(each, bound)}
