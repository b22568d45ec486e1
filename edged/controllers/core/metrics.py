"""Metrics that a module counts itself: their names carry the module's, and there are only so many series.

The values live in the process's registry, so a reloaded module goes on counting where it was.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Literal, Protocol

from edged.controllers.core.codes import Code, Refused, invalid
from edged.controllers.core.requests import MetricRequest
from edged.errors import cut

MOST_SERIES, MOST_LABEL_BYTES = 200, 128
PREFIX = "edged_controller"
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,99}")
Kind = Literal["inc", "set", "observe"]


class Value(Protocol):
    value: float


class Values(Protocol):
    """A counter or a gauge of a registry."""

    def series(self, *values: str) -> Value: ...


class Distribution(Protocol):
    def observe(self, value: float) -> None: ...


class Distributions(Protocol):
    def series(self, *values: str) -> Distribution: ...


class Registry(Protocol):
    """telemetry's MetricRegistry is one."""

    def counter(self, name: str, text: str, labels: Sequence[str] = ()) -> Values: ...
    def gauge(self, name: str, text: str, labels: Sequence[str] = ()) -> Values: ...
    def histogram(self, name: str, text: str, labels: Sequence[str] = ()) -> Distributions: ...


class ModuleMetrics:
    """Of one module, by its name, for as long as the process runs. The first use of a name says what it is: the
    operation and the names of the labels."""

    def __init__(self, module: str, registry: Registry, *, most_series: int = MOST_SERIES) -> None:
        self._module = module
        self._prefix = f"{PREFIX}_{re.sub('[^a-zA-Z0-9_]', '_', module)}_"
        self._registry = registry
        self._most = most_series
        self._kinds: dict[str, tuple[Kind, tuple[str, ...]]] = {}
        self._values: dict[str, Values] = {}
        self._distributions: dict[str, Distributions] = {}
        self._series: set[tuple[str, ...]] = set()

    def note(self, request: MetricRequest) -> None:
        """Raises Refused: INVALID, or LIMIT for one series too many."""
        if not math.isfinite(request.value):
            raise invalid("metric.value: must be finite")
        if request.op == "inc" and request.value < 0:
            raise invalid("metric.value: a counter only goes up")
        labels = tuple(sorted(request.labels))
        texts = tuple(cut(request.labels[label], MOST_LABEL_BYTES) for label in labels)
        self._check(request, labels, (request.name, *texts))
        if request.op == "observe":
            self._distributions[request.name].series(*texts).observe(request.value)
        elif request.op == "inc":
            self._values[request.name].series(*texts).value += request.value
        else:
            self._values[request.name].series(*texts).value = request.value

    def _check(self, request: MetricRequest, labels: tuple[str, ...], series: tuple[str, ...]) -> None:
        known = self._kinds.get(request.name)
        if known is not None and known != (request.op, labels):
            used = f"{known[0]} and the labels {', '.join(known[1]) or 'none'}"
            raise invalid(f"metric.name: {request.name} was used with {used} before")
        if series not in self._series:
            if len(self._series) >= self._most:
                raise Refused(Code.LIMIT, f"this module has {self._most} series of metrics, as many as it may have")
            if known is None:
                self._make(request.name, request.op, labels)
            self._series.add(series)

    def _make(self, name: str, op: Kind, labels: tuple[str, ...]) -> None:
        if not _NAME.fullmatch(name):
            raise invalid(f"metric.name: {name} is no name of a metric")
        for label in labels:
            if not _NAME.fullmatch(label) or label.startswith("__") or label == "le":
                raise invalid(f"metric.labels: {label} is no name of a label")
        full, text = self._prefix + name, f"Of the controller module {self._module}."
        try:
            if op == "observe":
                self._distributions[name] = self._registry.histogram(full, text, labels)
            else:
                make = self._registry.counter if op == "inc" else self._registry.gauge
                self._values[name] = make(full, text, labels)
        except ValueError as error:  # the name of another module's metric, where modules' names differ in signs only
            raise invalid(f"metric.name: {error}") from None
        self._kinds[name] = op, labels
