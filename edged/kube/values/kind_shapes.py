"""Which shape of shapes.py the objects of a collection have. Pure.

kube/informers.py checks with it what comes from the cluster. Kinds that are not here are read as a whole, by policies,
or are checked by who reads them.
"""

from __future__ import annotations

from typing import Final, Required, TypedDict

from edged.kube.values import shapes
from edged.kube.values.names import GroupVersionResource
from edged.kube.values.shape_checks import SHAPES

_KINDS: Final = {
    ("", "nodes"): "Node", ("", "namespaces"): "Namespace", ("", "persistentvolumes"): "PersistentVolume",
    ("storage.k8s.io", "storageclasses"): "StorageClass", ("scheduling.k8s.io", "priorityclasses"): "PriorityClass",
    ("storage.k8s.io", "csinodes"): "CSINode", ("storage.k8s.io", "csidrivers"): "CSIDriver",
    ("storage.k8s.io", "volumeattachments"): "VolumeAttachment", ("", "pods"): "Pod",
    ("", "persistentvolumeclaims"): "PersistentVolumeClaim",
    ("storage.k8s.io", "csistoragecapacities"): "CSIStorageCapacity",
    ("policy", "poddisruptionbudgets"): "PodDisruptionBudget", ("", "services"): "Service",
    ("", "replicationcontrollers"): "ReplicationController", ("apps", "replicasets"): "ReplicaSet",
    ("apps", "statefulsets"): "StatefulSet",
}  # fmt: skip


class Whole(TypedDict, total=False):
    """Of any other kind: the rest is whatever its author wrote."""

    metadata: Required[shapes.ObjectMeta]


def shape_of(resource: GroupVersionResource) -> type:
    """The shape of the objects in a collection."""
    kind = _KINDS.get((resource.group, resource.resource))
    return SHAPES[kind] if kind is not None else Whole
