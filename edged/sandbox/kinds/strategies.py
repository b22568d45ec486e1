"""What each kind does on its way into the storage: which parts a request may write, and what counts as a change.

Pure. Source: the PrepareForUpdate and GetResetFields of kubernetes/pkg/registry/*/*/strategy.go. What new objects get
is in creations.py.
"""

from __future__ import annotations

from typing import Any

from edged.kube.defaults.pod_spec import Object, object_at, objects_in
from edged.sandbox.kinds.resources import Resource

_META_OF_STATUS = ("labels", "annotations", "finalizers", "ownerReferences")
"""What ResetObjectMetaForStatus takes from the stored object, beside what no client can set."""
_STATUS_KEEPS: dict[str, tuple[str, ...]] = {
    "deployments.apps": ("labels",),
    "pods": ("ownerReferences",),
    **dict.fromkeys((
        "csinodes.storage.k8s.io", "resourceclaims.resource.k8s.io", "servicecidrs.networking.k8s.io",
        "validatingadmissionpolicies.admissionregistration.k8s.io", "volumeattachments.storage.k8s.io",
    ), _META_OF_STATUS),
}  # fmt: skip
"""Metadata that a write of the status does not change."""
_CSR = "certificatesigningrequests.certificates.k8s.io"
_RESET: dict[tuple[str, str], tuple[str, ...]] = {
    (_CSR, ""): ("spec", "status"),
    (_CSR, "status"): ("spec", "status.conditions"),
    (_CSR, "approval"): ("spec", "status.certificate"),
}
_WRITTEN: dict[tuple[str, str], tuple[tuple[str, ...], ...]] = {
    ("pods", "ephemeralcontainers"): (("spec", "ephemeralContainers"),),
    ("pods", "resize"): tuple(
        ("spec", containers, "*", field)
        for containers in ("containers", "initContainers") for field in ("resources", "resizePolicy")
    ),
}  # fmt: skip
"""Subresources that write a few fields alone."""


def owned(resource: Resource, subresource: str, path: tuple[str, ...]) -> bool:
    """Whether a writer may own that path of FieldsV1 elements, for what a request does not write is nobody's."""
    names = [element.removeprefix("f:") for element in path]
    if written := _WRITTEN.get((resource.bucket, subresource)):
        return any(_begins(names, each) for each in written)
    return not any(_begins(names, tuple(each.split("."))) for each in _reset(resource, subresource))


def _begins(names: list[str], pattern: tuple[str, ...]) -> bool:
    pairs = zip(names, pattern, strict=False)
    return len(names) >= len(pattern) and all(part in ("*", name) for name, part in pairs)


def _reset(resource: Resource, subresource: str) -> tuple[str, ...]:
    special = _RESET.get((resource.bucket, subresource))
    if special is not None:
        return special
    if subresource == "status":
        if resource.custom:
            return ("metadata", "spec")
        kept = _STATUS_KEEPS.get(resource.bucket, ())
        return ("spec", "metadata") if kept == _META_OF_STATUS else ("spec", *(f"metadata.{each}" for each in kept))
    return ("status",) if resource.has_status else ()


# --- updates


def keep_unwritten(resource: Resource, subresource: str, old: Object, new: Object) -> None:
    """Puts back what this (sub)resource does not write. `new` is changed in place. Of signing requests see
    signing_requests.py."""
    match subresource:
        case "":
            _carry(new, old, ("status",) if resource.has_status else ())
        case "status":
            _keep_all_but_status(resource, old, new)
        case "ephemeralcontainers" | "resize":
            _keep_all_but_part(subresource, old, new)
    if resource.bucket == "namespaces":
        object_at(new, "spec")["finalizers"] = object_at(old, "spec").get("finalizers", [])


def _carry(new: Object, old: Object, fields: tuple[str, ...]) -> None:
    for field in fields:
        if field in old:
            new[field] = old[field]
        else:
            new.pop(field, None)


def _keep_all_but_status(resource: Resource, old: Object, new: Object) -> None:
    others = tuple(key for key in old.keys() | new.keys() if key not in ("metadata", "status"))
    kept = _META_OF_STATUS if resource.custom else _STATUS_KEEPS.get(resource.bucket, ())
    _carry(new, old, others)
    _carry(new["metadata"], old["metadata"], kept)


def _keep_all_but_part(subresource: str, old: Object, new: Object) -> None:
    """A resize that adds, removes or renames a container is left as it is: validation refuses it."""
    spec, before = object_at(new, "spec"), object_at(old, "spec")
    if subresource == "ephemeralcontainers":
        written: Object = {"ephemeralContainers": spec.get("ephemeralContainers")}
    else:
        parts = {each: _resized(spec, before, each) for each in ("containers", "initContainers")}
        if None in parts.values():
            return
        written = {**parts, "resources": spec.get("resources") or before.get("resources")}
    new["spec"] = {**{k: v for k, v in before.items() if k not in written}, **{k: v for k, v in written.items() if v}}
    _carry(new, old, ("status",))
    _carry(new["metadata"], old["metadata"], _META_OF_STATUS)


def _resized(spec: Object, before: Object, field: str) -> list[Object] | None:
    new, old = list(objects_in(spec.get(field))), list(objects_in(before.get(field)))
    if [each.get("name") for each in new] != [each.get("name") for each in old]:
        return None
    result = []
    for one, other in zip(new, old, strict=True):
        kept = {key: value for key, value in other.items() if key not in ("resources", "resizePolicy")}
        result.append(kept | {key: one[key] for key in ("resources", "resizePolicy") if key in one})
    return result


# --- generation

_NEVER_RAISED = {"priorityclasses.scheduling.k8s.io"}
_FROM_NOTHING = {"csidrivers.storage.k8s.io"}
"""Kinds whose new objects have no generation, until their spec changes."""
_ALSO: dict[str, str] = {"deployments.apps": "annotations", "endpointslices.discovery.k8s.io": "labels"}
"""Metadata whose change counts."""


def set_generation(resource: Resource, subresource: str, old: Object, new: Object) -> None:
    """Raises generation when the spec, or what stands for it, has changed; no write of a status does."""
    if not resource.generation and resource.bucket not in _FROM_NOTHING:
        return
    before = old["metadata"].get("generation") or (0 if resource.bucket in _FROM_NOTHING else 1)
    changed = _content(resource, old) != _content(resource, new) and resource.bucket not in _NEVER_RAISED
    changed = changed and subresource not in ("status", "approval")
    if before + changed:
        new["metadata"]["generation"] = before + changed


def _content(resource: Resource, obj: Object) -> tuple[Object, Any]:
    content = {k: v for k, v in obj.items() if k not in ("metadata", "status", "kind", "apiVersion")}
    return content, obj["metadata"].get(_ALSO.get(resource.bucket, "")) or {}


TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


def set_template_generation(resource: Resource, old: Object, new: Object) -> None:
    """A DaemonSet counts changes of its template in an annotation, which clients cannot set."""
    if resource.bucket != "daemonsets.apps":
        return
    annotations = object_at(new["metadata"], "annotations")
    before = str(object_at(old["metadata"], "annotations").get(TEMPLATE_GENERATION) or "0")
    number = int(before) if before.isdecimal() and len(before) < 19 else 0
    number += object_at(old, "spec").get("template") != object_at(new, "spec").get("template")
    new["metadata"]["annotations"] = {**annotations, TEMPLATE_GENERATION: str(number)}
