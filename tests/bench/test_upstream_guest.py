"""Placing Pods with a guest, beside upstream's extension."""

from __future__ import annotations

from tests.bench.scheduling import Bound
from tests.bench.upstream_guest import figures


def test_both_are_compared_from_the_start_and_without_it() -> None:
    found = figures([Bound(2.0, 12.0)] * 3, [Bound(1.0, 6.0)] * 3, pods=101)
    assert (found["sched_wasm_over_upstream_100"], found["sched_wasm_over_upstream_first_to_last_100"]) == (0.5, 0.5)
    assert found["sched_wasm_first_to_last_pods_per_s"] == 10.0
    assert found["upstream_wasm_first_to_last_pods_per_s"] == 20.0
