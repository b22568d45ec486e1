"""A heap of queued Pods, apart for each profile, whose outdated entries are dropped lazily. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from typing import Any

from edged.scheduling.core.queued_pod import QueuedPod

# Any: keys are whatever the profile's QueueSort plugin sorts by.
Entry = tuple[Any, int, str]  # key, number, uid
Rank = Callable[[str], float | None]
"""Profile -> what comes before the keys of its Pods; None: not now. No rank at all: the keys alone count."""


class QueueHeap:
    """The Pods in one place, the smallest key first.

    A Pod that moves elsewhere leaves its entry behind. An entry counts while the Pod is in this heap's place and
    remembers the entry's number. `pods`: all queued Pods by uid, shared with the queue.
    """

    def __init__(self, place: str, pods: Mapping[str, QueuedPod]) -> None:
        self.place = place
        self._pods = pods
        self._heaps: dict[str, list[Entry]] = {}  # by scheduler name
        self._entries = 0

    def push(self, key: Any, queued: QueuedPod) -> None:
        """The Pod is in this place from now on; an earlier entry of it counts no more."""
        self._entries += 1
        queued.place = self.place
        queued.entry = self._entries
        heap = self._heaps.setdefault(queued.pod.scheduler_name, [])
        heapq.heappush(heap, (key, queued.entry, queued.pod.uid))

    def peek(self, rank: Rank | None = None) -> QueuedPod | None:
        found = self._first(rank)
        return None if found is None else found[1]

    def pop(self, rank: Rank | None = None) -> QueuedPod | None:
        found = self._first(rank)
        if found is None:
            return None
        heapq.heappop(self._heaps[found[0]])
        return found[1]

    def _first(self, rank: Rank | None) -> tuple[str, QueuedPod] | None:
        """(profile, Pod) of the smallest rank and key."""
        if rank is None and len(self._heaps) == 1:  # nothing to compare
            ((profile, heap),) = self._heaps.items()
            queued = self._top(heap)
            return None if queued is None else (profile, queued)
        best: tuple[float, Any, int] | None = None
        first: tuple[str, QueuedPod] | None = None
        for profile, heap in self._heaps.items():
            before = 0.0 if rank is None else rank(profile)
            queued = None if before is None else self._top(heap)
            if before is None or queued is None:
                continue
            key, number, _ = heap[0]
            if best is None or (before, key, number) < best:
                best, first = (before, key, number), (profile, queued)
        return first

    def _top(self, heap: list[Entry]) -> QueuedPod | None:
        while heap:
            _, entry, uid = heap[0]
            queued = self._pods.get(uid)
            if queued is not None and queued.entry == entry and queued.place == self.place:
                return queued
            heapq.heappop(heap)
        return None
