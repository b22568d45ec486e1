"""One evaluation: what names stand for, and what it has cost so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from edged.kube.cel.errors import CostExceeded, EvaluationError

PER_CALL: Final = 1_000_000
"""What one evaluation may cost: PerCallLimit of k8s.io/apiserver/pkg/apis/cel."""

MOST_STEPS: Final = 50_000_000
"""Of work that the costs do not bound well (weights.py, library/regexes.py), in one evaluation: a second or two."""


class Frame:
    """`names` -> values; `cost` so far, which may not go beyond `limit`; `steps` of other work."""

    __slots__ = ("cost", "limit", "names", "steps")

    def __init__(self, names: Mapping[str, object], limit: int = PER_CALL) -> None:
        self.names: dict[str, object] = dict(names)
        self.cost = 0
        self.limit = limit
        self.steps = 0

    def spend(self, cost: int) -> None:
        self.cost += cost
        if self.cost > self.limit:
            raise CostExceeded

    def work(self, steps: int) -> None:
        self.steps += steps
        if self.steps > MOST_STEPS:
            raise CostExceeded


class Failed:
    """A loop's variable after a step that failed."""

    __slots__ = ("error",)

    def __init__(self, error: EvaluationError) -> None:
        self.error = error


Plan = Callable[[Frame], object]
"""Raises EvaluationError and CostExceeded."""
Planner = Callable[[object], Plan]
"""Makes the plan of a node of the tree."""
