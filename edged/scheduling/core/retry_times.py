"""How long a failed Pod waits before it is tried again. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edged.scheduling.core.queued_pod import QueuedPod


@dataclass(frozen=True, slots=True)
class RetryTimes:
    """kube-scheduler's times, in seconds: `podInitialBackoffSeconds`, `podMaxBackoffSeconds`, and how long a rejected
    Pod waits for an event before it is tried again without one."""

    initial_backoff_s: float = 1.0
    max_backoff_s: float = 10.0
    max_unschedulable_s: float = 300.0

    def backoff_end(self, queued: QueuedPod) -> float:
        """When the Pod may be tried again, in whole seconds."""
        count = queued.consecutive_errors or queued.unschedulable_count
        if count == 0 or self.max_backoff_s <= 0:
            return queued.timestamp
        doublings = min(count - 1, 62)  # more would only overflow
        duration = min(self.initial_backoff_s * 2**doublings, self.max_backoff_s)
        return float(math.floor(queued.timestamp + duration))

    def backoff_is_over(self, queued: QueuedPod, now: float) -> bool:
        return self.backoff_end(queued) <= math.floor(now)
