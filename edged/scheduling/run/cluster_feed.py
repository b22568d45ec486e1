"""Feeds the scheduler's cache and queue with what informers tell of Pods, Nodes and other objects.

An object whose change cannot be handled costs only itself. What was known of it before stays, and if the change had
begun to take effect, all Pods that wait for an event are tried again, since it may have been the one.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from edged.errors import EdgedError
from edged.kube.informers import Change
from edged.process.boundary import boundary
from edged.scheduling.core.cluster_events import Action, ClusterEvent
from edged.scheduling.core.queue_events import EVENT_LOST
from edged.scheduling.core.tracker import Tracker
from edged.scheduling.objects.nodes import NodeParser
from edged.scheduling.objects.other_objects import EVENT_RESOURCES, NAMESPACE
from edged.scheduling.objects.pods import PodInfo
from edged.scheduling.run.object_feed import ObjectFeed
from edged.scheduling.run.scheduler_state import Environment, SchedulerState


class ClusterFeed:
    """Handles the events of informers. `pod_deleted(uid)`: a Pod is gone, or about to; see Tracker."""

    def __init__(
        self, environment: Environment, state: SchedulerState, pod_deleted: Callable[[str], bool]
    ) -> None:
        self._environment = environment
        self._log = environment.log
        self._state = state
        self._pod_deleted = pod_deleted
        self._node_parser = NodeParser(environment.nodes.get)
        self._tracker: Tracker
        self.objects = ObjectFeed(state.objects, environment.acquire, self._on_object, environment.log)
        self.object_changed = trio.Event()
        """Set, and replaced, with each change of an object of another kind."""
        self._handlers = ((environment.nodes, self._on_node), (environment.pods, self._on_pod))

    async def start(self) -> None:
        """Returns when both informers have told everything they know."""
        state = self._state
        self._tracker = Tracker(state.cache, state.queue, state.profiles, self._pod_deleted)
        state.queue.plugin_failed = self._plugin_failed
        for informer, handler in self._handlers:
            await informer.wait_synced()
            await informer.add_handler(handler, heartbeats=False).wait_replayed()

    def close(self) -> None:
        """Hears of no changes any more."""
        for informer, handler in self._handlers:
            informer.remove_handler(handler)
        self.objects.close()

    def _on_pod(self, change: Change) -> bool:
        """True: tell me again, for something unexpected happened."""
        now = trio.current_time()
        if change.type == "deleted":
            with self._unit("pod", change) as unit:
                self._tracker.pod_gone(change.key, change.object["metadata"].get("uid") or "", now)
            return unit.error is not None
        with boundary(self._log, "object", f"pod {change.key}") as reading:
            try:
                pod = self._state.pod_parser.parse(change.object)
            except EdgedError as error:
                self._log.warning("pod cannot be read", pod=str(change.key), error=str(error))
                return False
            with self._unit("pod", change) as unit:
                self._tracker.pod_is(pod, now)
            return unit.error is not None
        return reading.error is not None

    def _on_node(self, change: Change) -> bool:
        """True: tell me again, for something unexpected happened."""
        now = trio.current_time()
        if change.type == "deleted":
            with self._unit("node", change) as unit:
                self._tracker.node_gone(change.key.name, now)
            return unit.error is not None
        with boundary(self._log, "object", f"node {change.key.name}") as reading:
            try:
                known = self._state.cache.node_of(change.key.name)
                node = self._node_parser.parse(change.object, known)
                if node is known:
                    return False
            except EdgedError as error:
                self._log.warning("node cannot be read", node=change.key.name, error=str(error))
                return False
            with self._unit("node", change) as unit:
                self._tracker.node_is(node, now)
            return unit.error is not None
        return reading.error is not None

    def _on_object(self, kind: str, old: object, new: object) -> None:
        self.object_changed.set()
        self.object_changed = trio.Event()
        resource = EVENT_RESOURCES.get(kind)
        if kind == NAMESPACE and (old == new or kind not in self._state.objects.ready):
            return  # nothing that is decided by has changed, or no Pod was turned down with another answer
        if resource is not None:
            action = Action.DELETE if new is None else Action.ADD if old is None else Action.UPDATE
            event = ClusterEvent(resource, action)
            with boundary(self._log, "object", f"event of a {kind}", failed=self._event_lost):
                self._state.queue.move_all(event, old, new, trio.current_time())

    def _unit(self, kind: str, change: Change) -> boundary:
        return boundary(self._log, "object", f"change of {kind} {change.key}", failed=self._event_lost)

    def _event_lost(self, error: Exception) -> None:
        with boundary(self._log, "object", "lost event"):
            self._state.queue.move_all(EVENT_LOST, None, None, trio.current_time())

    def _plugin_failed(self, pod: PodInfo, error: Exception) -> None:
        with boundary(self._log, "object", f"waiting pod {pod.key}"):
            raise error
