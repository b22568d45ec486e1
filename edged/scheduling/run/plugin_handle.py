"""What plugins may ask of the scheduler that runs them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trio

from edged.kube.values.names import NamespacedName
from edged.scheduling.core.binding import Waiting
from edged.scheduling.core.cycle import CycleError
from edged.scheduling.objects.pods import PodInfo
from edged.scheduling.run.cluster_feed import ClusterFeed
from edged.scheduling.run.evictions import Evictions
from edged.scheduling.run.pod_bindings import PodBindings
from edged.scheduling.run.pod_events import PodEvents
from edged.scheduling.run.scheduler_state import Environment, SchedulerState


class PluginHandle:
    """framework.Handle over a running scheduler."""

    def __init__(
        self,
        environment: Environment,
        state: SchedulerState,
        feed: ClusterFeed,
        bindings: PodBindings,
        preemption: Evictions,
        events: PodEvents,
    ) -> None:
        self.snapshot = state.snapshot
        self.node_labels = state.cache.labels_of
        self.objects = state.objects
        self.preemption = preemption
        self.record_event = events.record
        self._environment = environment
        self._feed = feed
        self._bindings = bindings

    async def bind(self, pod: PodInfo, node_name: str) -> None:
        """Raises PeerError."""
        await self._environment.writes.bind(pod.key, pod.uid, node_name)

    async def patch(self, kind: str, key: NamespacedName, body: dict[str, object]) -> dict[str, Any]:
        """Raises PeerError."""
        return await self._environment.writes.patch(kind, key, body)

    async def settle(self, pod: PodInfo, done: Callable[[], bool], timeout_s: float) -> bool:
        """Raises CycleError, and what `done` raises."""
        with trio.move_on_after(timeout_s):
            while True:
                changed = self._feed.object_changed
                if not self._environment.still_waits(pod):
                    raise CycleError(f'pod does not exist any more: pod "{pod.key.name}" not found')
                if done():
                    return True
                with trio.move_on_after(1.0):  # changes of Nodes and of the Pod do not set the event
                    await changed.wait()
        return False

    def waiting_pod(self, uid: str) -> Waiting | None:
        return self._bindings.waiting_pod(uid)
