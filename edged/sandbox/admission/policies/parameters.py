"""The parameters of a binding: objects that a policy's expressions read as `params`. Pure."""

from __future__ import annotations

from edged.errors import EdgedError
from edged.kube.values.names import NamespacedName
from edged.sandbox.admission.attributes import Attributes
from edged.sandbox.cluster import Cluster, Object
from edged.sandbox.kinds.resources import Resource
from edged.sandbox.reading import list_selectors

_NONE_FOUND = "no params found for policy binding with `Deny` parameterNotFoundAction"


class Misconfigured(EdgedError):
    """A binding or a policy cannot be applied to this write; its failurePolicy says what that means."""


def of_binding(cluster: Cluster, policy: Object, binding: Object, attributes: Attributes) -> list[Object | None]:
    """One evaluation is made for each. Raises Misconfigured."""
    kind, reference = policy["spec"].get("paramKind"), binding["spec"].get("paramRef")
    if not kind or not reference:
        return [None]
    resource = cluster.registry.by_kind(kind.get("apiVersion") or "", kind.get("kind") or "")
    if resource is None:
        shown = f"&ParamKind{{APIVersion:{kind.get('apiVersion')},Kind:{kind.get('kind')},}}"
        raise Misconfigured(f"paramKind kind `{shown}` not known")
    found = _found(cluster, resource, reference, _namespace(resource, reference, attributes))
    if not found and reference.get("parameterNotFoundAction") == "Deny":
        raise Misconfigured(_NONE_FOUND)
    return [cluster.present(resource, each) for each in found]


def unknown_kind(cluster: Cluster, policy: Object) -> str:
    """What is wrong with the paramKind of a policy that matched; "" if nothing."""
    kind = policy["spec"].get("paramKind")
    if not kind or cluster.registry.by_kind(kind.get("apiVersion") or "", kind.get("kind") or "") is not None:
        return ""
    group, _, version = str(kind.get("apiVersion") or "").rpartition("/")
    return f"failed to find resource referenced by paramKind: '{group}/{version}, Kind={kind.get('kind')}'"


def _namespace(resource: Resource, reference: Object, attributes: Attributes) -> str:
    named = reference.get("namespace") or ""
    if not resource.namespaced:
        if named:
            raise Misconfigured("paramRef.namespace must not be provided for a cluster-scoped `paramKind`")
        return ""
    namespace = named or attributes.namespace
    if not namespace:
        raise Misconfigured("cannot use namespaced paramRef in policy binding that matches cluster-scoped resources")
    return namespace


def _found(cluster: Cluster, resource: Resource, reference: Object, namespace: str) -> list[Object]:
    if reference.get("name"):
        found = cluster.storage.get(resource.bucket, NamespacedName(namespace, reference["name"]))
        return [] if found is None else [found]
    requirements = list_selectors.from_object(reference.get("selector"))
    listed = cluster.storage.list(resource.bucket, namespace) if namespace else cluster.storage.list(resource.bucket)
    return [each for each in listed if list_selectors.matches(requirements, each["metadata"].get("labels"))]
