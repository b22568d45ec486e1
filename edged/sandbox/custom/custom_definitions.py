"""CustomResourceDefinitions: their defaults, their conditions, and the resources they add to the registry. Pure."""

from __future__ import annotations

from edged.sandbox.cluster import Cluster, Object
from edged.sandbox.kinds.resources import Resource, custom_resources


def set_defaults(obj: Object) -> None:
    """Fills what the API server fills: names, conversion."""
    spec = obj.setdefault("spec", {})
    names = spec.setdefault("names", {})
    kind = names.get("kind") or ""
    if kind:
        names.setdefault("singular", kind.lower())
        names.setdefault("listKind", f"{kind}List")
    spec.setdefault("conversion", {"strategy": "None"})


def established(obj: Object, timestamp: str) -> Object:
    """The status of a CRD whose names are accepted. A real server needs some milliseconds until it says so."""
    names = {key: value for key, value in obj["spec"]["names"].items() if value}
    conditions = [
        _condition("NamesAccepted", "NoConflicts", "no conflicts found", timestamp),
        _condition("Established", "InitialNamesAccepted", "the initial names have been accepted", timestamp),
    ]
    stored = [version["name"] for version in obj["spec"]["versions"] if version.get("storage")]
    return {"conditions": conditions, "acceptedNames": names, "storedVersions": stored}


def _condition(kind: str, reason: str, message: str, timestamp: str) -> Object:
    return {
        "type": kind, "status": "True", "lastTransitionTime": timestamp, "reason": reason, "message": message,
    }  # fmt: skip


def resources_of(cluster: Cluster, crd: Object) -> list[Resource]:
    """The registered resources of that definition, any version."""
    bucket = f"{crd['spec']['names']['plural']}.{crd['spec']['group']}"
    return [resource for resource in cluster.registry if resource.custom and resource.bucket == bucket]


def register(cluster: Cluster, crd: Object) -> None:
    """Serves the definition's versions as they are now."""
    served = custom_resources(crd, cluster.types)
    present = resources_of(cluster, crd)
    if _comparable(served) == _comparable(present):
        return
    for resource in present:
        cluster.registry.remove(resource)
    for resource in served:
        cluster.registry.add(resource)


def _comparable(resources: list[Resource]) -> list[tuple[str, object]]:
    """What decides how resources are served, in a stable order. Shapes follow from schemas, so they are left out."""
    rows = [
        (
            str(r.gvr),
            (r.kind, r.singular, r.namespaced, r.short_names, r.categories, r.subresources, r.list_kind),
            r.schema,
            r.columns,
            r.scale,
        )
        for r in resources
    ]
    return sorted([(row[0], row[1:]) for row in rows], key=lambda pair: pair[0])


def unregister(cluster: Cluster, crd: Object) -> None:
    for resource in resources_of(cluster, crd):
        cluster.registry.remove(resource)
