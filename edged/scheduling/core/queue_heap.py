"""A heap of queued Pods whose outdated entries are dropped lazily. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from typing import Any

from edged.scheduling.core.queued_pod import QueuedPod


class QueueHeap:
    """The Pods in one place, the smallest key first.

    A Pod that moves elsewhere leaves its entry behind. An entry counts while the Pod is in this heap's place and
    remembers the entry's number. `pods`: all queued Pods by uid, shared with the queue.
    """

    def __init__(self, place: str, pods: Mapping[str, QueuedPod]) -> None:
        self.place = place
        self._pods = pods
        # Any: keys are whatever the profile's QueueSort plugin sorts by.
        self._heap: list[tuple[Any, int, str]] = []
        self._entries = 0

    def push(self, key: Any, queued: QueuedPod) -> None:
        """The Pod is in this place from now on; an earlier entry of it counts no more."""
        self._entries += 1
        queued.place = self.place
        queued.entry = self._entries
        heapq.heappush(self._heap, (key, queued.entry, queued.pod.uid))

    def peek(self) -> QueuedPod | None:
        while self._heap:
            _, entry, uid = self._heap[0]
            queued = self._pods.get(uid)
            if queued is not None and queued.entry == entry and queued.place == self.place:
                return queued
            heapq.heappop(self._heap)
        return None

    def pop(self) -> QueuedPod | None:
        queued = self.peek()
        if queued is not None:
            heapq.heappop(self._heap)
        return queued
