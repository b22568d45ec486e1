"""Which cluster events happened while Pods were being tried. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from edged.scheduling.core.cluster_events import ClusterEvent


class SeenEvent(NamedTuple):
    """A cluster event, and the object before and after it (see framework.Hint)."""

    event: ClusterEvent
    old: object
    new: object


class InFlight:
    """Cluster events since each popped Pod left the queue. One shared list; every Pod remembers where it
    began."""

    def __init__(self) -> None:
        self._began: dict[str, int] = {}  # in rising order
        self._events: list[SeenEvent] = []
        self._dropped = 0

    def start(self, uid: str) -> None:
        self._began[uid] = self._dropped + len(self._events)

    def record(self, event: ClusterEvent, old: object, new: object) -> None:
        if self._began:
            self._events.append(SeenEvent(event, old, new))

    def finish(self, uid: str) -> Sequence[SeenEvent]:
        """The events since `start`; they are dropped once no other Pod needs them."""
        began = self._began.pop(uid, None)
        if began is None:
            return ()
        events = self._events[began - self._dropped :]
        self._trim()
        return events

    def _trim(self) -> None:
        oldest = next(iter(self._began.values()), self._dropped + len(self._events))
        if oldest > self._dropped:
            del self._events[: oldest - self._dropped]
            self._dropped = oldest

    def __len__(self) -> int:
        return len(self._events)
