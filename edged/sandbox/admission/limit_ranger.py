"""LimitRanger: what containers ask for where they say nothing, and what Pods and claims may not ask for. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from edged.kube.defaults import limit_checks
from edged.kube.defaults.pod_spec import object_at, objects_in
from edged.sandbox.admission.attributes import Attributes
from edged.sandbox.admission.plugin import CREATE, UPDATE, Plugin
from edged.sandbox.cluster import Cluster, Object

ANNOTATION = "kubernetes.io/limit-ranger"


def admit(cluster: Cluster, attributes: Attributes, pod: Object, _old: Object) -> None:
    if not _concerns(attributes) or attributes.resource.bucket != "pods":
        return
    for limit_range in _ranges(cluster, attributes):
        said = list(_add_defaults(pod["spec"], limit_range))
        if said:
            metadata = pod["metadata"]
            text = f"LimitRanger plugin set: {'; '.join(said)}"
            metadata["annotations"] = {**(metadata.get("annotations") or {}), ANNOTATION: text}


def validate(cluster: Cluster, attributes: Attributes, obj: Object, old: Object) -> None:
    if not _concerns(attributes) or object_at(old, "metadata").get("deletionTimestamp"):
        return
    refused = limit_checks.refused_pod if attributes.resource.bucket == "pods" else limit_checks.refused_claim
    for limit_range in _ranges(cluster, attributes):
        if found := list(dict.fromkeys(refused(obj, [limit_range]))):
            raise attributes.forbidden(obj, aggregate(found))


def aggregate(texts: Iterable[str]) -> str:
    """Several errors as Go's aggregates show them."""
    listed = list(texts)
    return listed[0] if len(listed) == 1 else f"[{', '.join(listed)}]"


def _concerns(attributes: Attributes) -> bool:
    """Pods are looked at when they are made or resized."""
    if attributes.resource.bucket != "pods":
        return not attributes.subresource
    return (attributes.operation == CREATE and not attributes.subresource) or (
        attributes.operation == UPDATE and attributes.subresource == "resize"
    )


def _ranges(cluster: Cluster, attributes: Attributes) -> list[Object]:
    return cluster.storage.list("limitranges", attributes.namespace)


def _add_defaults(spec: Object, limit_range: Object) -> Iterator[str]:
    """Defaults of the items for containers; yields what the annotation says."""
    given: Object = {"requests": {}, "limits": {}}
    for item in objects_in(object_at(limit_range, "spec").get("limits")):
        if item.get("type") == "Container":
            given["requests"] |= object_at(item, "defaultRequest")
            given["limits"] |= object_at(item, "default")
    for field, called in (("containers", "container"), ("initContainers", "init container")):
        for container in objects_in(spec.get(field)):
            resources = object_at(container, "resources")
            container["resources"] = resources
            for part, singular in (("requests", "request"), ("limits", "limit")):
                own = object_at(resources, part)
                added = sorted(given[part].keys() - own.keys())
                if added:
                    resources[part] = {**own, **{name: given[part][name] for name in added}}
                    yield f"{', '.join(added)} {singular} for {called} {container.get('name')}"


PLUGIN = Plugin(
    "LimitRanger", ("pods", "persistentvolumeclaims"), (CREATE, UPDATE), ("", "resize"), admit=admit, validate=validate
)
