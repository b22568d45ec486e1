"""NamespaceLifecycle: nothing new where the namespace is missing or ending; some namespaces cannot be deleted. Pure."""

from __future__ import annotations

from typing import Final

from edged.kube.values.names import NamespacedName
from edged.sandbox.admission.attributes import Attributes
from edged.sandbox.admission.plugin import CREATE, DELETE, Plugin
from edged.sandbox.cluster import Cluster, Object
from edged.sandbox.protocol.api_status import Cause, Named, not_found

NAMESPACES: Final = Named("", "Namespace", "namespaces")
IMMORTAL: Final = ("default", "kube-system", "kube-public")


def admit(cluster: Cluster, attributes: Attributes, obj: Object, _old: Object) -> None:
    if attributes.resource.bucket == "namespaces":
        if attributes.operation == DELETE and attributes.name in IMMORTAL:
            raise attributes.forbidden(obj, "this namespace may not be deleted")
        return
    name = attributes.namespace
    if attributes.operation != CREATE or not name or not attributes.resource.namespaced:
        return
    namespace = cluster.storage.get("namespaces", NamespacedName("", name))
    if namespace is None:
        raise not_found(NAMESPACES, name)
    if (namespace.get("status") or {}).get("phase") == "Terminating":
        why = f"unable to create new content in namespace {name} because it is being terminated"
        cause = Cause("metadata.namespace", f"namespace {name} is being terminated", "NamespaceTerminating")
        raise attributes.forbidden(obj, why, [cause])


class _All(Plugin):
    """Subresources, too."""

    __slots__ = ()

    def handles(self, attributes: Attributes) -> bool:
        return attributes.operation in self.operations


PLUGIN = _All("NamespaceLifecycle", operations=(CREATE, DELETE), admit=admit)
