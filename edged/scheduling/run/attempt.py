"""One attempt to schedule a Pod, as the parts of the scheduler hand it on."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import trio

from edged.scheduling.core.counters import Metrics
from edged.scheduling.core.framework import CycleState
from edged.scheduling.core.plugin_status import Status
from edged.scheduling.core.profile import Profile
from edged.scheduling.core.queued_pod import QueuedPod
from edged.scheduling.explain.records import Record
from edged.scheduling.objects.pods import PodInfo


@dataclass(slots=True, eq=False)
class Attempt:
    """One Pod's way from the queue to its binding.

    `node` is "" until one is chosen, and `assumed` the Pod as it counts on that node. `nominated`: the Pod's status
    names the node already. `binds`: the scheduling cycle is over. `released` is set when the node has its room back, if
    somebody waits for that. `ended`: plugins were told that the cycle is over. `over`: the Pod was bound, or went back
    to the queue.
    """

    queued: QueuedPod
    pod: PodInfo
    profile: Profile
    state: CycleState
    started: float
    node: str = ""
    assumed: PodInfo | None = None
    nominated: bool = False
    binds: bool = False
    record: Record | None = None
    released: trio.Event | None = None
    ended: bool = False
    over: bool = False

    def note(self, point: str, rejection: Status | None, waits: Mapping[str, float] | None = None) -> None:
        """For the record: an extension point has answered."""
        if self.record is not None:
            self.record.at(point, rejection)
            self.record.waits = waits or self.record.waits

    def count(self, metrics: Metrics, result: str) -> None:
        name = self.profile.scheduler_name
        metrics.count("schedule_attempts_total", result, name)
        elapsed_s = time.perf_counter() - self.started
        metrics.observe("scheduling_attempt_duration_seconds", elapsed_s, result, name)
