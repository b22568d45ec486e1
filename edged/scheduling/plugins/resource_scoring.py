"""Formulas that turn requested and allocatable amounts into scores. Pure numbers: no Pod, no node, no plugin.

Each strategy takes (requested, allocatable, weight) triples, the Pod already counted in `requested`,
resources with nothing allocatable left out, and gives 0..100. Used by node_resources_fit.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

Amount = tuple[int, int, int]  # requested, allocatable, weight
Strategy = Callable[[Sequence[Amount]], int]


def least_allocated(amounts: Sequence[Amount]) -> int:
    total = weights = 0
    for requested, allocatable, weight in amounts:
        if requested <= allocatable:
            total += (allocatable - requested) * 100 // allocatable * weight
        weights += weight
    return total // weights if weights else 0


def most_allocated(amounts: Sequence[Amount]) -> int:
    total = weights = 0
    for requested, allocatable, weight in amounts:
        total += min(requested, allocatable) * 100 // allocatable * weight
        weights += weight
    return total // weights if weights else 0


def requested_to_capacity_ratio(shape: Sequence[tuple[int, int]]) -> Strategy:
    """`shape`: (utilization 0..100, score 0..10) in rising order of utilization."""
    points = [(utilization, score * 10) for utilization, score in shape]

    def strategy(amounts: Sequence[Amount]) -> int:
        total = weights = 0
        for requested, allocatable, weight in amounts:
            utilization = 100 if requested > allocatable else requested * 100 // allocatable
            score = piecewise_linear(points, utilization)
            if score > 0:
                total += score * weight
                weights += weight
        return math.floor(total / weights + 0.5) if weights else 0

    return strategy


def piecewise_linear(points: Sequence[tuple[int, int]], at: int) -> int:
    """Integer arithmetic that cuts towards zero, on falling slopes too."""
    for i, (x, y) in enumerate(points):
        if at <= x:
            if i == 0:
                return y
            x0, y0 = points[i - 1]
            rise = (y - y0) * (at - x0)
            step = abs(rise) // (x - x0)
            return y0 + (step if rise >= 0 else -step)
    return points[-1][1]


def balance(fractions: Sequence[float]) -> int:
    """100 when all resources are used to the same fraction, less the further they are apart."""
    count = len(fractions)
    deviation = 0.0
    if count == 2:
        deviation = abs((fractions[0] - fractions[1]) / 2)
    elif count > 2:
        mean = sum(fractions) / count
        deviation = math.sqrt(sum((f - mean) * (f - mean) for f in fractions) / count)
    return int((1 - deviation) * 100)
