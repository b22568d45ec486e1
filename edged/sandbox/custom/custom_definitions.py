"""CustomResourceDefinitions: what is filled in, their status, and the resources that they add to the registry. Pure.

The status is what apiextensions-apiserver's controllers (status, establish, apiapproval) write, which take some
milliseconds there: here it is written at once after the definition.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from edged.json_text import dumps, loads
from edged.kube.values.names import NamespacedName, key_of
from edged.sandbox.cluster import Cluster, Object
from edged.sandbox.kinds.resources import Resource, custom_resources
from edged.sandbox.writing import fieldsets

BUCKET = "customresourcedefinitions.apiextensions.k8s.io"
APPROVED = "api-approved.kubernetes.io"
_REFERENCE = "see https://github.com/kubernetes/enhancements/pull/1111"


def set_defaults(obj: Object) -> None:
    """Fills what the API server fills: names, conversion, ports."""
    spec = obj.setdefault("spec", {})
    names = spec.setdefault("names", {})
    kind = names.get("kind") or ""
    if kind:
        names["singular"] = names.get("singular") or kind.lower()
        names["listKind"] = names.get("listKind") or f"{kind}List"
    if spec.get("conversion") is None:
        spec["conversion"] = {"strategy": "None"}
    service = ((spec["conversion"].get("webhook") or {}).get("clientConfig") or {}).get("service")
    if service and service.get("port") is None:
        service["port"] = 443


def first_status(obj: Object) -> Object:
    """The status of a new definition."""
    return {"conditions": None, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": _storage(obj)}


def carry_status(old: Object, new: Object) -> None:
    """The status of a changed definition: the old one, and a new storage version."""
    status = dict(old.get("status") or {})
    stored = status.get("storedVersions") or []
    status["storedVersions"] = [*stored, *(name for name in _storage(new) if name not in stored)]
    new["status"] = status


def _storage(crd: Object) -> list[str]:
    versions = (crd.get("spec") or {}).get("versions") or []
    return [each["name"] for each in versions if each.get("storage") and each.get("name")][:1]


# --- conditions


def condition(crd: Object, kind: str) -> Object | None:
    conditions = (crd.get("status") or {}).get("conditions") or []
    return next((each for each in conditions if each.get("type") == kind), None)


def is_true(crd: Object, kind: str) -> bool:
    found = condition(crd, kind)
    return found is not None and found.get("status") == "True"


def with_condition(crd: Object, timestamp: str, kind: str, status: str, reason: str, message: str) -> Object:
    """A copy with that condition; its time changes with its status alone."""
    wanted = {"type": kind, "status": status, "lastTransitionTime": timestamp, "reason": reason, "message": message}
    before = condition(crd, kind)
    if before is not None and before["status"] == status:
        wanted["lastTransitionTime"] = before["lastTransitionTime"]
    conditions = (crd.get("status") or {}).get("conditions") or []
    replaced = [wanted if each.get("type") == kind else each for each in conditions]
    kept = replaced if before is not None else [*conditions, wanted]
    return {**crd, "status": {**(crd.get("status") or {}), "conditions": kept}}


def write_status(cluster: Cluster, crd: Object) -> Object:
    """Stores a definition whose status (or finalizers) a controller changed."""
    old = cluster.storage.get(BUCKET, key_of(crd))
    resource = cluster.registry.find("apiextensions.k8s.io", "v1", "customresourcedefinitions")
    assert resource is not None
    new: Object = loads(dumps(crd))
    writing = fieldsets.Writing(resource, "status", "kube-apiserver", cluster.timestamp())
    fieldsets.track(old, new, writing, cluster.types)
    return cluster.storage.update(BUCKET, new)


def settle(cluster: Cluster, crd: Object) -> None:
    """What the controllers make of a new or changed definition, and of others of its group whose names it freed."""
    _settle_one(cluster, crd)
    for other in cluster.storage.list(BUCKET):
        if other["spec"]["group"] == crd["spec"]["group"] and other["metadata"]["name"] != crd["metadata"]["name"]:
            _settle_one(cluster, other)


def _settle_one(cluster: Cluster, crd: Object) -> None:
    now = cluster.timestamp()
    if _plain(crd["spec"]["names"]) != _plain((crd.get("status") or {}).get("acceptedNames") or {}):
        named = _with_names(cluster, crd, now)
        if named != crd:
            crd = write_status(cluster, named)
    approval = _approval(crd)
    if approval is not None:
        judged = with_condition(crd, now, "KubernetesAPIApprovalPolicyConformant", *approval)
        if judged != crd:
            crd = write_status(cluster, judged)
    if is_true(crd, "NamesAccepted") and not is_true(crd, "Established"):
        text = "the initial names have been accepted"
        crd = write_status(
            cluster, with_condition(crd, now, "Established", "True", "InitialNamesAccepted", text)
        )
    register(cluster, crd)


def _plain(names: Object) -> Object:
    return {key: value for key, value in names.items() if value}


def _with_names(cluster: Cluster, crd: Object, now: str) -> Object:
    """Accepts the names that nobody else in the group has."""
    wanted, accepted = crd["spec"]["names"], dict(crd["status"].get("acceptedNames") or {})
    resources, kinds = _names_in_use(cluster, crd["spec"]["group"])
    conflict: tuple[str, str] | None = None
    for field, used in (("plural", resources), ("singular", resources), ("shortNames", resources), ("kind", kinds),
                        ("listKind", kinds)):  # fmt: skip
        taken = _taken(wanted.get(field), accepted.get(field), used)
        if taken:
            conflict = (f"{field[0].upper()}{field[1:]}Conflict", taken)
        elif wanted.get(field):
            accepted[field] = wanted[field]
        else:
            accepted.pop(field, None)
    accepted |= {"categories": wanted["categories"]} if wanted.get("categories") else {}
    named = {**crd, "status": {**crd["status"], "acceptedNames": accepted}}
    if conflict is not None:
        named = with_condition(named, now, "NamesAccepted", "False", *conflict)
    else:
        named = with_condition(named, now, "NamesAccepted", "True", "NoConflicts", "no conflicts found")
    if is_true(crd, "Established"):
        return named
    if conflict is not None:
        before = condition(crd, "Established")
        reason = ("NotAccepted", "not all names are accepted")
        return named if before is not None else with_condition(named, now, "Established", "False", *reason)
    text = "the initial names have been accepted"
    return with_condition(named, now, "Established", "False", "Installing", text)


def _names_in_use(cluster: Cluster, group: str) -> tuple[set[str], set[str]]:
    resources, kinds = set[str](), set[str]()
    for each in cluster.storage.list(BUCKET):
        if each["spec"]["group"] == group:
            names = (each.get("status") or {}).get("acceptedNames") or {}
            resources |= {names.get("plural") or "", names.get("singular") or "", *(names.get("shortNames") or ())}
            kinds |= {names.get("kind") or "", names.get("listKind") or ""}
    return resources, kinds


def _taken(wanted: Any, accepted: Any, used: set[str]) -> str:
    """What is wrong with a name or with several, "" for nothing."""
    if wanted == accepted:
        return ""
    if not isinstance(wanted, list):
        return f'"{wanted}" is already in use' if wanted in used else ""
    taken = [f'"{each}" is already in use' for each in wanted if each not in (accepted or ()) and each in used]
    return taken[0] if len(taken) == 1 else f"[{', '.join(taken)}]" if taken else ""


def is_protected(group: str) -> bool:
    """Groups of the Kubernetes community."""
    return re.fullmatch(r"(.*\.)?(k8s|kubernetes)\.io", group) is not None


def approval_state(crd: Object) -> tuple[str, str]:
    """Approved, Unapproved, Invalid or Missing, and the reason."""
    text = (crd["metadata"].get("annotations") or {}).get(APPROVED) or ""
    must = f'protected groups must have approval annotation "{APPROVED}"'
    if not text:
        return "Missing", f"{must}, {_REFERENCE}"
    if text.startswith("unapproved"):
        return "Unapproved", f'not approved: "{text}"'
    parts = urlsplit(text)
    if parts.scheme and parts.netloc:
        return "Approved", f"approved in {text}"
    return "Invalid", f'{must} with either a URL or a reason starting with "unapproved", {_REFERENCE}'


def _approval(crd: Object) -> tuple[str, str, str] | None:
    if not is_protected(crd["spec"]["group"]):
        return None
    state, reason = approval_state(crd)
    return "True" if state == "Approved" else "False", f"{state}Annotation", reason


# --- the registry


def definition_of(cluster: Cluster, resource: Resource) -> Object | None:
    """The definition of a custom resource."""
    return cluster.storage.get(BUCKET, NamespacedName("", resource.bucket)) if resource.custom else None


def resources_of(cluster: Cluster, crd: Object) -> list[Resource]:
    """The registered resources of that definition, any version."""
    bucket = f"{crd['spec']['names']['plural']}.{crd['spec']['group']}"
    return [resource for resource in cluster.registry if resource.custom and resource.bucket == bucket]


def register(cluster: Cluster, crd: Object) -> None:
    """Serves the definition's versions as they are now. Watches end with a change."""
    present = resources_of(cluster, crd)
    if not is_true(crd, "NamesAccepted") and not is_true(crd, "Established"):
        served = []
    else:
        served = custom_resources(crd, cluster.types, terminating=is_true(crd, "Terminating"))
    if _comparable(served) == _comparable(present):
        return
    spec_changed = [each.definition for each in served] != [each.definition for each in present]
    for resource in present:
        cluster.registry.remove(resource)
    for resource in served:
        cluster.registry.add(resource)
    if present and spec_changed:
        cluster.storage.end_watches(present[0].bucket)


def _comparable(resources: list[Resource]) -> list[tuple[str, object]]:
    """What decides how resources are served, in a stable order."""
    return sorted([(str(r.gvr), (r.verbs, r.definition)) for r in resources], key=lambda pair: pair[0])


def unregister(cluster: Cluster, crd: Object) -> None:
    """The definition is gone: its names are free for others of the group."""
    present = resources_of(cluster, crd)
    for resource in present:
        cluster.registry.remove(resource)
    if present:
        cluster.storage.end_watches(present[0].bucket)
    for other in cluster.storage.list(BUCKET):
        if other["spec"]["group"] == crd["spec"]["group"]:
            _settle_one(cluster, other)
