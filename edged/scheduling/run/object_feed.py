"""Feeds the objects that scheduler plugins decide by, from informers that start when a Pod first needs them.

A cluster whose Pods have no claims never lists or watches a volume. Whatever is asked for once stays. A
scheduler has one feed, which cluster_feed.py makes; what objects mean is in scheduling/objects/other_objects.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import trio

from edged.errors import EdgedError
from edged.kube.informers import Change, Handler, Informer, Prune, Subscription
from edged.kube.values.names import GroupVersionResource
from edged.process.boundary import boundary
from edged.scheduling.objects import other_objects as objects
from edged.scheduling.objects.other_objects import Objects
from edged.telemetry.logs import Logger

PATIENCE_S = 5.0
"""How long the first Pod that needs a kind holds up the others."""
RESOURCES: Final[Mapping[str, GroupVersionResource]] = {
    objects.CLAIM: GroupVersionResource("", "v1", "persistentvolumeclaims"),
    objects.VOLUME: GroupVersionResource("", "v1", "persistentvolumes"),
    objects.STORAGE_CLASS: GroupVersionResource("storage.k8s.io", "v1", "storageclasses"),
    objects.CSI_NODE: GroupVersionResource("storage.k8s.io", "v1", "csinodes"),
    objects.CSI_DRIVER: GroupVersionResource("storage.k8s.io", "v1", "csidrivers"),
    objects.CAPACITY: GroupVersionResource("storage.k8s.io", "v1", "csistoragecapacities"),
    objects.ATTACHMENT: GroupVersionResource("storage.k8s.io", "v1", "volumeattachments"),
    objects.NAMESPACE: GroupVersionResource("", "v1", "namespaces"),
    objects.SERVICE: GroupVersionResource("", "v1", "services"),
    objects.REPLICATION_CONTROLLER: GroupVersionResource("", "v1", "replicationcontrollers"),
    objects.REPLICA_SET: GroupVersionResource("apps", "v1", "replicasets"),
    objects.STATEFUL_SET: GroupVersionResource("apps", "v1", "statefulsets"),
}

Acquire = Callable[[GroupVersionResource, Prune], Informer]
Told = Callable[[str, object, object], None]
"""(kind, what was known of the object before, what is known of it now); None where there is nothing."""


def _only_selector(obj: dict[str, Any]) -> None:
    """Services and workloads: a ReplicaSet's template alone is most of a cluster's bytes."""
    if isinstance(obj.get("spec"), dict):
        obj["spec"] = {"selector": obj["spec"].get("selector")}
    _only_spec(obj)
    obj["metadata"].pop("annotations", None)


def _only_metadata(obj: dict[str, Any]) -> None:
    obj.pop("spec", None)
    obj.pop("status", None)
    obj["metadata"].pop("annotations", None)


def _only_spec(obj: dict[str, Any]) -> None:
    obj.pop("status", None)


def _only_phase(obj: dict[str, Any]) -> None:
    """Claims and volumes."""
    if isinstance(obj.get("status"), dict):
        obj["status"] = {"phase": obj["status"].get("phase")}


def _all_but_parameters(obj: dict[str, Any]) -> None:
    """StorageClasses."""
    obj.pop("parameters", None)


PRUNES: Final[Mapping[str, Prune]] = {
    **dict.fromkeys(RESOURCES, _only_spec),
    objects.CLAIM: _only_phase, objects.VOLUME: _only_phase, objects.STORAGE_CLASS: _all_but_parameters,
    objects.NAMESPACE: _only_metadata,
    **dict.fromkeys((objects.SERVICE, *objects.WORKLOADS), _only_selector),
}  # fmt: skip
"""What stays of each object."""


class ObjectFeed:
    """`told` is called with every change, after `objects` knows it."""

    def __init__(self, objects: Objects, acquire: Acquire | None, told: Told, log: Logger) -> None:
        self._objects = objects
        self._acquire = acquire
        self._told = told
        self._log = log
        self._sources: dict[str, tuple[Informer, Handler, Subscription]] = {}
        self._deadlines: dict[str, float] = {}
        self._missed: set[str] = set()

    async def fetch(self, kinds: Iterable[str]) -> dict[str, str]:
        """Sees to it that these kinds are known; those that are not, with the reason.

        Waits only for a kind's first list, and that once: later calls say at once how things are.
        """
        missing = [kind for kind in dict.fromkeys(kinds) if kind not in self._objects.ready]
        for kind in missing:
            self._start(kind)
        return {kind: problem for kind in missing if (problem := await self._wait(kind))}

    def _start(self, kind: str) -> None:
        if kind in self._sources:
            return
        if self._acquire is None:
            self._objects.ready.add(kind)
            return
        informer = self._acquire(RESOURCES[kind], PRUNES[kind])
        handler = self._handler(kind)
        self._sources[kind] = (informer, handler, informer.add_handler(handler))
        self._deadlines[kind] = trio.current_time() + PATIENCE_S

    async def _wait(self, kind: str) -> str:
        """Why the kind is not known; "" when it is."""
        if kind in self._objects.ready:
            return ""
        informer, _, subscription = self._sources[kind]
        with trio.move_on_at(self._deadlines[kind]):
            await informer.wait_synced()
            await subscription.wait_replayed()
        if informer.synced and subscription.pending is None:
            self._objects.ready.add(kind)
            return ""
        problem = informer.problem or "the API server has not listed them yet"
        if kind not in self._missed:
            self._missed.add(kind)
            self._log.warning("scheduler lacks objects", kind=kind, problem=problem)
        return problem

    def _handler(self, kind: str) -> Handler:
        def handle(change: Change) -> bool:
            """True: tell me again, for something unexpected happened."""
            with boundary(self._log, "object", f"{kind} {change.key}") as unit:
                if change.type == "deleted":
                    self._told(kind, self._objects.remove(kind, change.key), None)
                    return False
                try:
                    old, new = self._objects.put(kind, change.object)
                except EdgedError as error:
                    self._log.warning("object cannot be read", kind=kind, name=str(change.key), error=str(error))
                    return False
                self._told(kind, old, new)
            return unit.error is not None

        return handle

    def close(self) -> None:
        """Hears of no changes any more; the informers stay with whoever acquired them."""
        for informer, handler, _ in self._sources.values():
            informer.remove_handler(handler)
        self._sources.clear()
