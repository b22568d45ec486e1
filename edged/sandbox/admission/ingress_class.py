"""DefaultIngressClass: an Ingress that names no class gets the one that is marked as default. Pure."""

from __future__ import annotations

from edged.kube.defaults.cluster_objects import newest_marked
from edged.kube.defaults.pod_spec import object_at
from edged.sandbox.admission.attributes import Attributes
from edged.sandbox.admission.plugin import Plugin
from edged.sandbox.cluster import Cluster, Object

_DEFAULT = ("ingressclass.kubernetes.io/is-default-class",)
_ANNOTATION = "kubernetes.io/ingress.class"


def admit(cluster: Cluster, _attributes: Attributes, ingress: Object, _old: Object) -> None:
    spec = ingress.setdefault("spec", {})
    if spec.get("ingressClassName") is not None or _ANNOTATION in object_at(ingress["metadata"], "annotations"):
        return
    name = newest_marked(cluster.storage.list("ingressclasses.networking.k8s.io"), _DEFAULT)
    if name is not None:
        spec["ingressClassName"] = name


PLUGIN = Plugin("DefaultIngressClass", ("ingresses.networking.k8s.io",), admit=admit)
