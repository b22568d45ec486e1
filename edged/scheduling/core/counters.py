"""Counters of the scheduler, as plain numbers. Pure; the metrics endpoint renders them.

Names and labels are kube-scheduler's, without the prefix `scheduler_`. Histograms keep counts per bucket;
times are seconds. A series is a tuple of label values in the order that `LABELS` gives.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from typing import Final

LABELS: Final = {
    "schedule_attempts_total": ("result", "profile"),
    "scheduling_attempt_duration_seconds": ("result", "profile"),
    "scheduling_algorithm_duration_seconds": (),
    "pod_scheduling_sli_duration_seconds": ("attempts",),
    "pod_scheduling_attempts": (),
    "pod_scheduled_after_flush_total": (),
    "queue_incoming_pods_total": ("queue", "event"),
    "permit_wait_duration_seconds": ("result",),
    "preemption_attempts_total": (),
    "preemption_goroutines_execution_total": ("result",),
    "preemption_victims": (),
    "pending_pods": ("queue",),
    "cache_size": ("type",),
    "unschedulable_pods": ("plugin", "profile"),
}


def exponential(start: float, factor: float, count: int) -> tuple[float, ...]:
    """Upper bounds of buckets."""
    return tuple(start * factor**i for i in range(count))


BUCKETS: Final = {
    "scheduling_attempt_duration_seconds": exponential(0.001, 2, 15),
    "scheduling_algorithm_duration_seconds": exponential(0.001, 2, 15),
    "pod_scheduling_sli_duration_seconds": exponential(0.01, 2, 20),
    "pod_scheduling_attempts": exponential(1, 2, 5),
    "permit_wait_duration_seconds": exponential(0.001, 2, 15),
    "preemption_victims": exponential(1, 2, 7),
}


class Histogram:
    """`counts[i]` is the number of values up to `bounds[i]` and above the bound before. The last entry counts all
    larger values."""

    __slots__ = ("bounds", "count", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.count = 0
        self.total = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.count += 1
        self.total += value


class Metrics:
    """`counters[name][labels]`, `histograms[name][labels]`; gauges are asked of queue and cache when
    rendered."""

    def __init__(self) -> None:
        self.counters: dict[str, Counter[tuple[str, ...]]] = {}
        self.histograms: dict[str, dict[tuple[str, ...], Histogram]] = {}

    def count(self, name: str, *labels: str) -> None:
        counter = self.counters.get(name)
        if counter is None:
            counter = self.counters[name] = Counter()
        counter[labels] += 1

    def observe(self, name: str, value: float, *labels: str) -> None:
        series = self.histograms.setdefault(name, {})
        histogram = series.get(labels)
        if histogram is None:
            histogram = series[labels] = Histogram(BUCKETS[name])
        histogram.observe(value)
