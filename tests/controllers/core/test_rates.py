from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.controllers.core.rates import Bucket, Shared


def test_a_burst_and_then_the_rate():
    bucket = Bucket(10, 3)
    assert [bucket.take(0.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert bucket.take(0.0) == pytest.approx(0.1)
    assert bucket.take(0.05) == pytest.approx(0.05)
    assert bucket.take(0.1) == 0.0
    assert bucket.take(0.1) > 0


def test_waiting_as_long_as_told_is_long_enough():
    bucket, now, taken = Bucket(7, 1), 0.0, 0
    for _ in range(100):
        wait = bucket.take(now)
        taken += not wait
        now += wait
    assert taken == 50


def test_no_rate_no_wait():
    bucket = Bucket(math.inf, 1)
    assert [bucket.take(0.0) for _ in range(1000)] == [0.0] * 1000


@pytest.mark.parametrize(("per_s", "burst"), [(0, 1), (1, 0)])
def test_a_bucket_that_gives_nothing_is_a_mistake(per_s, burst):
    with pytest.raises(ValueError, match="gives none"):
        Bucket(per_s, burst)


def test_who_has_to_wait_takes_nothing_from_the_others():
    all_ = Bucket(1, 2)
    greedy, other = Shared(Bucket(1, 1), all_), Shared(Bucket(1, 1), all_)
    assert greedy.take(0.0) == 0.0
    assert greedy.take(0.0) == 1.0
    assert other.take(0.0) == 0.0
    assert other.take(0.5) == 0.5


def test_what_can_be_left_out_leaves_half_to_the_rest():
    own, all_ = Bucket(1, 4), Bucket(1, 6)
    shared = Shared(own, all_)
    assert [shared.take_spare(0.0) for _ in range(3)] == [True, True, False]
    assert [shared.take(0.0) for _ in range(2)] == [0.0, 0.0]
    assert shared.take(0.0) == 1.0
    assert own.take_spare(2.0) is False and own.take_spare(3.0) is True


@given(st.lists(st.floats(0, 3), max_size=60), st.integers(1, 20), st.integers(1, 10))
def test_never_more_than_burst_and_rate_allow(pauses, per_s, burst):
    bucket, now, taken = Bucket(per_s, burst), 0.0, 0
    for pause in pauses:
        now += pause
        taken += bucket.take(now) == 0.0
        assert taken <= burst + now * per_s + 1e-3


def test_other_numbers_count_for_all_who_share_a_bucket():
    all_ = Bucket(1, 2)
    shared = Shared(Bucket(100, 100), all_)
    assert [shared.take(0.0) for _ in range(3)] == [0.0, 0.0, 1.0]
    all_.change(10, 20, 0.0)
    assert shared.take(0.0) == 0.1
    assert [shared.take(0.5) == 0.0 for _ in range(6)] == [True] * 5 + [False]
    all_.change(10, 2, 100.0)
    assert [shared.take(100.0) == 0.0 for _ in range(3)] == [True, True, False]
