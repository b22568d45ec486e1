"""CEL expressions of rules: evaluation, with what it costs. The library is imported when the first rule is met."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edged.errors import EdgedError
from edged.kube.values import cel
from edged.sandbox.custom.pruning import Schema
from edged.sandbox.custom.rule_values import cel_value

PER_CALL = 1_000_000
"""What one evaluation may cost: PerCallLimit of apiserver's cel."""
PER_OBJECT = 10_000_000
"""What all rules of an object may cost: RuntimeCELCostBudget."""


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

    left: int = PER_OBJECT

    def spend(self, cost: int) -> None:
        """Raises BudgetExceeded."""
        if cost > self.left:
            raise BudgetExceeded
        self.left -= cost


def evaluate(text: str, value: Any, old: Any, schema: Schema, budget: Budget, *, optional: bool = False) -> Any:
    """The value of an expression; `optional`: oldSelf is an optional value. Raises RuleError and BudgetExceeded."""
    variables = {"self": cel_value(value, schema)}
    if optional:
        from cel import OptionalValue

        before = OptionalValue.none() if old is None else OptionalValue.of(cel_value(old, schema))
        variables["oldSelf"] = before
    elif old is not None:
        variables["oldSelf"] = cel_value(old, schema)
    try:
        return cel.evaluate(text, variables)
    except cel.CelError as error:
        raise RuleError(str(error)) from error


def mentions_old(text: str) -> bool:
    """Whether an expression reads oldSelf."""
    try:
        return cel.mentions(text, "oldSelf")
    except cel.CelError:
        return False
