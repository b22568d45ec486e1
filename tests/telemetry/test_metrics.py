"""The text format, label bounds, and what an evaluation counts."""

import pytest
import trio

from edged.telemetry.metrics import Counter, Histogram, MetricRegistry, process_metrics, task_metrics


def test_counters_and_gauges_render_with_labels_escaped():
    registry = MetricRegistry()
    counter = registry.counter("a_total", "Two\nlines.", ("x", "y"))
    counter.inc("1", 'q"\\\n')
    counter.inc("1", 'q"\\\n', by=1.5)
    gauge = registry.gauge("b", "B.")
    gauge.set(7)
    assert registry.render().decode() == (
        "# HELP a_total Two\\nlines.\n# TYPE a_total counter\n"
        'a_total{x="1",y="q\\"\\\\\\n"} 2.5\n'
        "# HELP b B.\n# TYPE b gauge\nb 7\n")
    gauge.remove()
    assert not registry.render().decode().endswith("b 7\n")


def test_histograms_are_cumulative_and_bounds_are_inclusive():
    registry = MetricRegistry()
    series = registry.histogram("h", "H.", ("x",), (1, 2.5)).series("v")
    for value in (0.5, 1, 2, 3, 100):
        series.observe(value)
    assert registry.render().decode().splitlines()[2:] == [
        'h_bucket{x="v",le="1"} 2', 'h_bucket{x="v",le="2.5"} 3', 'h_bucket{x="v",le="+Inf"} 5',
        'h_sum{x="v"} 106.5', 'h_count{x="v"} 5']


def test_series_are_bounded():
    counter = Counter("c", "C.", ("x",), max_series=2)
    for value in "abcab":
        counter.inc(value)
    assert 'c{x="a"} 2\n' in list(counter.render()) and 'c{x="_other"} 1\n' in list(counter.render())
    histogram = Histogram("h", "H.", ("x",), (1,), max_series=1)
    assert histogram.series("a") is not histogram.series("b") is histogram.series("c")


def test_wrong_names_and_values_are_errors():
    with pytest.raises(ValueError):
        Counter("a-b", "C.")
    with pytest.raises(ValueError):
        Counter("c", "C.", ("x",)).inc()
    registry = MetricRegistry()
    registry.counter("c", "C.")
    with pytest.raises(ValueError):
        registry.gauge("c", "C.")


def test_process_metrics_are_read_when_asked():
    registry = MetricRegistry()
    process_metrics(registry)
    lines = dict(line.split() for line in registry.render().decode().splitlines() if not line.startswith("#"))
    assert float(lines["process_resident_memory_bytes"]) > 1e6
    assert float(lines["process_open_fds"]) >= 3


def test_tasks_are_counted_inside_the_event_loop():
    registry = MetricRegistry()
    task_metrics(registry)

    def tasks() -> int:
        return int(registry.render().decode().splitlines()[-1].removeprefix("edged_tasks "))

    async def main() -> None:
        before = tasks()
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(trio.sleep_forever)
            assert tasks() == before + 3
            nursery.cancel_scope.cancel()
        assert tasks() == before

    trio.run(main)
