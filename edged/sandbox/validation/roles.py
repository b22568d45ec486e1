"""Roles and bindings. Pure.

Facts from kubernetes' pkg/apis/rbac/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.causes import each_invalid, immutable, invalid, not_supported, part, required
from edged.sandbox.validation.formats import dns_subdomain, path_segment
from edged.sandbox.validation.selectors import label_selector

GROUP = "rbac.authorization.k8s.io"
_SUBJECTS = ("ServiceAccount", "User", "Group")


def role(obj: Object, old: Object | None) -> Iterator[Cause]:
    yield from _rules(obj.get("rules") or [], namespaced=True)


def cluster_role(obj: Object, old: Object | None) -> Iterator[Cause]:
    rules, aggregation = obj.get("rules") or [], obj.get("aggregationRule")
    yield from _resource_rules(rules, namespaced=False)
    if aggregation is not None:
        selectors = aggregation.get("clusterRoleSelectors") or []
        field = "aggregationRule.clusterRoleSelectors"
        if not selectors:
            yield required(field, "at least one clusterRoleSelector required if aggregationRule is non-nil")
        for index, selector in enumerate(selectors):
            yield from label_selector(selector, f"{field}[{index}]")
            if any(label_selector(selector, "")):
                yield invalid(f"{field}[{index}]", None, "invalid label selector.")
    yield from _verbs(rules)


def role_binding(obj: Object, old: Object | None) -> Iterator[Cause]:
    yield from _binding(obj, old, ("Role", "ClusterRole"), namespaced=True)


def cluster_role_binding(obj: Object, old: Object | None) -> Iterator[Cause]:
    yield from _binding(obj, old, ("ClusterRole",), namespaced=False)


def _rules(rules: list[Object], *, namespaced: bool) -> Iterator[Cause]:
    yield from _resource_rules(rules, namespaced=namespaced)
    yield from _verbs(rules)


def _verbs(rules: list[Object]) -> Iterator[Cause]:
    for index, rule in enumerate(rules):
        if not rule.get("verbs"):
            yield required(f"rules[{index}].verbs")


def _resource_rules(rules: list[Object], *, namespaced: bool) -> Iterator[Cause]:
    for index, rule in enumerate(rules):
        field, paths = f"rules[{index}]", rule.get("nonResourceURLs") or []
        if paths:
            if namespaced:
                yield invalid(f"{field}.nonResourceURLs", paths, "namespaced rules cannot apply to non-resource URLs")
            if any(rule.get(name) for name in ("apiGroups", "resources", "resourceNames")):
                why = "rules cannot apply to both regular resources and non-resource URLs"
                yield invalid(f"{field}.nonResourceURLs", paths, why)
            continue
        if not rule.get("apiGroups"):
            yield required(f"{field}.apiGroups", "resource rules must supply at least one api group")
        if not rule.get("resources"):
            yield required(f"{field}.resources", "resource rules must supply at least one resource")


def _binding(obj: Object, old: Object | None, kinds: tuple[str, ...], *, namespaced: bool) -> Iterator[Cause]:
    reference = part(obj, "roleRef")
    group = reference.get("apiGroup") or GROUP
    kind, name = reference.get("kind") or "", reference.get("name") or ""
    changed = old is not None and part(old, "roleRef") != reference
    if group != GROUP:
        yield not_supported("roleRef.apiGroup", group, (GROUP,))
    if kind not in kinds:
        yield not_supported("roleRef.kind", kind, kinds)
    if name:
        yield from each_invalid("roleRef.name", name, path_segment(name))
    elif changed:
        yield required("roleRef.name")
    subjects = obj.get("subjects") or []
    for index, subject in enumerate(subjects):
        yield from _subject(subject, f"subjects[{index}]", namespaced=namespaced)
    if changed:
        yield immutable("roleRef", {"APIGroup": group, "Kind": kind, "Name": name})
    for index, subject in enumerate(subjects):
        if not subject.get("name"):
            yield required(f"subjects[{index}].name")
    if not name:
        yield required("roleRef.name")


def _subject(subject: Object, field: str, *, namespaced: bool) -> Iterator[Cause]:
    kind, group, name = (subject.get(key) or "" for key in ("kind", "apiGroup", "name"))
    if kind == "ServiceAccount":
        if name:
            yield from each_invalid(f"{field}.name", name, dns_subdomain(name))
        if group:
            yield not_supported(f"{field}.apiGroup", group, ("",))
        if not namespaced and not subject.get("namespace"):
            yield required(f"{field}.namespace")
    elif kind in ("User", "Group"):
        if group and group != GROUP:
            yield not_supported(f"{field}.apiGroup", group, (GROUP,))
    else:
        yield not_supported(f"{field}.kind", kind, _SUBJECTS)
