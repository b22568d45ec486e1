"""Which objects a quota with scopes is about. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from edged.kube.defaults.pod_spec import object_at, objects_in
from edged.sandbox.cluster import Object


def selectors(quota: Object) -> list[Object]:
    """All scopes of a quota in the form of its scopeSelector."""
    spec = object_at(quota, "spec")
    plain = [{"scopeName": scope, "operator": "Exists"} for scope in spec.get("scopes") or ()]
    return [*plain, *objects_in(object_at(spec, "scopeSelector").get("matchExpressions"))]


def never(_selector: Object, _obj: Object) -> bool:
    return False


def of_pod(selector: Object, pod: Object) -> bool:
    spec = object_at(pod, "spec")
    match selector.get("scopeName"):
        case "Terminating":
            return is_terminating(pod)
        case "NotTerminating":
            return not is_terminating(pod)
        case "BestEffort":
            return _is_best_effort(spec)
        case "NotBestEffort":
            return not _is_best_effort(spec)
        case "PriorityClass":
            return _selects(selector, {str(spec["priorityClassName"])} if spec.get("priorityClassName") else set())
        case "CrossNamespacePodAffinity":
            return any(term.get("namespaces") or term.get("namespaceSelector") is not None for term in _terms(spec))
    return False


def of_claim(selector: Object, claim: Object) -> bool:
    spec, status = object_at(claim, "spec"), object_at(claim, "status")
    names = {
        spec.get("volumeAttributesClassName"), status.get("currentVolumeAttributesClassName"),
        object_at(status, "modifyVolumeStatus").get("targetVolumeAttributesClassName"),
    }  # fmt: skip
    if selector.get("scopeName") != "VolumeAttributesClass":
        return False
    return _selects(selector, {str(name) for name in names if name})


def is_terminating(pod: Object) -> bool:
    """Whether it has a deadline."""
    deadline = object_at(pod, "spec").get("activeDeadlineSeconds")
    return isinstance(deadline, int) and deadline >= 0


def _selects(selector: Object, names: set[str]) -> bool:
    values = set(selector.get("values") or ())
    match selector.get("operator"):
        case "In":
            return bool(names & values)
        case "NotIn":
            return not names & values
        case "Exists":
            return bool(names)
        case "DoesNotExist":
            return not names
    return False


def _is_best_effort(spec: Object) -> bool:
    """No container, nor the Pod as a whole, asks for cpu or memory."""
    containers = [each for field in ("containers", "initContainers") for each in objects_in(spec.get(field))]
    for holder in (*(object_at(each, "resources") for each in containers), object_at(spec, "resources")):
        for part in ("requests", "limits"):
            amounts = object_at(holder, part)
            if any(amounts.get(name) not in (None, "0", 0) for name in ("cpu", "memory")):
                return False
    return True


def _terms(spec: Object) -> Iterator[Object]:
    affinity = object_at(spec, "affinity")
    for kind in ("podAffinity", "podAntiAffinity"):
        given = object_at(affinity, kind)
        yield from objects_in(given.get("requiredDuringSchedulingIgnoredDuringExecution"))
        for weighted in objects_in(given.get("preferredDuringSchedulingIgnoredDuringExecution")):
            yield object_at(weighted, "podAffinityTerm")
