"""One evaluation: what names stand for, and what it has cost so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from edged.kube.cel.errors import CostExceeded, EvaluationError

PER_CALL: Final = 1_000_000
"""What one evaluation may cost: PerCallLimit of k8s.io/apiserver/pkg/apis/cel."""


class Frame:
    """`names` -> values; `cost` so far, which may not go beyond `limit`."""

    __slots__ = ("cost", "limit", "names")

    def __init__(self, names: Mapping[str, object], limit: int = PER_CALL) -> None:
        self.names: dict[str, object] = dict(names)
        self.cost = 0
        self.limit = limit

    def spend(self, cost: int) -> None:
        self.cost += cost
        if self.cost > self.limit:
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
