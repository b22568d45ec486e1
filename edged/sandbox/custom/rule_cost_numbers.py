"""Costs and sizes of CEL's estimates: unsigned numbers of 64 bits that stop at the largest. Pure.

Source: cel-go's checker/cost.go.
"""

from __future__ import annotations

import math

MOST = 2**64 - 1
TEXT, PATTERN = 0.1, 0.25
"""Units for a character that is walked over, and for one of a pattern."""


def plus(*numbers: int) -> int:
    return min(sum(numbers), MOST)


def times(one: int, other: int) -> int:
    return min(one * other, MOST)


def share(size: int, factor: float) -> int:
    return min(math.ceil(size * factor), MOST) if size < MOST else (MOST if factor >= 1 else math.ceil(size * factor))
