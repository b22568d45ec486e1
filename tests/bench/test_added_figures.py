"""What admission adds is taken round by round, and compared where both sides were measured."""

from __future__ import annotations

import pytest

from tests.bench.added_figures import figures


def measurement(p50: float, cpu: float = 0.0) -> dict[str, float]:
    return {"p50_ms": p50, "p99_ms": 3 * p50, "cpu_ms": cpu, "apiserver_cpu_ms": 2 * cpu}


def without_admission(p50: float) -> dict[str, float]:
    return {"p50_ms": p50, "p99_ms": 3 * p50, "apiserver_cpu_ms": 1.0}


ROUNDS = {
    ("none", 1): [without_admission(p50) for p50 in (2.0, 4.0, 3.0)],
    ("none", 4): [without_admission(9.0)] * 3,
    # One slow round, in which everything was slow, changes nothing.
    ("floor1", 1): [measurement(p50, 1.0) for p50 in (3.0, 5.0, 4.0)],
    ("wapc10", 1): [measurement(p50, 4.0) for p50 in (5.0, 7.0, 6.0)],
    ("floor1", 4): [measurement(11.0)] * 3,
    ("wapc10", 4): [measurement(16.0)] * 3,
    ("wapc10_each", 1): [measurement(12.0, 9.0)] * 3,
}


def test_added_is_the_difference_of_a_round_and_a_ratio_that_of_two_sides() -> None:
    found = figures(ROUNDS)
    assert found["create_p50_ms"] == 3.0
    assert (found["added_floor1_ms"], found["added_wapc10_ms"], found["added_p99_wapc10_ms"]) == (1.0, 3.0, 9.0)
    assert (found["cpu_wapc10_ms"], found["apiserver_cpu_wapc10_ms"]) == (4.0, 7.0)
    assert (found["added_10_over_floor1"], found["added_p99_10_over_floor1"]) == (3.0, 3.0)
    assert (found["added_wapc10x4_ms"], found["added_10x4_over_floor1"]) == (7.0, 3.5)
    assert (found["cpu_10_over_floor1"], found["added_10_over_floor1_each"]) == (4.0, 9.0)


def test_keys_of_sides_that_were_not_measured_are_left_out() -> None:
    found = figures(ROUNDS)
    assert not [key for key in found if "policy_server" in key or "rego" in key]


@pytest.mark.parametrize(("skipped", "cel"), [(4.0, 2.0), (2.0, 4.0)])
def test_what_is_lost_in_the_noise_gives_no_ratio(skipped: float, cel: float) -> None:
    sides = {("skipped10", 1): [measurement(skipped)] * 3, ("cel10", 1): [without_admission(cel)] * 3}
    found = figures({**ROUNDS, **sides})
    assert {found["added_cel10_ms"], found["added_skipped10_ms"]} == {-1.0, 1.0}
    assert found["added_10_skipped_over_cel"] is None
