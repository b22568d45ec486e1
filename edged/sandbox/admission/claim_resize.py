"""PersistentVolumeClaimResize: claims grow only when they are bound and their class allows it. Pure."""

from __future__ import annotations

from contextlib import suppress

from edged.kube.defaults.cluster_objects import class_of
from edged.kube.defaults.pod_spec import object_at
from edged.kube.values.names import NamespacedName
from edged.kube.values.quantity import QuantityError, nano
from edged.sandbox.admission.attributes import Attributes
from edged.sandbox.admission.plugin import UPDATE, Plugin
from edged.sandbox.cluster import Cluster, Object

_UNBOUND = "Only bound persistent volume claims can be expanded"
_FIXED = (
    "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize"
)


def validate(cluster: Cluster, attributes: Attributes, claim: Object, old: Object) -> None:
    if _size(claim) <= _size(old):
        return
    if object_at(old, "status").get("phase") != "Bound":
        raise attributes.forbidden(claim, _UNBOUND)
    name = class_of(claim)
    found = cluster.storage.get("storageclasses.storage.k8s.io", NamespacedName("", name))
    if not name or name != class_of(old) or not (found or {}).get("allowVolumeExpansion"):
        raise attributes.forbidden(claim, _FIXED)


def _size(claim: Object) -> int:
    requests = object_at(object_at(object_at(claim, "spec"), "resources"), "requests")
    with suppress(QuantityError):
        return nano(requests.get("storage"))
    return 0


PLUGIN = Plugin("PersistentVolumeClaimResize", ("persistentvolumeclaims",), (UPDATE,), validate=validate)
