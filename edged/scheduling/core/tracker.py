"""What changes of Pods and Nodes mean to cache and queue. Pure; the loop hands it every event of its informers."""

from __future__ import annotations

from collections.abc import Callable, Collection

from edged.kube.values.names import NamespacedName
from edged.scheduling.core.cache import Cache
from edged.scheduling.core.cluster_events import Action, ClusterEvent
from edged.scheduling.core.queue import SchedulingQueue
from edged.scheduling.objects.nodes import Node
from edged.scheduling.objects.pods import PodInfo


class Tracker:
    """`scheduler_names`: whose waiting Pods go to the queue. `on_deleted(uid)`: a Pod is gone, or about to;
    true when it waited in Permit and is taken back now."""

    def __init__(
        self,
        cache: Cache,
        queue: SchedulingQueue,
        scheduler_names: Collection[str],
        on_deleted: Callable[[str], object],
    ) -> None:
        self._cache = cache
        self._queue = queue
        self._scheduler_names = frozenset(scheduler_names)
        self._on_deleted = on_deleted
        self._uids: dict[NamespacedName, str] = {}

    # --- Pods

    def pod_is(self, pod: PodInfo, now: float) -> None:
        """A Pod was added or modified."""
        before = self._uids.get(pod.key)
        if before is not None and before != pod.uid:
            self._gone(before, now)
        if pod.terminated:
            self.pod_gone(pod.key, pod.uid, now)
            return
        self._uids[pod.key] = pod.uid
        if pod.node_name:
            self._assigned(pod, now)
        elif self._cache.is_assumed(pod.uid):
            if pod.terminating:
                self._assumed_going(pod.uid, now)
        elif pod.scheduler_name in self._scheduler_names and pod.uid not in self._cache.pods:
            self._waiting(pod, now)

    def pod_gone(self, key: NamespacedName, uid: str, now: float) -> None:
        """A Pod was deleted, or has ended."""
        self._uids.pop(key, None)
        self._gone(uid, now)

    def _gone(self, uid: str, now: float) -> None:
        self._on_deleted(uid)
        assigned = self._cache.remove_pod(uid)
        queued = self._queue.get(uid)
        nominated = self._queue.nominator.node_of(uid)
        self._queue.delete(uid)
        if assigned is not None:
            self._queue.assigned_pod_deleted(assigned, now)
        elif queued is not None and nominated:
            self._queue.nomination_ended(queued.pod, now)

    def _assumed_going(self, uid: str, now: float) -> None:
        """An assumed Pod's deletion began. Pods that wait for its room need not wait until its binding has failed."""
        assumed = self._cache.pods[uid]
        if not self._on_deleted(uid):
            self._cache.remove_pod(uid)
        self._queue.assigned_pod_deleted(assumed, now)

    def _assigned(self, pod: PodInfo, now: float) -> None:
        confirmed = self._cache.is_assumed(pod.uid)
        nominated = self._queue.nominator.node_of(pod.uid)
        self._queue.delete(pod.uid)
        old = self._cache.set_pod(pod)
        if old is None or confirmed:
            self._queue.assigned_pod_added(pod, now)
        else:
            self._queue.assigned_pod_updated(old, pod, now)
        # Somebody else may have bound it elsewhere. The room that was assumed or promised is free then.
        if old is not None and old.node_name != pod.node_name:
            self._queue.assigned_pod_deleted(old, now)
        elif nominated and nominated != pod.node_name:
            self._queue.nomination_ended(pod, now)

    def _waiting(self, pod: PodInfo, now: float) -> None:
        queued = self._queue.get(pod.uid)
        old = queued.pod if queued else None
        self._queue.update(old, pod, now)
        if old is not None and old.nominated_node and old.nominated_node != pod.nominated_node:
            self._queue.nomination_ended(old, now)

    # --- nodes

    def node_is(self, node: Node, now: float) -> None:
        """A Node was added or modified."""
        old = self._cache.set_node(node)
        if old is None:
            self._queue.move_all(ClusterEvent("Node", Action.ADD), None, node, now)
            return
        bits = node.changes_from(old)
        if bits:
            self._queue.move_all(ClusterEvent("Node", bits), old, node, now)

    def node_gone(self, name: str, now: float) -> None:
        """A Node was deleted."""
        old = self._cache.remove_node(name)
        if old is not None:
            self._queue.move_all(ClusterEvent("Node", Action.DELETE), old, None, now)
