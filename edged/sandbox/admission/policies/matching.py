"""Whether matchConstraints of a policy, or matchResources of a binding, cover a write. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from edged.kube.values.names import NamespacedName
from edged.sandbox.admission.attributes import Attributes
from edged.sandbox.cluster import Cluster, Object
from edged.sandbox.kinds.resources import Resource
from edged.sandbox.protocol.api_status import Named, not_found
from edged.sandbox.reading import list_selectors

_GROUP = "admissionregistration.k8s.io"
_REVIEWS = ("authentication.k8s.io", "authorization.k8s.io")
NAMESPACES = Named("", "Namespace", "namespaces")


def exempt(attributes: Attributes) -> bool:
    """Writes that no policy looks at: policies and webhooks themselves, and reviews, which are not stored."""
    return attributes.resource.group == _GROUP or (
        attributes.resource.group in _REVIEWS and not attributes.resource.bucket
    )


def matched(
    cluster: Cluster, constraints: Object, attributes: Attributes, obj: Object | None, old: Object | None
) -> Resource | None:
    """The resource in whose form the policy sees the object; None where it is not covered. Raises ApiStatus for a
    namespace that does not exist."""
    if not _namespace_fits(cluster, constraints.get("namespaceSelector"), attributes, obj):
        return None
    if not _object_fits(constraints.get("objectSelector"), obj, old):
        return None
    exact = constraints.get("matchPolicy") == "Exact"
    excluded, wanted = constraints.get("excludeResourceRules") or (), constraints.get("resourceRules") or ()
    if _by_rules(cluster, excluded, attributes, exact=exact) is not None:
        return None
    return _by_rules(cluster, wanted, attributes, exact=exact) if wanted else attributes.resource


def _by_rules(
    cluster: Cluster, rules: list[Object] | tuple[Object, ...], attributes: Attributes, *, exact: bool
) -> Resource | None:
    for rule in rules:
        if _rule_fits(rule, attributes, attributes.resource):
            return attributes.resource
    if exact:
        return None
    for rule in rules:
        for other in _equivalents(cluster, attributes.resource):
            if _rule_fits(rule, attributes, other):
                return other
    return None


def _equivalents(cluster: Cluster, resource: Resource) -> Iterator[Resource]:
    """Other versions and groups under which the same objects are served."""
    if resource.bucket:
        yield from (each for each in cluster.registry if each.bucket == resource.bucket and each is not resource)


def _rule_fits(rule: Object, attributes: Attributes, resource: Resource) -> bool:
    names = rule.get("resourceNames") or ()
    return (
        _scope_fits(rule.get("scope") or "*", attributes)
        and _among(rule.get("operations"), attributes.operation)
        and _among(rule.get("apiGroups"), resource.group)
        and _among(rule.get("apiVersions"), resource.version)
        and any(_resource_fits(pattern, resource, attributes.subresource) for pattern in rule.get("resources") or ())
        and (not names or attributes.name in names)
    )


def _among(allowed: list[str] | None, value: str) -> bool:
    return "*" in (allowed or ()) or value in (allowed or ())


def _scope_fits(scope: str, attributes: Attributes) -> bool:
    inside = attributes.resource.namespaced and bool(attributes.namespace)
    return scope == "*" or (scope == "Namespaced") is inside


def _resource_fits(pattern: str, resource: Resource, subresource: str) -> bool:
    plural, _, below = pattern.partition("/")
    return plural in ("*", resource.plural) and below in ("*", subresource)


def _namespace_fits(cluster: Cluster, selector: Object | None, attributes: Attributes, obj: Object | None) -> bool:
    namespaces = attributes.resource.plural == "namespaces"
    if not attributes.namespace and not namespaces:
        return True
    requirements = list_selectors.from_object(selector)  # type: ignore[arg-type]
    if not requirements:
        return True
    if namespaces and not attributes.subresource and attributes.operation in ("CREATE", "UPDATE"):
        labels = ((obj or {}).get("metadata") or {}).get("labels")
    else:
        found = cluster.storage.get("namespaces", NamespacedName("", attributes.namespace))
        if found is None:
            raise not_found(NAMESPACES, attributes.namespace)
        labels = found["metadata"].get("labels")
    return list_selectors.matches(requirements, labels)


def _object_fits(selector: Object | None, obj: Object | None, old: Object | None) -> bool:
    requirements = list_selectors.from_object(selector)  # type: ignore[arg-type]
    if not requirements:
        return True
    present = [each for each in (obj, old) if each]
    return any(list_selectors.matches(requirements, (each.get("metadata") or {}).get("labels")) for each in present)
