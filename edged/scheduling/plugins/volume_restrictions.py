"""VolumeRestrictions: disks that one node may attach once, claims that one Pod may use (ReadWriteOncePod)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from edged.scheduling.core.cluster_events import Action, ClusterEvent, EventRegistration
from edged.scheduling.core.framework import NODE, POD, UNKNOWN, CycleState, Handle, Plugin
from edged.scheduling.core.plugin_status import Code, Status
from edged.scheduling.objects.nodes import NodeInfo
from edged.scheduling.objects.other_objects import CLAIM, NOTHING
from edged.scheduling.objects.pods import PodInfo
from edged.scheduling.plugins.volume_zone import uses_by_name

_NAME = "VolumeRestrictions"
_DISK = Status(Code.UNSCHEDULABLE, ("node(s) had no available disk",), _NAME)
_TEXT = (
    "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod"
)
_IN_USE = Status(Code.UNSCHEDULABLE, (_TEXT,), _NAME)
_SKIP = Status(Code.SKIP, (), _NAME)
_NEEDS = frozenset({CLAIM})


class InUse:
    """How often other Pods use the Pod's ReadWriteOncePod claims; `names` are the claims', all in `namespace`."""

    __slots__ = ("names", "namespace", "uses")

    def __init__(self, names: frozenset[str], namespace: str, uses: int = 0) -> None:
        self.names = names
        self.namespace = namespace
        self.uses = uses

    def clone(self) -> InUse:
        return InUse(self.names, self.namespace, self.uses)

    def count(self, other: PodInfo, step: int) -> None:
        if other.key.namespace == self.namespace:
            self.uses += step * sum(not c.ephemeral and c.name in self.names for c in other.spec.claims)


class VolumeRestrictions(Plugin):
    name = _NAME
    points = frozenset({"pre_filter", "filter"})
    depends_on = frozenset({POD, NODE, UNKNOWN})
    pre_filter_extensions = True

    def __init__(self, args: Mapping[str, object], handle: Handle) -> None:
        self._objects = handle.objects

    def events_to_register(self) -> Iterable[EventRegistration]:
        return (
            EventRegistration(ClusterEvent("Pod", Action.DELETE), _frees),
            # With a Node the Pods on it go out of sight, long before they are deleted.
            EventRegistration(ClusterEvent("Node", Action.ADD | Action.DELETE)),
            EventRegistration(ClusterEvent("PersistentVolumeClaim", Action.ADD), uses_by_name),
        )

    def skips(self, pod: PodInfo) -> bool:
        return not pod.spec.claims and not pod.spec.disks

    def needs(self, pod: PodInfo) -> frozenset[str]:
        return _NEEDS if pod.spec.claims else NOTHING

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        alone = set()
        for volume in pod.spec.claims:
            if volume.ephemeral:
                continue
            claim = self._objects.real_claim(volume.key(pod.key))
            if claim is None:
                return Status(Code.UNRESOLVABLE, (f'persistentvolumeclaim "{volume.name}" not found',), _NAME)
            if "ReadWriteOncePod" in claim.modes:
                alone.add(volume.name)
        in_use = InUse(frozenset(alone), pod.key.namespace)
        for node in nodes if alone else ():
            for other in node.volume_pods.values():
                in_use.count(other, 1)
        if not in_use.uses and not any(disk.exclusive for disk in pod.spec.disks):
            return _SKIP
        state.data[_NAME] = in_use
        return None

    def add_pod(self, state: CycleState, pod: PodInfo, added: PodInfo, node: NodeInfo) -> None:
        state.data[_NAME].count(added, 1)

    def remove_pod(self, state: CycleState, pod: PodInfo, removed: PodInfo, node: NodeInfo) -> None:
        state.data[_NAME].count(removed, -1)

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        if pod.spec.disks and any(_clash(pod, other) for other in node.volume_pods.values()):
            return _DISK
        return _IN_USE if state.data[_NAME].uses > 0 else None


def _clash(pod: PodInfo, other: PodInfo) -> bool:
    return any(mine.clashes(theirs) for mine in pod.spec.disks for theirs in other.spec.disks)


def _frees(pod: PodInfo, old: PodInfo | None, new: PodInfo | None) -> bool:
    """The deleted Pod used a disk of this Pod, or a claim, which only Pods of one namespace share."""
    if old is None:
        return False
    if _clash(pod, old):
        return True
    mine = {claim.name for claim in pod.spec.claims if not claim.ephemeral}
    return old.key.namespace == pod.key.namespace and any(not c.ephemeral and c.name in mine for c in old.spec.claims)
