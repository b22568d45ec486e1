"""Compiles and evaluates expressions: what callers use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from edged.kube.cel import checking, parsing, planning
from edged.kube.cel.declarations import Environment
from edged.kube.cel.errors import CompileError, CostExceeded, EvaluationError
from edged.kube.cel.frames import PER_CALL, Frame, Plan
from edged.kube.cel.types import Type
from edged.kube.cel.values import Lazy

REMEMBERED: Final = 1024
BUDGET: Final = 10_000_000
"""What all expressions of one object may cost together: RuntimeCELCostBudget of k8s.io/apiserver/pkg/apis/cel."""
MATCH_BUDGET: Final = 2_500_000
"""Of all match conditions: RuntimeCELCostBudgetMatchConditions."""


@dataclass(frozen=True, slots=True)
class Program:
    """An expression that was compiled; `type` is what it gives."""

    type: Type
    plan: Plan


@dataclass(frozen=True, slots=True)
class Outcome:
    """`error` is set where the evaluation failed; `exceeded` where it cost too much."""

    value: object
    cost: int
    error: str = ""
    exceeded: bool = False


def compiled(expression: str, environment: Environment) -> Program:
    """Raises CompileError, and EvaluationError for a constant that cannot be converted."""
    tree = parsing.parse(expression)
    found = checking.check(expression, tree, environment)
    return Program(found, planning.plan(tree))


class Cache:
    """Programs of one environment."""

    def __init__(self, environment: Environment) -> None:
        self._compiled = lru_cache(maxsize=REMEMBERED)(lambda expression: compiled(expression, environment))

    def program(self, expression: str) -> Program:
        """Raises CompileError and EvaluationError."""
        return self._compiled(expression)


def run(program: Program, names: Mapping[str, object], limit: int = PER_CALL) -> Outcome:
    """One evaluation; never raises."""
    frame = Frame(names, limit)
    try:
        return Outcome(program.plan(frame), frame.cost)
    except EvaluationError as error:
        return Outcome(None, frame.cost, str(error))
    except CostExceeded as error:
        return Outcome(None, frame.cost, str(error), exceeded=True)
    except RecursionError:
        return Outcome(None, frame.cost, "expression recursion limit exceeded: 250")


class Variables(Lazy):
    """The variables of a policy: each is evaluated when it is read first, and its cost counts with who reads it.

    `programs`: name -> its program, or why it does not compile."""

    __slots__ = ("_names", "_programs", "_values", "spent")

    def __init__(self, programs: Mapping[str, Program | str], names: Mapping[str, object]) -> None:
        self._programs = programs
        self._names = {**names, "variables": self}
        self._values: dict[str, Outcome] = {}
        self.spent = 0

    def has(self, name: str) -> bool:
        return name in self._programs

    def value(self, name: str) -> object:
        """Raises EvaluationError."""
        program = self._programs.get(name)
        if program is None:
            raise EvaluationError(f"no such key: {name}")
        if isinstance(program, str):
            raise EvaluationError(f'composited variable "{name}" fails to compile: {program}')
        outcome = self._values.get(name)
        if outcome is None:
            outcome = self._values[name] = run(program, self._names)
            self.spent += outcome.cost
        if outcome.error:
            raise EvaluationError(f'composited variable "{name}" fails to evaluate: {outcome.error}')
        return outcome.value

    def take_spent(self) -> int:
        """What evaluating them has cost since the last time."""
        spent, self.spent = self.spent, 0
        return spent


__all__ = ["BUDGET", "MATCH_BUDGET", "Cache", "CompileError", "EvaluationError", "Outcome", "Program", "Variables",
           "compiled", "run"]  # fmt: skip
