"""CEL expressions of rules: compiled by the types of their schema, evaluated with what it costs. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from edged.errors import EdgedError
from edged.json_text import dumps, loads
from edged.kube.cel import lexing
from edged.kube.cel.frames import PER_CALL
from edged.kube.cel.programs import BUDGET, CompileError, EvaluationError, Program, compiled, run
from edged.kube.cel.values import NONE, Optional
from edged.sandbox.custom.pruning import Schema
from edged.sandbox.custom.rule_types import declared, environment
from edged.sandbox.custom.rule_values import cel_value


class RuleError(EdgedError):
    """A rule cannot be evaluated."""


class BudgetExceeded(EdgedError):
    """Too much was spent. `of_call`: by one evaluation alone."""

    def __init__(self, text: str = "", *, of_call: bool = False) -> None:
        super().__init__(text)
        self.of_call = of_call


@dataclass(slots=True)
class Budget:
    """What is left for the rules of one object."""

    left: int = BUDGET

    def spend(self, cost: int) -> None:
        """Raises BudgetExceeded."""
        if cost > self.left:
            raise BudgetExceeded
        self.left -= cost


def evaluate(text: str, value: Any, old: Any, schema: Schema, budget: Budget, *, optional: bool = False) -> Any:
    """The value of an expression; `optional`: oldSelf is an optional value. Raises RuleError and BudgetExceeded."""
    names: dict[str, object] = {"self": cel_value(value, schema)}
    if optional:
        names["oldSelf"] = NONE if old is None else Optional(cel_value(old, schema))
    elif old is not None:
        names["oldSelf"] = cel_value(old, schema)
    try:
        program = _program(text, dumps(schema), optional)
    except (CompileError, EvaluationError) as error:
        raise RuleError(f"rule compile error: {error}") from None
    outcome = run(program, names, PER_CALL)
    budget.spend(outcome.cost)
    if outcome.exceeded:
        raise BudgetExceeded(outcome.error, of_call=True)
    if outcome.error:
        raise RuleError(outcome.error)
    return outcome.value


@lru_cache(maxsize=1024)
def _program(text: str, schema: bytes, optional: bool) -> Program:
    found = declared(loads(schema), "selfType")
    if found is None:
        raise EvaluationError("failed to convert to declType for CEL validation rules")
    return compiled(text, environment(found, optional=optional))


@lru_cache(maxsize=1024)
def mentions_old(text: str) -> bool:
    """Whether an expression reads oldSelf."""
    found, _issues = lexing.tokens(text)
    pairs = zip((None, *found), found, strict=False)
    return any(now.text == "oldSelf" and (before is None or before.text not in (".", ".?")) for before, now in pairs)
