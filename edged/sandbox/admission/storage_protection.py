"""StorageObjectInUseProtection: volumes, claims and their classes stay while they are used. Pure."""

from __future__ import annotations

from typing import Final

from edged.sandbox.admission.attributes import Attributes
from edged.sandbox.admission.plugin import Plugin
from edged.sandbox.cluster import Cluster, Object

FINALIZERS: Final = {
    "persistentvolumes": "kubernetes.io/pv-protection",
    "persistentvolumeclaims": "kubernetes.io/pvc-protection",
    "volumeattributesclasses.storage.k8s.io": "kubernetes.io/vac-protection",
}
"""bucket -> the finalizer that its objects get. Source: pkg/volume/util/finalizer.go."""


def admit(_cluster: Cluster, attributes: Attributes, obj: Object, _old: Object) -> None:
    finalizer, metadata = FINALIZERS[attributes.resource.bucket], obj["metadata"]
    present = list(metadata.get("finalizers") or ())
    if finalizer not in present:
        metadata["finalizers"] = [*present, finalizer]


PLUGIN = Plugin("StorageObjectInUseProtection", tuple(FINALIZERS), admit=admit)
