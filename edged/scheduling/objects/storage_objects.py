"""Claims, volumes, classes and CSI objects as volume plugins read them, made of JSON objects. Pure.

Small values instead of objects: what no plugin reads is not kept. objects.py holds them by key; the plugins
of volumes and their binder read them. Sizes are bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from edged.kube.values import quantity
from edged.kube.values.names import NamespacedName, key_of
from edged.kube.values.selectors import (
    Labels,
    LabelSelector,
    NodeSelector,
    parse_label_selector,
    parse_node_selector,
)
from edged.scheduling.objects.csi_migration import (
    BETA_REGION,
    BETA_ZONE,
    REGION,
    ZONE,
    ZONES_DELIMITER,
    InTree,
    csi_affinity,
    in_tree,
)

BOUND: Final = "pv.kubernetes.io/bind-completed"
BOUND_BY_CONTROLLER: Final = "pv.kubernetes.io/bound-by-controller"
SELECTED_NODE: Final = "volume.kubernetes.io/selected-node"
MIGRATED_PLUGINS: Final = "storage.alpha.kubernetes.io/migrated-plugins"
NO_PROVISIONER: Final = "kubernetes.io/no-provisioner"
_BETA_CLASS: Final = "volume.beta.kubernetes.io/storage-class"
TOPOLOGY_LABELS: Final = (BETA_ZONE, BETA_REGION, ZONE, REGION)

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Claim:
    """A PersistentVolumeClaim. `bound`: the binding is complete; `selected_node` None: none was chosen;
    `size` None: it asks for no amount; `owner`: uid of its controller."""

    key: NamespacedName
    uid: str
    version: str
    storage_class: str
    volume_name: str
    bound: bool
    selected_node: str | None
    lost: bool
    deleting: bool
    modes: tuple[str, ...]
    volume_mode: str
    selector: LabelSelector | None
    size: int | None
    owner: str
    attributes_class: str

    @property
    def fully_bound(self) -> bool:
        return bool(self.volume_name) and self.bound


def parse_claim(obj: Object) -> Claim:
    """Raises QuantityError."""
    metadata, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    annotations = metadata.get("annotations") or {}
    size = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    owners = (o.get("uid") or "" for o in metadata.get("ownerReferences") or () if o.get("controller"))
    return Claim(
        key=key_of(obj),
        uid=metadata.get("uid") or "",
        version=metadata.get("resourceVersion") or "",
        storage_class=annotations.get(_BETA_CLASS, spec.get("storageClassName") or ""),
        volume_name=spec.get("volumeName") or "",
        bound=BOUND in annotations,
        selected_node=annotations.get(SELECTED_NODE),
        lost=status.get("phase") == "Lost",
        deleting=bool(metadata.get("deletionTimestamp")),
        modes=tuple(spec.get("accessModes") or ()),
        volume_mode=spec.get("volumeMode") or "Filesystem",
        selector=parse_label_selector(spec.get("selector")),
        size=None if size is None else quantity.units(size),
        owner=next(owners, ""),
        attributes_class=spec.get("volumeAttributesClassName") or "",
    )


class ClaimRef(NamedTuple):
    """Which claim a volume is for; `uid` "" when only the name is given."""

    key: NamespacedName
    uid: str

    def is_to(self, claim: Claim) -> bool:
        return self.key == claim.key and self.uid in ("", claim.uid)


class Topology(NamedTuple):
    """A zone or region label of a volume: the node must have one of the values."""

    key: str
    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class Volume:
    """A PersistentVolume. `affinity` None: every node; `csi_affinity`: the same where the in-tree plugin's work
    is done by its CSI driver; `driver` and `handle`: "" unless it is a CSI volume."""

    name: str
    version: str
    storage_class: str
    capacity: int
    modes: tuple[str, ...]
    volume_mode: str
    labels: Labels
    affinity: NodeSelector | None
    csi_affinity: NodeSelector | None
    claim: ClaimRef | None
    by_controller: bool
    available: bool
    deleting: bool
    attributes_class: str
    driver: str
    handle: str
    in_tree: InTree | None
    topologies: tuple[Topology, ...]

    def reaches(self, labels: Labels, csi_node: CSINode | None) -> bool:
        """The volume can be had on a node with these labels."""
        affinity = self.affinity
        if self.in_tree is not None and csi_node is not None and self.in_tree.plugin.name in csi_node.migrated:
            affinity = self.csi_affinity
        return affinity is None or affinity.matches("", labels)


def parse_volume(obj: Object) -> Volume:
    """Raises QuantityError."""
    metadata, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    annotations, labels = metadata.get("annotations") or {}, metadata.get("labels") or {}
    affinity = parse_node_selector((spec.get("nodeAffinity") or {}).get("required"))
    csi = spec.get("csi") or {}
    moved = None if csi else in_tree(spec, labels)
    return Volume(
        name=metadata["name"],
        version=metadata.get("resourceVersion") or "",
        storage_class=annotations.get(_BETA_CLASS, spec.get("storageClassName") or ""),
        capacity=quantity.units((spec.get("capacity") or {}).get("storage") or "0"),
        modes=tuple(spec.get("accessModes") or ()),
        volume_mode=spec.get("volumeMode") or "Filesystem",
        labels=labels,
        affinity=affinity,
        csi_affinity=csi_affinity(affinity, labels, moved.plugin) if moved else None,
        claim=_claim_ref(spec.get("claimRef")),
        by_controller=BOUND_BY_CONTROLLER in annotations,
        available=status.get("phase") == "Available",
        deleting=bool(metadata.get("deletionTimestamp")),
        attributes_class=spec.get("volumeAttributesClassName") or "",
        driver=csi.get("driver") or "",
        handle=csi.get("volumeHandle") or "",
        in_tree=moved,
        topologies=tuple(_topologies(labels)),
    )


def _claim_ref(reference: Object | None) -> ClaimRef | None:
    if reference is None:
        return None
    key = NamespacedName(reference.get("namespace") or "", reference.get("name") or "")
    return ClaimRef(key, reference.get("uid") or "")


def _topologies(labels: Labels) -> list[Topology]:
    """A label with an empty part between its delimiters says nothing."""
    topologies = []
    for key in TOPOLOGY_LABELS:
        if key in labels:
            values = frozenset(value.strip() for value in labels[key].split(ZONES_DELIMITER))
            if "" not in values:
                topologies.append(Topology(key, values))
    return topologies


@dataclass(frozen=True, slots=True)
class StorageClass:
    """`topologies`: alternatives, each label -> values of which the node has one; () allows every node."""

    name: str
    provisioner: str
    waits: bool
    topologies: tuple[tuple[tuple[str, frozenset[str]], ...], ...]

    @property
    def provisions(self) -> bool:
        return self.provisioner not in ("", NO_PROVISIONER)

    def reaches(self, labels: Labels) -> bool:
        """A volume may be provisioned for a node with these labels."""
        if not self.topologies:
            return True
        return any(term and all(labels.get(key) in values for key, values in term) for term in self.topologies)


def parse_storage_class(obj: Object) -> StorageClass:
    terms = (term.get("matchLabelExpressions") or () for term in obj.get("allowedTopologies") or ())
    return StorageClass(
        name=obj["metadata"]["name"],
        provisioner=obj.get("provisioner") or "",
        waits=obj.get("volumeBindingMode") == "WaitForFirstConsumer",
        topologies=tuple(tuple((e.get("key") or "", frozenset(e.get("values") or ())) for e in term) for term in terms),
    )


@dataclass(frozen=True, slots=True)
class CSINode:
    """`limits`: driver -> most volumes, for those that have a limit; `migrated`: in-tree plugins."""

    name: str
    drivers: frozenset[str]
    limits: Mapping[str, int]
    migrated: frozenset[str]


def parse_csi_node(obj: Object) -> CSINode:
    metadata, drivers = obj["metadata"], (obj.get("spec") or {}).get("drivers") or ()
    migrated = (metadata.get("annotations") or {}).get(MIGRATED_PLUGINS) or ""
    counts = {driver["name"]: (driver.get("allocatable") or {}).get("count") for driver in drivers}
    return CSINode(
        name=metadata["name"],
        drivers=frozenset(counts),
        limits={name: count for name, count in counts.items() if count is not None},
        migrated=frozenset(migrated.split(",")) if migrated else frozenset(),
    )


@dataclass(frozen=True, slots=True)
class CSIDriver:
    """`must_be_installed`: its volumes keep Pods away from nodes without it."""

    name: str
    tracks_capacity: bool
    must_be_installed: bool


def parse_csi_driver(obj: Object) -> CSIDriver:
    spec = obj.get("spec") or {}
    return CSIDriver(
        obj["metadata"]["name"], bool(spec.get("storageCapacity")), bool(spec.get("preventPodSchedulingIfMissing"))
    )


@dataclass(frozen=True, slots=True)
class Capacity:
    """A CSIStorageCapacity. `limit`: the largest volume there is room for, None unknown; `nodes` None: no node."""

    key: NamespacedName
    storage_class: str
    limit: int | None
    capacity: int
    nodes: LabelSelector | None


def parse_capacity(obj: Object) -> Capacity:
    """Raises QuantityError."""
    total, largest = obj.get("capacity"), obj.get("maximumVolumeSize")
    limit = total if largest is None else largest
    return Capacity(
        key=key_of(obj),
        storage_class=obj.get("storageClassName") or "",
        limit=None if limit is None else quantity.units(limit),
        capacity=0 if total is None else quantity.units(total),
        nodes=parse_label_selector(obj.get("nodeTopology")),
    )


@dataclass(frozen=True, slots=True)
class Attachment:
    """A VolumeAttachment; `volume_name` "" when it is for an inline volume."""

    name: str
    attacher: str
    node: str
    volume_name: str


def parse_attachment(obj: Object) -> Attachment:
    spec = obj.get("spec") or {}
    source = spec.get("source") or {}
    return Attachment(
        obj["metadata"]["name"],
        spec.get("attacher") or "",
        spec.get("nodeName") or "",
        source.get("persistentVolumeName") or "",
    )
