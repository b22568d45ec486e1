"""A Pod in the scheduling queue, the places it can be in, and how many Pods are in each. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from edged.scheduling.objects.pods import PodInfo

ACTIVE = "active"
BACKOFF = "backoff"
ERROR_BACKOFF = "error_backoff"
UNSCHEDULABLE = "unschedulable"
IN_FLIGHT = "in_flight"

_QUEUES: Final = {ACTIVE: "active", BACKOFF: "backoff", ERROR_BACKOFF: "backoff", UNSCHEDULABLE: "unschedulable"}
"""Place -> the queue as the metric `pending_pods` names it. Pods in flight are in none."""


class QueuedPod:
    """A Pod in the queue, with what the queue remembers of its past. Times are seconds as `now` gives
    them."""

    __slots__ = (
        "attempts", "consecutive_errors", "entry", "flush_timestamp", "gated_by", "initial_timestamp",
        "pending_plugins", "place", "pod", "said", "timestamp", "unschedulable_count", "unschedulable_plugins",
        "was_flushed",
    )  # fmt: skip

    def __init__(self, pod: PodInfo, now: float) -> None:
        self.pod = pod
        self.timestamp = now  # of the last move into the queue
        self.initial_timestamp: float | None = None  # of the first time it was not gated
        self.attempts = 0
        self.unschedulable_count = 0
        self.consecutive_errors = 0
        self.unschedulable_plugins: frozenset[str] = frozenset()
        self.pending_plugins: frozenset[str] = frozenset()
        self.gated_by = ""
        self.was_flushed = False
        self.flush_timestamp = now  # of the last time it was flushed, or put into the queue
        self.place = ""
        self.entry = 0  # number of its live heap entry
        self.said = ""  # why it was not bound, as the log has it

    @property
    def rejectors(self) -> frozenset[str]:
        """The plugins that turned the Pod down in its last attempt; empty when an error ended it."""
        return self.unschedulable_plugins | self.pending_plugins


def count_pending(pods: Iterable[QueuedPod]) -> dict[str, int]:
    """Number of Pods per queue, as the metric `pending_pods` names them."""
    counts = {"active": 0, "backoff": 0, "unschedulable": 0, "gated": 0}
    for queued in pods:
        if queued.place in _QUEUES:
            counts["gated" if queued.gated_by else _QUEUES[queued.place]] += 1
    return counts


def count_rejected(pods: Iterable[QueuedPod]) -> dict[tuple[str, ...], int]:
    """(plugin, scheduler name) -> number of waiting Pods that the plugin rejected."""
    counts: Counter[tuple[str, ...]] = Counter()
    for queued in pods:
        plugins = {queued.gated_by} if queued.gated_by else queued.unschedulable_plugins
        for plugin in plugins if queued.place != IN_FLIGHT else ():
            counts[(plugin, queued.pod.scheduler_name)] += 1
    return dict(counts)
