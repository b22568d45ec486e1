"""NodeVolumeLimits: no more volumes of a CSI driver on a node than its CSINode allows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from edged.scheduling.core.cluster_events import Action, ClusterEvent, EventRegistration
from edged.scheduling.core.framework import NODE, POD, UNKNOWN, CycleState, Handle, Plugin
from edged.scheduling.core.plugin_status import Code, Status
from edged.scheduling.objects.csi_migration import DRIVERS
from edged.scheduling.objects.nodes import NodeInfo
from edged.scheduling.objects.other_objects import NOTHING, VOLUME_KINDS
from edged.scheduling.objects.pods import PodInfo
from edged.scheduling.objects.storage_objects import Attachment, Claim, CSIDriver, CSINode

_NAME = "NodeVolumeLimits"
_FULL = Status(Code.UNSCHEDULABLE, ("node(s) exceed max volume count",), _NAME)
_SKIP = Status(Code.SKIP, (), _NAME)
Mounts = dict[str, str]  # unique name of a volume -> driver


class NodeVolumeLimits(Plugin):
    name = _NAME
    points = frozenset({"pre_filter", "filter"})
    depends_on = frozenset({POD, NODE, UNKNOWN})

    def __init__(self, args: Mapping[str, object], handle: Handle) -> None:
        self._objects = handle.objects

    def events_to_register(self) -> Iterable[EventRegistration]:
        return (
            EventRegistration(ClusterEvent("storage.k8s.io/CSINode", Action.ADD | Action.DELETE)),
            EventRegistration(ClusterEvent("storage.k8s.io/CSINode", Action.UPDATE), _allows_more),
            EventRegistration(ClusterEvent("storage.k8s.io/CSIDriver", Action.UPDATE | Action.DELETE), _asks_less),
            EventRegistration(ClusterEvent("Node", Action.ADD)),  # kube-scheduler waits for its CSINode
            EventRegistration(ClusterEvent("Pod", Action.ADD), _shares_a_claim),
            EventRegistration(ClusterEvent("Pod", Action.DELETE), _had_volumes),
            EventRegistration(ClusterEvent("PersistentVolumeClaim", Action.ADD), uses_claim),
            EventRegistration(ClusterEvent("storage.k8s.io/VolumeAttachment", Action.DELETE), _detached),
        )

    def skips(self, pod: PodInfo) -> bool:
        return not _counts(pod)

    def needs(self, pod: PodInfo) -> frozenset[str]:
        return VOLUME_KINDS if _counts(pod) else NOTHING

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        return None if _counts(pod) else _SKIP

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        csi_node = self._objects.csi_node(node.name)
        new: Mounts = {}
        status = self._mount(pod, csi_node, new)
        if status is not None:
            return status
        if not new:
            return None
        status = self._missing_driver(new, csi_node)
        if status is not None or csi_node is None or not csi_node.limits:
            return status
        return self._over_limit(new, node, csi_node)

    def _over_limit(self, new: Mounts, node: NodeInfo, csi_node: CSINode) -> Status | None:
        used: Mounts = {}
        for other in node.volume_pods.values():
            status = self._mount(other, csi_node, used, required=False)
            if status is not None:
                return status
        there = Counter((used | self._attached(node.name)).values())
        # A volume that is attached but used by no Pod here counts too, as in kube-scheduler.
        added = Counter(driver for volume, driver in new.items() if volume not in used)
        for driver, count in added.items():
            limit = csi_node.limits.get(driver)
            if limit is not None and there[driver] + count > limit:
                return _FULL
        return None

    def _missing_driver(self, new: Mounts, csi_node: CSINode | None) -> Status | None:
        for name in dict.fromkeys(new.values()):
            driver = self._objects.csi_driver(name)
            installed = csi_node is not None and name in csi_node.drivers
            if driver is not None and driver.must_be_installed and not installed:
                return Status(Code.UNSCHEDULABLE, (f"{name} CSI driver is not installed on the node",), _NAME)
        return None

    def _mount(self, pod: PodInfo, csi_node: CSINode | None, into: Mounts, *, required: bool = True) -> Status | None:
        """Notes the volumes of a Pod. `required`: its claims must be there."""
        for disk in pod.spec.disks:
            if disk.migrated is not None and disk.migrated.handle and csi_node is not None:
                driver = disk.migrated.plugin.driver
                into[f"{driver}/{disk.migrated.handle}"] = driver
        for volume in pod.spec.claims:
            key = volume.key(pod.key)
            claim = self._objects.real_claim(key)
            if claim is None:
                if required:
                    reason = f'looking up PVC {key}: persistentvolumeclaim "{key.name}" not found'
                    return Status(Code.UNRESOLVABLE, (reason,), _NAME)
                continue
            if volume.ephemeral and claim.owner != pod.uid:
                return Status(Code.ERROR, (not_owner(claim, pod),), _NAME)
            driver, handle = self._source(claim, csi_node)
            if driver and handle:
                into[f"{driver}/{handle}"] = driver
        return None

    def _source(self, claim: Claim, csi_node: CSINode | None) -> tuple[str, str]:
        """(driver, handle) of a claim's volume; "" for what is not counted."""
        volume = self._objects.real_volume(claim.volume_name) if claim.volume_name else None
        if volume is None:
            return self._to_provision(claim, csi_node)
        if volume.in_tree is None:
            return volume.driver, volume.handle
        return (volume.in_tree.plugin.driver, volume.in_tree.handle) if csi_node is not None else ("", "")

    def _to_provision(self, claim: Claim, csi_node: CSINode | None) -> tuple[str, str]:
        """A volume that is still to be made counts under the claim's name."""
        kind = self._objects.storage_class(claim.storage_class) if claim.storage_class else None
        if kind is None:
            return "", ""
        driver = DRIVERS.get(kind.provisioner)
        if driver is not None and csi_node is None:
            return "", ""
        return driver or kind.provisioner, f"unbound claim {claim.key}"

    def _attached(self, node: str) -> Mounts:
        """Volumes that are attached to a node, used by a Pod or not."""
        attached = {}
        for attachment in self._objects.attachments(node):
            volume = self._objects.real_volume(attachment.volume_name) if attachment.volume_name else None
            if attachment.attacher and volume is not None and volume.driver:
                attached[f"{attachment.attacher}/{volume.handle}"] = attachment.attacher
        return attached


def not_owner(claim: Claim, pod: PodInfo) -> str:
    """The text for a claim that has the name of an ephemeral volume but was not made for the Pod."""
    return f"PVC {claim.key} was not created for pod {pod.key} (pod is not owner)"


def _counts(pod: PodInfo) -> bool:
    return bool(pod.spec.claims) or any(disk.migrated is not None for disk in pod.spec.disks)


def uses_claim(pod: PodInfo, old: Claim | None, new: Claim | None) -> bool:
    """Hint: a claim of the Pod came or changed."""
    return new is not None and any(volume.key(pod.key) == new.key for volume in pod.spec.claims)


def _allows_more(pod: PodInfo, old: CSINode | None, new: CSINode | None) -> bool:
    """A limit was raised or is gone, or a driver was installed."""
    if old is None or new is None or not new.drivers <= old.drivers:
        return True
    return any(new.limits.get(driver, limit + 1) > limit for driver, limit in old.limits.items())


def _asks_less(pod: PodInfo, old: CSIDriver | None, new: CSIDriver | None) -> bool:
    return old is not None and old.must_be_installed and (new is None or not new.must_be_installed)


def _had_volumes(pod: PodInfo, old: PodInfo | None, new: PodInfo | None) -> bool:
    return old is not None and _counts(old)


def _shares_a_claim(pod: PodInfo, old: PodInfo | None, new: PodInfo | None) -> bool:
    """The volume is on the other Pod's node already, and counts once."""
    if new is None:
        return False
    there = {claim.key(new.key) for claim in new.spec.claims}
    return any(claim.key(pod.key) in there for claim in pod.spec.claims)


def _detached(pod: PodInfo, old: Attachment | None, new: Attachment | None) -> bool:
    if old is None or any(not claim.ephemeral for claim in pod.spec.claims):
        return True
    return any(disk.migrated is not None and disk.migrated.plugin.driver == old.attacher for disk in pod.spec.disks)
