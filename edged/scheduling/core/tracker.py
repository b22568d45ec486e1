"""What changes of Pod and Node objects mean to cache and queue. Pure; the loop hands it every informer
event."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from edged.kube.values.names import NamespacedName
from edged.scheduling.core.cache import Cache
from edged.scheduling.core.framework import Action, ClusterEvent
from edged.scheduling.core.queue import SchedulingQueue
from edged.scheduling.objects.nodes import NodeParser
from edged.scheduling.objects.pods import PodInfo, PodParser


class Tracker:
    """`scheduler_names`: whose waiting Pods go to the queue. `on_deleted(uid)`: a Pod is gone, or about to;
    true when it waited in Permit and is taken back now."""

    def __init__(
        self,
        cache: Cache,
        queue: SchedulingQueue,
        pods: PodParser,
        nodes: NodeParser,
        scheduler_names: Collection[str],
        on_deleted: Callable[[str], object],
    ) -> None:
        self._cache = cache
        self._queue = queue
        self._pods = pods
        self._nodes = nodes
        self._scheduler_names = frozenset(scheduler_names)
        self._on_deleted = on_deleted
        self._uids: dict[NamespacedName, str] = {}

    # --- Pods

    def pod_is(self, obj: Mapping[str, Any], now: float) -> None:
        """A Pod was added or modified. Raises QuantityError."""
        pod = self._pods.parse(obj)
        before = self._uids.get(pod.key)
        if before is not None and before != pod.uid:
            self._gone(before, now)
        if pod.terminated:
            self._forget(pod, now)
            return
        self._uids[pod.key] = pod.uid
        if pod.node_name:
            self._assigned(pod, now)
        elif self._cache.is_assumed(pod.uid):
            if pod.terminating:
                self._assumed_going(pod.uid, now)
        elif pod.scheduler_name in self._scheduler_names and pod.uid not in self._cache.pods:
            self._waiting(pod, now)

    def pod_gone(self, obj: Mapping[str, Any], now: float) -> None:
        """A Pod was deleted."""
        self._forget(self._pods.parse(obj), now)

    def _forget(self, pod: PodInfo, now: float) -> None:
        self._uids.pop(pod.key, None)
        self._gone(pod.uid, now)

    def _gone(self, uid: str, now: float) -> None:
        self._on_deleted(uid)
        known = self._cache.remove_pod(uid)
        queued = self._queue.get(uid)
        nominated = self._queue.nominator.node_of(uid)
        self._queue.delete(uid)
        if known is not None:
            self._queue.assigned_pod_deleted(known, now)
        elif queued is not None and nominated:
            self._queue.nomination_ended(queued.pod, now)

    def _assumed_going(self, uid: str, now: float) -> None:
        """Its deletion began while it is being bound: others need not wait until binding has failed."""
        known = self._cache.pods[uid]
        if not self._on_deleted(uid):
            self._cache.remove_pod(uid)
        self._queue.assigned_pod_deleted(known, now)

    def _assigned(self, pod: PodInfo, now: float) -> None:
        confirmed = self._cache.is_assumed(pod.uid)
        self._queue.delete(pod.uid)
        old = self._cache.set_pod(pod)
        if old is None or confirmed:
            self._queue.assigned_pod_added(pod, now)
        else:
            self._queue.assigned_pod_updated(old, pod, now)

    def _waiting(self, pod: PodInfo, now: float) -> None:
        queued = self._queue.get(pod.uid)
        old = queued.pod if queued else None
        self._queue.update(old, pod, now)
        if old is not None and old.nominated_node and old.nominated_node != pod.nominated_node:
            self._queue.nomination_ended(old, now)

    # --- nodes

    def node_is(self, obj: Mapping[str, Any], now: float) -> None:
        """A Node was added or modified. Raises QuantityError."""
        node = self._nodes.parse(obj)
        old = self._cache.set_node(node)
        if old is None:
            self._queue.move_all(ClusterEvent("Node", Action.ADD), None, node, now)
            return
        bits = node.changes_from(old)
        if bits:
            self._queue.move_all(ClusterEvent("Node", bits), old, node, now)

    def node_gone(self, obj: Mapping[str, Any], now: float) -> None:
        """A Node was deleted."""
        old = self._cache.remove_node(obj["metadata"]["name"])
        if old is not None:
            self._queue.move_all(ClusterEvent("Node", Action.DELETE), old, None, now)
