"""Requests and limits of a Pod that runs, as its subresource `resize` changes them. Pure.

Facts from kubernetes' pkg/apis/core/validation/validation.go and pkg/apis/core/helper/qos.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.amounts import amount_of
from edged.sandbox.validation.causes import forbidden, invalid, part
from edged.sandbox.validation.internal_values import internal_equal
from edged.sandbox.validation.pod_annotations import MIRROR
from edged.sandbox.validation.pods import metadata_and_spec

_LISTS = ("containers", "initContainers")
_RESIZED = ("cpu", "memory")
_ONLY = "only cpu and memory resources are mutable"
_CONTAINER = "core.Container"


def resized_pod(old: Object, new: Object) -> Iterator[Cause]:
    before, after = part(old, "spec"), part(new, "spec")
    static = MIRROR in part(old, "metadata", "annotations")
    if static or part(before, "os").get("name") == "windows":
        yield forbidden("", "static pods cannot be resized" if static else "windows pods cannot be resized")
        return
    yield from metadata_and_spec(new)
    if qos_class(before) != qos_class(after):
        shown = part(new, "status").get("qosClass") or ""
        yield invalid("spec", shown, "Pod QOS Class may not change as a result of resizing")
    yield from _pod_level(before.get("resources"), after.get("resources"))
    moved = list(_moved(before, after))
    yield from moved
    if moved:
        return
    for name in reversed(_LISTS):
        for index, (one, other) in enumerate(_pairs(before, after, name)):
            yield from _removed(part(one, "resources"), part(other, "resources"), f"spec.{name}[{index}].resources")
    for one, other in _pairs(before, after, "containers"):
        if not internal_equal(_CONTAINER, _with_old_amounts(one, other), one):
            yield forbidden("spec", _ONLY)
    for index, (one, other) in enumerate(_pairs(before, after, "initContainers")):
        yield from _init_container(one, other, f"spec.initContainers[{index}]")


def qos_class(spec: Object) -> str:
    """Of the Pod's own resources if it has some, otherwise of its containers'."""
    own = spec.get("resources") or {}
    if any(name in (*_RESIZED,) or name.startswith("hugepages-") for kind in ("requests", "limits")
           for name in own.get(kind) or ()):  # fmt: skip
        return _class_of(own)
    found = {_class_of(part(each, "resources")) for name in _LISTS for each in spec.get(name) or ()}
    return found.pop() if len(found) == 1 else "Burstable" if found else "BestEffort"


def _class_of(resources: Object) -> str:
    found = set()
    for name in _RESIZED:
        request, limit = (amount_of(part(resources, kind).get(name, "0")) for kind in ("requests", "limits"))
        found.add("Burstable" if request != limit else "Guaranteed" if request else "BestEffort")
    return found.pop() if len(found) == 1 else "Burstable"


def _pairs(before: Object, after: Object, name: str) -> Iterator[tuple[Object, Object]]:
    return zip(before.get(name) or (), after.get(name) or (), strict=True)


def _moved(before: Object, after: Object) -> Iterator[Cause]:
    for name in _LISTS:
        old, new = before.get(name) or [], after.get(name) or []
        if len(old) != len(new):
            yield forbidden(f"spec.{name}", f"{name} may not be added or removed on resize")
            continue
        for index, (one, other) in enumerate(zip(old, new, strict=True)):
            if one.get("name") != other.get("name"):
                yield forbidden(f"spec.{name}[{index}].name", f"{name} may not be renamed or reordered on resize")


def _removed(before: Object, after: Object, field: str) -> Iterator[Cause]:
    for kind, what in (("requests", "resource requests"), ("limits", "resource limits")):
        if not (before.get(kind) or {}).keys() <= (after.get(kind) or {}).keys():
            yield forbidden(f"{field}.{kind}", f"{what} cannot be removed")


def _pod_level(before: Object | None, after: Object | None) -> Iterator[Cause]:
    if before is not None and after is None:
        yield forbidden("spec.resources", "pod-level resources cannot be removed")
        return
    for kind, what in (("requests", "requests"), ("limits", "limits")):
        if not ((before or {}).get(kind) or {}).keys() <= ((after or {}).get(kind) or {}).keys():
            yield forbidden(f"spec.resources.{kind}", f"pod-level resource {what} cannot be removed")
    if _other_amounts(before or {}) != _other_amounts(after or {}):
        yield forbidden("spec", "only cpu and memory resources are mutable at pod-level")


def _other_amounts(resources: Object) -> Object:
    return {
        kind: {name: amount_of(amount) for name, amount in (resources.get(kind) or {}).items() if name not in _RESIZED}
        for kind in ("requests", "limits")
    }


def _with_old_amounts(old: Object, new: Object) -> Object:
    """The new container with the old cpu and memory."""
    resources = {"claims": part(new, "resources").get("claims")}
    for kind in ("requests", "limits"):
        before, after = part(old, "resources", kind), part(new, "resources", kind)
        kept = {name: amount for name, amount in after.items() if name not in _RESIZED}
        resources[kind] = kept | {name: before[name] for name in _RESIZED if name in before}
    return {**new, "resources": resources}


def _init_container(old: Object, new: Object, field: str) -> Iterator[Cause]:
    if not internal_equal(_CONTAINER, _with_old_amounts(old, new), old):
        yield forbidden(field, "only cpu and memory resources for init or sidecar containers are mutable")
    if new.get("restartPolicy") == "Always" or internal_equal(_CONTAINER, new, old):
        return
    for policy in new.get("resizePolicy") or ():
        if policy.get("restartPolicy") == "RestartContainer":
            why = "non-sidecar init containers with a resize policy of RestartContainer cannot be resized"
            yield forbidden(field, why)
