"""Objects beside Pods and Nodes that plugins decide by: volumes, namespaces, what selects Pods. Pure.

The loop tells of every change (`put`, `remove`) of the kinds that were asked for; plugins read. `ready` names
the kinds that are known completely: a plugin's `needs` says which it wants for a Pod, the loop sees to it.

A claim or volume can be assumed (changed as the API server soon will): that stands until the object itself
changes, or until it is taken back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from edged.errors import EdgedError
from edged.kube.values.names import NamespacedName, key_of
from edged.kube.values.selectors import LabelSelector, Requirement, parse_label_selector
from edged.kube.values.shape_checks import check_object
from edged.scheduling.objects import storage_objects as storage
from edged.scheduling.objects.storage_objects import Capacity, Claim, CSIDriver, CSINode, StorageClass, Volume

CLAIM, VOLUME, STORAGE_CLASS = "PersistentVolumeClaim", "PersistentVolume", "StorageClass"
CSI_NODE, CSI_DRIVER, CAPACITY = "CSINode", "CSIDriver", "CSIStorageCapacity"
ATTACHMENT, NAMESPACE, SERVICE = "VolumeAttachment", "Namespace", "Service"
REPLICATION_CONTROLLER, REPLICA_SET, STATEFUL_SET = "ReplicationController", "ReplicaSet", "StatefulSet"
VOLUME_KINDS: Final = frozenset({CLAIM, VOLUME, STORAGE_CLASS, CSI_NODE, CSI_DRIVER, CAPACITY, ATTACHMENT})
WORKLOADS: Final = frozenset({REPLICATION_CONTROLLER, REPLICA_SET, STATEFUL_SET})
EVENT_RESOURCES: Final[Mapping[str, str]] = {
    **{kind: kind if kind in (CLAIM, VOLUME) else f"storage.k8s.io/{kind}" for kind in VOLUME_KINDS},
    NAMESPACE: NAMESPACE,
}
"""Kind -> resource of cluster events."""
NOTHING: Final[frozenset[str]] = frozenset()


class StaleError(EdgedError):
    """An object changed since it was looked at."""


@dataclass(frozen=True, slots=True)
class Selecting:
    """A Service or workload: which Pods of its namespace it selects."""

    key: NamespacedName
    selector: LabelSelector | None


class Space(NamedTuple):
    """A Namespace: its labels, which terms of inter-Pod affinity select by."""

    name: str
    labels: Mapping[str, str]


def _parse_simple(obj: dict[str, Any]) -> Selecting:
    """Services and ReplicationControllers: plain labels. Without any, a Service selects nothing."""
    labels = (obj.get("spec") or {}).get("selector")
    return Selecting(key_of(obj), parse_label_selector({"matchLabels": labels}) if labels is not None else None)


def _parse_workload(obj: dict[str, Any]) -> Selecting:
    return Selecting(key_of(obj), parse_label_selector((obj.get("spec") or {}).get("selector")))


def _parse_space(obj: dict[str, Any]) -> Space:
    return Space(obj["metadata"]["name"], obj["metadata"].get("labels") or {})


PARSERS: Final[Mapping[str, Callable[[dict[str, Any]], Any]]] = {
    CLAIM: storage.parse_claim, VOLUME: storage.parse_volume, STORAGE_CLASS: storage.parse_storage_class,
    CSI_NODE: storage.parse_csi_node, CSI_DRIVER: storage.parse_csi_driver, CAPACITY: storage.parse_capacity,
    ATTACHMENT: storage.parse_attachment, NAMESPACE: _parse_space, SERVICE: _parse_simple,
    REPLICATION_CONTROLLER: _parse_simple, REPLICA_SET: _parse_workload, STATEFUL_SET: _parse_workload,
}  # fmt: skip


class Objects:
    """See the file's docstring. `generation` rises with every change of what selects Pods."""

    def __init__(self) -> None:
        self.ready: set[str] = set()
        self.generation = 0
        self._known: dict[str, dict[NamespacedName, Any]] = {kind: {} for kind in PARSERS}
        self._assumed_claims: dict[NamespacedName, Claim] = {}
        self._assumed_volumes: dict[NamespacedName, Volume] = {}
        self._groups: dict[tuple[str, str], dict[NamespacedName, Any]] = {}

    # --- telling

    def put(self, kind: str, obj: dict[str, object]) -> tuple[Any, Any]:
        """An object was added or changed. Returns it as it was before, and as it is now. Raises ShapeError, and
        stays as it was."""
        check_object(kind, obj)
        key = key_of(obj)
        new = PARSERS[kind](obj)
        old = self._exchange(kind, key, new)
        return old, new

    def remove(self, kind: str, key: NamespacedName) -> Any:
        """An object is gone. Returns it as it was before."""
        return self._exchange(kind, key, None)

    def _exchange(self, kind: str, key: NamespacedName, new: object) -> Any:
        objects = self._known[kind]
        old = objects.pop(key, None)
        if old is not None:
            self._ungroup(kind, key, old)
        if new is not None:
            objects[key] = new
            group = _group(kind, key, new)
            if group is not None:
                self._groups.setdefault((kind, group), {})[key] = new
        if kind in (CLAIM, VOLUME):
            self._expire(kind, key, new)
        elif kind in WORKLOADS or kind == SERVICE:
            self.generation += 1
        return old

    def _ungroup(self, kind: str, key: NamespacedName, old: object) -> None:
        group = _group(kind, key, old)
        members = self._groups.get((kind, group)) if group is not None else None
        if members is not None and group is not None:
            members.pop(key, None)
            if not members:
                del self._groups[kind, group]

    def _expire(self, kind: str, key: NamespacedName, new: Any) -> None:
        """An assumption ends with the version it was made of."""
        assumed: dict[NamespacedName, Any] = self._assumed_claims if kind == CLAIM else self._assumed_volumes
        if key in assumed and (new is None or new.version != assumed[key].version):
            del assumed[key]

    # --- reading

    def claim(self, key: NamespacedName) -> Claim | None:
        """The claim, as a binding has assumed it where one did."""
        return self._assumed_claims.get(key) or self.real_claim(key)

    def real_claim(self, key: NamespacedName) -> Claim | None:
        """The claim as the API server last sent it."""
        claim: Claim | None = self._known[CLAIM].get(key)
        return claim

    def volume(self, name: str) -> Volume | None:
        """The volume, as a binding has assumed it where one did."""
        return self._assumed_volumes.get(NamespacedName("", name)) or self.real_volume(name)

    def real_volume(self, name: str) -> Volume | None:
        """The volume as the API server last sent it."""
        volume: Volume | None = self._known[VOLUME].get(NamespacedName("", name))
        return volume

    def volumes_of_class(self, storage_class: str) -> list[Volume]:
        """The volumes of the class, with the changes that bindings have assumed."""
        members = self._groups.get((VOLUME, storage_class), {})
        assumed = self._assumed_volumes
        return [assumed.get(key, volume) for key, volume in members.items()]

    def storage_class(self, name: str) -> StorageClass | None:
        return self._known[STORAGE_CLASS].get(NamespacedName("", name))

    def csi_node(self, name: str) -> CSINode | None:
        return self._known[CSI_NODE].get(NamespacedName("", name))

    def csi_driver(self, name: str) -> CSIDriver | None:
        return self._known[CSI_DRIVER].get(NamespacedName("", name))

    def capacities(self, storage_class: str) -> Iterable[Capacity]:
        return self._groups.get((CAPACITY, storage_class), {}).values()

    def attachments(self, node: str) -> Iterable[storage.Attachment]:
        return self._groups.get((ATTACHMENT, node), {}).values()

    def namespace_labels(self, name: str) -> Mapping[str, str] | None:
        """None: there is no such namespace, or none that is known."""
        space: Space | None = self._known[NAMESPACE].get(NamespacedName("", name))
        return None if space is None else space.labels

    def service_requirements(self, namespace: str, labels: Mapping[str, str]) -> dict[str, Requirement]:
        """The requirements of the Services that select these labels, by label key."""
        requirements: dict[str, Requirement] = {}
        for service in self._groups.get((SERVICE, namespace), {}).values():
            if service.selector is not None and service.selector.matches(labels):
                requirements |= {requirement.key: requirement for requirement in service.selector.requirements}
        return requirements

    def workload_selector(self, kind: str, key: NamespacedName) -> LabelSelector | None:
        workload = self._known[kind].get(key)
        return workload.selector if workload is not None else None

    # --- assuming

    def assume_claim(self, claim: Claim) -> None:
        """StaleError when it is not of the version that is known."""
        self._check(claim.key, self.real_claim(claim.key), claim)
        self._assumed_claims[claim.key] = claim

    def assume_volume(self, volume: Volume) -> None:
        """StaleError when it is not of the version that is known."""
        key = NamespacedName("", volume.name)
        self._check(key, self.real_volume(volume.name), volume)
        self._assumed_volumes[key] = volume

    def _check(self, key: NamespacedName, real: Claim | Volume | None, assumed: Claim | Volume) -> None:
        if real is None:
            raise StaleError(f'"{key}" is gone')
        if real.version != assumed.version:
            raise StaleError(f'"{key}" is out of sync (stored: {real.version}, assume: {assumed.version})')

    def restore_claim(self, claim: Claim) -> None:
        """Take this assumption back, if it still stands."""
        if self._assumed_claims.get(claim.key) is claim:
            del self._assumed_claims[claim.key]

    def restore_volume(self, volume: Volume) -> None:
        """Take this assumption back, if it still stands."""
        key = NamespacedName("", volume.name)
        if self._assumed_volumes.get(key) is volume:
            del self._assumed_volumes[key]


def _group(kind: str, key: NamespacedName, value: Any) -> str | None:
    """What objects of a kind are looked up by, beside their key."""
    if kind in (VOLUME, CAPACITY):
        group: str = value.storage_class
        return group
    if kind == ATTACHMENT:
        node: str = value.node
        return node
    return key.namespace if kind == SERVICE else None
