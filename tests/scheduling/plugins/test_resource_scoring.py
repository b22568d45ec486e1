"""The formulas by which amounts of resources become scores."""

from edged.scheduling.plugins.resource_scoring import (
    balance,
    least_allocated,
    most_allocated,
    piecewise_linear,
    requested_to_capacity_ratio,
)


def test_strategies():
    assert least_allocated([(25, 100, 1), (150, 100, 3)]) == 75 // 4
    assert least_allocated([]) == 0
    assert most_allocated([(25, 100, 1), (150, 100, 3)]) == (25 + 300) // 4
    ratio = requested_to_capacity_ratio([(0, 0), (100, 10)])
    assert ratio([(50, 100, 1), (25, 100, 2)]) == 33
    assert ratio([(0, 100, 1)]) == 0
    falling = [(0, 100), (30, 50), (100, 0)]
    assert [piecewise_linear(falling, x) for x in (0, 10, 30, 31, 100)] == [100, 84, 50, 50, 0]


def test_balance():
    assert balance([0.5, 0.5]) == 100
    assert balance([1.0, 0.0]) == 50
    assert balance([0.3]) == 100
    assert balance([0.0, 0.5, 1.0]) == 59
