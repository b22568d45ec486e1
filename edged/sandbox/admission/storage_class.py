"""DefaultStorageClass: a claim that names no class gets the one that is marked as default. Pure."""

from __future__ import annotations

from edged.kube.defaults.cluster_objects import default_class, has_class
from edged.sandbox.admission.attributes import Attributes
from edged.sandbox.admission.plugin import Plugin
from edged.sandbox.cluster import Cluster, Object


def admit(cluster: Cluster, _attributes: Attributes, claim: Object, _old: Object) -> None:
    name = None if has_class(claim) else default_class(cluster.storage.list("storageclasses.storage.k8s.io"))
    if name is not None:
        claim.setdefault("spec", {})["storageClassName"] = name


PLUGIN = Plugin("DefaultStorageClass", ("persistentvolumeclaims",), admit=admit)
