"""VolumeZone: a bound volume with zone or region labels is used on nodes of one of its zones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from edged.scheduling.core.cluster_events import Action, ClusterEvent, EventRegistration
from edged.scheduling.core.framework import NODE, POD, UNKNOWN, CycleState, Handle, Plugin
from edged.scheduling.core.plugin_status import Code, Status
from edged.scheduling.objects.csi_migration import BETA_REGION, BETA_ZONE, REGION, ZONE
from edged.scheduling.objects.nodes import NodeInfo
from edged.scheduling.objects.other_objects import CLAIM, NOTHING, STORAGE_CLASS, VOLUME
from edged.scheduling.objects.pods import PodInfo
from edged.scheduling.objects.storage_objects import TOPOLOGY_LABELS, Claim, StorageClass, Topology, Volume

_NAME = "VolumeZone"
_ELSEWHERE = Status(Code.UNRESOLVABLE, ("node(s) had no available volume zone",), _NAME)
_SKIP = Status(Code.SKIP, (), _NAME)
_TODAY = {BETA_ZONE: ZONE, BETA_REGION: REGION}
_NEEDS = frozenset({CLAIM, VOLUME, STORAGE_CLASS})


class VolumeZone(Plugin):
    name = _NAME
    points = frozenset({"pre_filter", "filter"})
    depends_on = frozenset({POD, NODE, UNKNOWN})

    def __init__(self, args: Mapping[str, object], handle: Handle) -> None:
        self._objects = handle.objects

    def events_to_register(self) -> Iterable[EventRegistration]:
        changed = Action.ADD | Action.UPDATE
        return (
            EventRegistration(ClusterEvent("storage.k8s.io/StorageClass", Action.ADD), _waits),
            EventRegistration(ClusterEvent("Node", Action.ADD | Action.UPDATE_NODE_LABEL)),
            EventRegistration(ClusterEvent("PersistentVolumeClaim", changed), uses_by_name),
            EventRegistration(ClusterEvent("PersistentVolume", changed), _moved),
        )

    def skips(self, pod: PodInfo) -> bool:
        return not pod.spec.claims

    def needs(self, pod: PodInfo) -> frozenset[str]:
        return _NEEDS if pod.spec.claims else NOTHING

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        topologies: list[Topology] = []
        for volume in pod.spec.claims:
            if volume.ephemeral:
                continue
            claim = self._objects.real_claim(volume.key(pod.key))
            if claim is None:
                return _unresolvable(f'persistentvolumeclaim "{volume.name}" not found')
            problem = self._look_up(claim, topologies)
            if problem:
                return _unresolvable(problem)
        state.data[_NAME] = topologies
        return None if topologies else _SKIP

    def _look_up(self, claim: Claim, topologies: list[Topology]) -> str:
        """Adds what the claim's volume demands; why that cannot be told, or ""."""
        if not claim.volume_name:
            return self._unbound(claim)
        volume = self._objects.real_volume(claim.volume_name)
        if volume is None:
            return f'persistentvolume "{claim.volume_name}" not found'
        topologies += volume.topologies
        return ""

    def _unbound(self, claim: Claim) -> str:
        if not claim.storage_class:
            return "PersistentVolumeClaim had no pv name and storageClass name"
        kind = self._objects.storage_class(claim.storage_class)
        if kind is None:
            return f'storageclass.storage.k8s.io "{claim.storage_class}" not found'
        return "" if kind.waits else "PersistentVolume had no name"

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        labels = node.labels
        if not any(key in labels for key in TOPOLOGY_LABELS):
            return None  # of a cluster that knows no zones
        for key, values in state.data[_NAME]:
            value = labels.get(key, labels.get(_TODAY.get(key, key)))
            if value is None or value not in values:
                return _ELSEWHERE
        return None


def _unresolvable(reason: str) -> Status:
    return Status(Code.UNRESOLVABLE, (reason,), _NAME)


def uses_by_name(pod: PodInfo, old: Claim | None, new: Claim | None) -> bool:
    """Hint: a claim that the Pod names (not one made for it) came or changed."""
    return new is not None and any(not c.ephemeral and c.key(pod.key) == new.key for c in pod.spec.claims)


def _waits(pod: PodInfo, old: StorageClass | None, new: StorageClass | None) -> bool:
    return new is not None and new.waits


def _moved(pod: PodInfo, old: Volume | None, new: Volume | None) -> bool:
    return new is not None and (old is None or old.topologies != new.topologies)
