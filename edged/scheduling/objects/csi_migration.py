"""Volume sources that Kubernetes once served itself, as the CSI drivers that serve them now. Pure.

Only what scheduling asks: which driver and volume handle such a source counts as, and which node labels its
topology means. The names are those of Kubernetes 1.37; azureFile and vsphereVolume are not counted there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from edged.kube.values.selectors import NodeSelector, NodeTerm, Requirement

ZONE: Final = "topology.kubernetes.io/zone"
REGION: Final = "topology.kubernetes.io/region"
BETA_ZONE: Final = "failure-domain.beta.kubernetes.io/zone"
BETA_REGION: Final = "failure-domain.beta.kubernetes.io/region"
ZONES_DELIMITER: Final = "__"
_EBS_URL: Final = re.compile(r"aws://[^/]*/+(vol-[^/]*)/*")
_UNKNOWN: Final = "UNSPECIFIED"


class InTreePlugin(NamedTuple):
    """`topology_key` "": its volumes' zones are not translated."""

    name: str
    driver: str
    topology_key: str


# Field of a volume source -> (its plugin, the field with the volume's name).
IN_TREE: Final[Mapping[str, tuple[InTreePlugin, str]]] = {
    "awsElasticBlockStore": (
        InTreePlugin("kubernetes.io/aws-ebs", "ebs.csi.aws.com", "topology.ebs.csi.aws.com/zone"), "volumeID",
    ),
    "gcePersistentDisk": (
        InTreePlugin("kubernetes.io/gce-pd", "pd.csi.storage.gke.io", "topology.gke.io/zone"), "pdName",
    ),
    "azureDisk": (InTreePlugin("kubernetes.io/azure-disk", "disk.csi.azure.com", ""), "diskURI"),
    "cinder": (
        InTreePlugin("kubernetes.io/cinder", "cinder.csi.openstack.org", "topology.cinder.csi.openstack.org/zone"),
        "volumeID",
    ),
    "portworxVolume": (InTreePlugin("kubernetes.io/portworx-volume", "pxd.portworx.com", ""), "volumeID"),
}  # fmt: skip
DRIVERS: Final[Mapping[str, str]] = {plugin.name: plugin.driver for plugin, _ in IN_TREE.values()}
"""Provisioner of a StorageClass -> the driver that does its work."""


class InTree(NamedTuple):
    """One volume of an in-tree plugin. `handle` is "" where it cannot be determined; then the volume is not counted."""

    plugin: InTreePlugin
    handle: str


def in_tree(source: Mapping[str, Any], labels: Mapping[str, str] | None = None) -> InTree | None:
    """The in-tree volume that a Pod's volume or a PersistentVolume's spec (with its labels) describes. None: another
    kind of volume."""
    for field, (plugin, name) in IN_TREE.items():
        given = source.get(field)
        if given:
            return InTree(plugin, _handle(field, given.get(name) or "", labels or {}))
    return None


def _handle(field: str, name: str, labels: Mapping[str, str]) -> str:
    if field == "gcePersistentDisk":
        return _gce_handle(name, labels)
    if field == "awsElasticBlockStore" and name.startswith("aws://"):
        url = _EBS_URL.fullmatch(name)
        return url[1] if url else ""
    return name


def _gce_handle(name: str, labels: Mapping[str, str]) -> str:
    zones = (labels.get(BETA_ZONE) or labels.get(ZONE) or "").split(ZONES_DELIMITER)
    if len(zones) == 1:
        return f"projects/{_UNKNOWN}/zones/{zones[0] or _UNKNOWN}/disks/{name}"
    regions = {zone.rpartition("-")[0] for zone in zones}
    return f"projects/{_UNKNOWN}/regions/{regions.pop()}/disks/{name}" if len(regions) == 1 else ""


def csi_affinity(affinity: NodeSelector | None, labels: Mapping[str, str], plugin: InTreePlugin) -> NodeSelector | None:
    """A PersistentVolume's node affinity in the terms of the driver: its own zone label instead of Kubernetes'."""
    if not plugin.topology_key:
        return affinity
    keys = {e.key for term in (affinity.terms if affinity else ()) for e in term.expressions}
    zone = next((key for present in (keys, labels) for key in (ZONE, BETA_ZONE) if key in present), ZONE)
    renamed = {zone: plugin.topology_key} | ({BETA_REGION: REGION} if zone == BETA_ZONE else {})
    if zone in keys and affinity is not None:
        return NodeSelector(tuple(_renamed(term, renamed) for term in affinity.terms))
    zones = sorted({part.strip() for part in labels.get(zone, "").split(ZONES_DELIMITER)} - {""})
    terms = affinity.terms if affinity else ()
    if not zones:
        return affinity
    there = Requirement(plugin.topology_key, "In", tuple(zones))
    return NodeSelector(
        tuple(NodeTerm((*term.expressions, there), term.fields) for term in terms or (NodeTerm((), ()),))
    )


def _renamed(term: NodeTerm, keys: Mapping[str, str]) -> NodeTerm:
    return NodeTerm(tuple(e._replace(key=keys.get(e.key, e.key)) for e in term.expressions), term.fields)
