"""What a Pod's volumes mean for where it may run: claims, disks that do not share. Pure; used by pods.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from edged.kube.values.names import NamespacedName
from edged.scheduling.objects.csi_migration import IN_TREE, InTree, in_tree

if TYPE_CHECKING:
    from edged.kube.values.shapes import PodSpec

_EXCLUSIVE: Final = ("gcePersistentDisk", "awsElasticBlockStore", "iscsi", "rbd")
_FIELDS: Final = ("persistentVolumeClaim", "ephemeral", *dict.fromkeys((*_EXCLUSIVE, *IN_TREE)))


class PodClaim(NamedTuple):
    """A volume that is a claim. `ephemeral`: `name` is the volume's, and the claim is made for the Pod."""

    name: str
    ephemeral: bool

    def key(self, pod: NamespacedName) -> NamespacedName:
        """Of the claim that this Pod means."""
        name = f"{pod.name}-{self.name}" if self.ephemeral else self.name
        return NamespacedName(pod.namespace, name)


class Disk(NamedTuple):
    """A volume that is a disk itself. An `exclusive` disk is used at most once per node, unless all uses are read-only.
    Two disks are the same when `rest` (the pool) is equal and `monitors` overlap, where there are any."""

    kind: str
    name: str
    rest: str
    monitors: frozenset[str]
    read_only: bool
    exclusive: bool
    migrated: InTree | None

    def clashes(self, other: Disk) -> bool:
        if (self.kind, self.name, self.rest) != (other.kind, other.name, other.rest) or not self.exclusive:
            return False
        if self.kind == "rbd" and self.monitors.isdisjoint(other.monitors):
            return False
        return not (self.read_only and other.read_only)


def relevant_volumes(spec: PodSpec) -> list[object]:
    """Everything of the volumes that `claims` and `disks` read, for a fingerprint."""
    relevant: list[object] = []
    volumes: Sequence[Mapping[str, object]] = spec.get("volumes") or ()
    for volume in volumes:
        for field in _FIELDS:
            if field in volume:
                name = volume.get("name") if field == "ephemeral" else ""
                relevant.append([field, name, None if field == "ephemeral" else volume[field]])
    return relevant


def claims(spec: PodSpec) -> tuple[PodClaim, ...]:
    pod_claims = []
    for volume in spec.get("volumes") or ():
        claim = volume.get("persistentVolumeClaim")
        if claim:
            pod_claims.append(PodClaim(claim.get("claimName") or "", False))
        elif volume.get("ephemeral") is not None:
            pod_claims.append(PodClaim(volume.get("name") or "", True))
    return tuple(pod_claims)


def disks(spec: PodSpec) -> tuple[Disk, ...]:
    return tuple(
        _disk(field, volume)
        for volume in spec.get("volumes") or ()
        for field in _FIELDS[2:]
        if volume.get(field) is not None
    )


def _disk(field: str, volume: Mapping[str, Any]) -> Disk:
    given = volume[field]
    name, rest, monitors = "", "", frozenset[str]()
    read_only = bool(given.get("readOnly"))
    match field:
        case "gcePersistentDisk":
            name = given.get("pdName") or ""
        case "awsElasticBlockStore":
            name, read_only = given.get("volumeID") or "", False  # not shared for reading either
        case "iscsi":
            name = given.get("iqn") or ""
        case "rbd":
            name, rest = given.get("image") or "", given.get("pool") or ""
            monitors = frozenset(given.get("monitors") or ())
    return Disk(field, name, rest, monitors, read_only, field in _EXCLUSIVE, in_tree(volume))
