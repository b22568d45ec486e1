"""The scheduler's counters as kube-scheduler's metrics: copied when somebody asks, every series with its labels."""

from __future__ import annotations

from edged.scheduling.core.counters import BUCKETS, LABELS, Metrics
from edged.scheduling.run.scheduler_metrics import scheduler_metrics
from edged.telemetry.metrics import MetricRegistry


def test_numbers_are_those_of_the_moment_of_asking() -> None:
    registry, source = MetricRegistry(), Metrics()
    pending = {("active",): 1}
    scheduler_metrics(registry, source, lambda: {"pending_pods": pending})
    source.count("schedule_attempts_total", "scheduled", "edged")
    source.observe("pod_scheduling_attempts", 2.0)
    text = registry.render().decode()
    assert 'scheduler_schedule_attempts_total{result="scheduled",profile="edged"} 1' in text
    assert 'scheduler_pending_pods{queue="active"} 1' in text
    assert "scheduler_pod_scheduling_attempts_sum 2" in text
    source.count("schedule_attempts_total", "scheduled", "edged")
    pending["active",] = 3
    text = registry.render().decode()
    assert 'scheduler_schedule_attempts_total{result="scheduled",profile="edged"} 2' in text
    assert 'scheduler_pending_pods{queue="active"} 3' in text


def test_all_that_the_scheduler_counts_has_a_metric() -> None:
    registry = MetricRegistry()
    scheduler_metrics(registry, Metrics(), dict)
    text = registry.render().decode()
    for name in LABELS:
        kind = "histogram" if name in BUCKETS else ("counter" if name.endswith("_total") else "gauge")
        assert f"# TYPE scheduler_{name} {kind}" in text
