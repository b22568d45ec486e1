"""The scheduler's own counters (scheduling/core/counters.py) as metrics of the process, under kube-scheduler's
names."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edged.scheduling.core.counters import BUCKETS, LABELS, Metrics
from edged.telemetry.metrics import MetricRegistry

Gauges = Mapping[str, Mapping[tuple[str, ...], int]]


def scheduler_metrics(metrics: MetricRegistry, source: Metrics, gauges: Callable[[], Gauges]) -> None:
    """Adds `scheduler_*` to a registry; the numbers are copied when somebody asks."""
    shown_gauges = {
        name: metrics.gauge(f"scheduler_{name}", f"{name.replace('_', ' ')}.", LABELS[name])
        for name in ("pending_pods", "cache_size", "unschedulable_pods")
    }
    histograms = {
        name: metrics.histogram(f"scheduler_{name}", f"{name.replace('_', ' ')}.", LABELS[name], bounds)
        for name, bounds in BUCKETS.items()
    }
    counters = {
        name: metrics.counter(f"scheduler_{name}", f"{name.replace('_', ' ')}.", labels)
        for name, labels in LABELS.items()
        if name not in histograms and name not in shown_gauges
    }

    def collect() -> None:
        for name, counter in counters.items():
            for labels, value in source.counters.get(name, {}).items():
                counter.series(*labels).value = value
        for name, histogram in histograms.items():
            for labels, histogram_counts in source.histograms.get(name, {}).items():
                series = histogram.series(*labels)
                series.counts, series.sum = list(histogram_counts.counts), histogram_counts.total
        for name, values in gauges().items():
            for labels, value in values.items():
                shown_gauges[name].set(value, *labels)

    metrics.collectors.append(collect)
