"""Metrics in Prometheus' text format: counters, gauges, histograms with labels. No I/O but for
`process_metrics`.

A client library would cost 1.3 MB; this is what a scrape needs. The number of series per metric is bounded:
beyond it values are counted under one series whose labels all say "_other", because namespaces and kinds come
from requests. One event loop, so no locks. `health.py` serves what `MetricRegistry.render` gives.
"""

from __future__ import annotations

import os
import re
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from edged.telemetry.internal_errors import InternalErrors

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MAX_SERIES = 2000
OTHER = "_other"
MILLISECONDS = (0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000)
SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
M = TypeVar("M", bound="_Metric")
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


class Value:
    """One series of a counter or gauge. `value` may be changed directly."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0


class Distribution:
    """One series of a histogram."""

    __slots__ = ("_bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)  # not cumulative; the last one is +Inf
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self._bounds, value)] += 1
        self.sum += value


class _Metric:
    kind = ""

    def __init__(self, name: str, text: str, labels: Sequence[str], max_series: int) -> None:
        if not all(_NAME.fullmatch(word) for word in (name, *labels)):
            raise ValueError(f"{name}: not a metric name, or not label names: {labels}")
        self.name = name
        self.labels = tuple(labels)
        self._text = text
        self._max_series = max_series

    def _bounded(self, known: int, values: tuple[str, ...]) -> tuple[str, ...]:
        if len(values) != len(self.labels):
            raise ValueError(f"{self.name}: {len(self.labels)} label values expected, got {len(values)}")
        return values if known < self._max_series else (OTHER,) * len(values)

    def render(self) -> Iterator[str]:
        """Lines with their line ends."""
        yield f"# HELP {self.name} {_escape_help(self._text)}\n# TYPE {self.name} {self.kind}\n"

    def _labelled(self, values: Sequence[str], extra: str = "") -> str:
        pairs = [f'{label}="{_escape(value)}"' for label, value in zip(self.labels, values, strict=True)]
        pairs += [extra] if extra else []
        return f"{{{','.join(pairs)}}}" if pairs else ""


class Counter(_Metric):
    """Only goes up."""

    kind = "counter"

    def __init__(self, name: str, text: str, labels: Sequence[str] = (),
                 max_series: int = MAX_SERIES) -> None:
        super().__init__(name, text, labels, max_series)
        self._series: dict[tuple[str, ...], Value] = {}

    def series(self, *values: str) -> Value:
        """The series of these label values, in the order of `labels`; made when it is new."""
        series = self._series.get(values)
        if series is None:
            values = self._bounded(len(self._series), values)
            series = self._series.setdefault(values, Value())
        return series

    def inc(self, *values: str, by: float = 1.0) -> None:
        """Add to one series."""
        self.series(*values).value += by

    def render(self) -> Iterator[str]:
        yield from super().render()
        for values, series in list(self._series.items()):
            yield f"{self.name}{self._labelled(values)} {_number(series.value)}\n"


class Gauge(Counter):
    """Goes up and down."""

    kind = "gauge"

    def set(self, value: float, *values: str) -> None:
        """Set one series."""
        self.series(*values).value = value

    def clear(self) -> None:
        """Forget all series, before they are set anew."""
        self._series.clear()

    def remove(self, *values: str) -> None:
        """Forget one series, as when the thing that it measured is gone."""
        self._series.pop(values, None)


class Histogram(_Metric):
    """Values counted in buckets; `bounds` are the upper ones, ascending, without +Inf."""

    kind = "histogram"

    def __init__(self, name: str, text: str, labels: Sequence[str] = (), bounds: Sequence[float] = SECONDS,
                 max_series: int = MAX_SERIES) -> None:
        super().__init__(name, text, labels, max_series)
        self._bounds = tuple(bounds)
        self._series: dict[tuple[str, ...], Distribution] = {}

    def series(self, *values: str) -> Distribution:
        """The series of these label values, in the order of `labels`; made when it is new."""
        series = self._series.get(values)
        if series is None:
            values = self._bounded(len(self._series), values)
            series = self._series.setdefault(values, Distribution(self._bounds))
        return series

    def render(self) -> Iterator[str]:
        yield from super().render()
        bounds = [*(_number(bound) for bound in self._bounds), "+Inf"]
        for values, series in list(self._series.items()):
            total = 0
            for bound, count in zip(bounds, series.counts, strict=True):
                total += count
                labels = self._labelled(values, f'le="{bound}"')
                yield f"{self.name}_bucket{labels} {total}\n"
            labels = self._labelled(values)
            yield f"{self.name}_sum{labels} {_number(series.sum)}\n{self.name}_count{labels} {total}\n"


class MetricRegistry:
    """All metrics of one process. `collectors` are called before each rendering, to set gauges."""

    def __init__(self) -> None:
        self.collectors: list[Callable[[], None]] = []
        self._metrics: dict[str, _Metric] = {}

    def counter(self, name: str, text: str, labels: Sequence[str] = ()) -> Counter:
        """A new counter. ValueError when the name is taken."""
        return self._add(Counter(name, text, labels))

    def gauge(self, name: str, text: str, labels: Sequence[str] = ()) -> Gauge:
        """A new gauge. ValueError when the name is taken."""
        return self._add(Gauge(name, text, labels))

    def histogram(self, name: str, text: str, labels: Sequence[str] = (), bounds: Sequence[float] = SECONDS,
                  max_series: int = MAX_SERIES) -> Histogram:
        """A new histogram. ValueError when the name is taken."""
        return self._add(Histogram(name, text, labels, bounds, max_series))

    def _add(self, metric: M) -> M:
        if metric.name in self._metrics:
            raise ValueError(f"metric {metric.name} exists already")
        self._metrics[metric.name] = metric
        return metric

    def render(self) -> bytes:
        """Everything, as `CONTENT_TYPE`."""
        for collect in self.collectors:
            collect()
        return "".join(self.lines()).encode()

    def lines(self) -> Iterator[str]:
        """The same in pieces, each with its line end, after `collectors` were called. Between them series may come and
        go."""
        for metric in list(self._metrics.values()):
            yield from metric.render()


# --- what every process measures
def process_metrics(metrics: MetricRegistry) -> None:
    """Adds the usual `process_` metrics, read from /proc when somebody asks."""
    memory = metrics.gauge("process_resident_memory_bytes", "Resident memory size in bytes.")
    cpu = metrics.counter("process_cpu_seconds_total", "User and system CPU time in seconds.")
    descriptors = metrics.gauge("process_open_fds", "Open file descriptors.")
    started = metrics.gauge("process_start_time_seconds", "Start time in Unix seconds.")
    started.set(time.time())
    page = os.sysconf("SC_PAGE_SIZE")

    def collect() -> None:
        with open("/proc/self/statm", "rb") as file:
            memory.set(int(file.read().split()[1]) * page)
        cpu.series().value = time.process_time()
        descriptors.set(len(os.listdir("/proc/self/fd")))

    metrics.collectors.append(collect)


def task_metrics(metrics: MetricRegistry) -> None:
    """Adds `edged_tasks`; it is collected inside the event loop."""
    import trio  # commands that only render metrics have no event loop

    tasks = metrics.gauge("edged_tasks", "Tasks of the event loop. They follow the load and go back with it.")
    metrics.collectors.append(lambda: tasks.set(trio.lowlevel.current_statistics().tasks_living))


def internal_error_metrics(metrics: MetricRegistry, errors: InternalErrors) -> None:
    """Adds `edged_internal_errors_total`: 0 for no unit is shown, a series begins with its first error."""
    counter = metrics.counter(
        "edged_internal_errors_total", "Errors that nobody expected, by the unit of work that failed.", ["unit"]
    )

    def collect() -> None:
        for unit, count in errors.counts.items():
            counter.series(unit).value = count

    metrics.collectors.append(collect)


def label(value: object) -> str:
    """A value as Prometheus and Kubewarden write it: nothing is "", booleans are true and false."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _escape_help(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n")
