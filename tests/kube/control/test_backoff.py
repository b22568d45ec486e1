from __future__ import annotations

from edged.kube.control.backoff import Backoff, KeyedBackoff


def test_grows_to_its_cap_and_starts_again() -> None:
    backoff = Backoff(lambda: 0.0, base_s=0.8, cap_s=30.0)
    assert [backoff.next() for _ in range(8)] == [0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0]
    backoff.reset()
    assert backoff.next() == 0.8


def test_jitter_adds_up_to_the_delay_and_never_exceeds_the_cap() -> None:
    backoff = Backoff(lambda: 0.5, base_s=1.0, cap_s=5.0)
    assert [backoff.next() for _ in range(4)] == [1.5, 3.0, 5.0, 5.0]


def test_keys_fail_apart_and_are_forgotten() -> None:
    backoff = KeyedBackoff()
    assert [backoff.failed("a") for _ in range(4)] == [0.005, 0.01, 0.02, 0.04]
    assert backoff.failed("b") == 0.005
    assert (backoff.failures("a"), len(backoff)) == (4, 2)
    backoff.succeeded("a")
    assert backoff.failed("a") == 0.005
    backoff.succeeded("a")
    backoff.succeeded("b")
    backoff.succeeded("never seen")
    assert len(backoff) == 0


def test_a_key_that_fails_for_ever_stays_at_the_cap() -> None:
    backoff = KeyedBackoff(base_s=0.2, cap_s=30.0, random=lambda: 0.5, jitter=0.1)
    assert backoff.failed("a") == 0.2 * 1.05
    assert [backoff.failed("a") for _ in range(2000)][-1] == 30.0
