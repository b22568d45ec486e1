"""Events of one module: repeats become a count, and no object is buried under events.

The rules are client-go's: the same event within ten minutes is a series of the first one; of an object 25 events are
written in a row, after that one in five minutes. A count is written when it has doubled. Losing an event is fine.
"""

from __future__ import annotations

import datetime
from collections import OrderedDict
from typing import Any, NamedTuple

from edged.controllers.core.rates import Bucket
from edged.controllers.core.requests import EventRequest, Regarding
from edged.errors import cut
from edged.records import dataclass

SERIES_S = 600.0
BURST, PAUSE_S = 25, 300.0
MOST_SERIES, MOST_OBJECTS = 256, 256
NOTE_BYTES = 1024
"""What events.k8s.io/v1 accepts."""


class EventWrite(NamedTuple):
    """An Event to create, or a merge patch of one that was written (`is_patch`)."""

    namespace: str
    name: str
    body: dict[str, Any]
    is_patch: bool


@dataclass(slots=True)
class _Series:
    namespace: str
    name: str
    count: int
    seen_at: float


class EventAggregator:
    """`controller` and `instance` are who reports: `edged/` with the name of the module, and this process. `dropped`
    counts what was not written."""

    def __init__(self, controller: str, instance: str) -> None:
        self.dropped = 0
        self._created = 0
        self._controller = controller
        self._instance = instance[:128]
        self._series: OrderedDict[EventRequest, _Series] = OrderedDict()
        self._buckets: OrderedDict[Regarding, Bucket] = OrderedDict()

    def note(self, request: EventRequest, now: float, wall_ms: int) -> EventWrite | None:
        """What is to be written now, if anything. `now`: monotonic seconds; `wall_ms`: since 1970."""
        series = self._series.get(request)
        if series is not None and now - series.seen_at <= SERIES_S:
            return self._repeat(request, series, now, wall_ms)
        if not self._may_write(request.regarding, now):
            self.dropped += 1
            return None
        namespace = request.regarding.namespace or "default"
        name = f"{request.regarding.name[:230]}.{wall_ms:x}{self._created:x}".lower()
        self._created += 1
        self._series.pop(request, None)
        self._series[request] = _Series(namespace, name, 1, now)
        if len(self._series) > MOST_SERIES:
            self._series.popitem(last=False)
        return EventWrite(namespace, name, self._event(request, namespace, name, wall_ms), False)

    def _repeat(self, request: EventRequest, series: _Series, now: float, wall_ms: int) -> EventWrite | None:
        series.count += 1
        series.seen_at = now
        self._series.move_to_end(request)
        if series.count & (series.count - 1) or not self._may_write(request.regarding, now):
            return None
        told = {"series": {"count": series.count, "lastObservedTime": micro_time(wall_ms)}}
        return EventWrite(series.namespace, series.name, told, True)

    def _may_write(self, regarding: Regarding, now: float) -> bool:
        bucket = self._buckets.get(regarding)
        if bucket is None:
            bucket = self._buckets[regarding] = Bucket(1 / PAUSE_S, BURST)
            if len(self._buckets) > MOST_OBJECTS:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(regarding)
        return bucket.take(now) == 0.0

    def _event(self, request: EventRequest, namespace: str, name: str, wall_ms: int) -> dict[str, Any]:
        about = request.regarding
        given = {
            "apiVersion": about.api_version, "kind": about.kind, "namespace": about.namespace, "name": about.name,
            "uid": about.uid,
        }  # fmt: skip
        return {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "eventTime": micro_time(wall_ms),
            "type": request.type,
            "reason": request.reason,
            "action": request.action,
            "note": cut(request.note, NOTE_BYTES),
            "regarding": {field: value for field, value in given.items() if value},
            "reportingController": self._controller,
            "reportingInstance": self._instance,
        }


def micro_time(wall_ms: int) -> str:
    """A MicroTime of Kubernetes."""
    moment = datetime.datetime.fromtimestamp(wall_ms // 1000, datetime.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{wall_ms % 1000 * 1000:06}Z"
