"""What the webhooks of cluster policies leave out, and what no webhook sees. Pure.

A webhook that fails on nodes, leases or logins takes the cluster with it. So these are left out of what cluster
policies review unless `include_system` is true; webhooks.py writes it into selectors and match conditions. A policy
that names nothing else would be registered and never asked: `unreachable` says so, and `named` says which part of a
policy it concerns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

NAMESPACE_NAME = "kubernetes.io/metadata.name"
SYSTEM_NAMESPACES = ("kube-system", "kube-public", "kube-node-lease")
SYSTEM_CONDITION = "edged.dev/not-system"
SYSTEM_RESOURCES = (
    ("", "nodes"),
    ("certificates.k8s.io", "certificatesigningrequests"),
    ("coordination.k8s.io", "leases"),
    ("authentication.k8s.io", "tokenreviews"),
    ("authorization.k8s.io", "subjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectrulesreviews"),
    ("authorization.k8s.io", "localsubjectaccessreviews"),
    ("networking.k8s.io", "servicecidrs"),
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
)
"""Cluster-scoped or vital: a namespaceSelector does not keep them out, and a webhook that fails on them takes
nodes, leases, logins or the way to remove the webhook itself."""
BOOTSTRAP_GROUPS = (
    "apiregistration.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "rbac.authorization.k8s.io",
    "scheduling.k8s.io",
)
"""What kube-apiserver writes when it starts, and ends itself when it may not. Left out of what a wildcard reaches; a
rule that names one of these groups means it."""
UNREVIEWED = frozenset(
    ("admissionregistration.k8s.io", resource)
    for resource in (
        "validatingwebhookconfigurations", "mutatingwebhookconfigurations",
        "validatingadmissionpolicies", "validatingadmissionpolicybindings",
        "mutatingadmissionpolicies", "mutatingadmissionpolicybindings",
    )
)  # fmt: skip
"""What the API server calls no webhook for, whatever a webhook's rules say."""
SWITCHED_OFF = "[admission] include_system is false"
_NEVER = "the API server calls no webhook for them"

Rules = Sequence[Mapping[str, Any]]


def condition(rules: Rules) -> dict[str, str] | None:
    """The match condition that leaves the system's resources out, where a rule may match them."""
    terms = [f"!(request.resource.group == '{group}' && request.resource.resource == '{resource}')"
             for group, resource in SYSTEM_RESOURCES if _may_match(rules, group, resource)]
    terms += [f"request.resource.group != '{group}'" for group in BOOTSTRAP_GROUPS if _only_by_wildcard(rules, group)]
    return {"name": SYSTEM_CONDITION, "expression": " && ".join(terms)} if terms else None


def _only_by_wildcard(rules: Rules, group: str) -> bool:
    groups = {name for rule in rules for name in rule["apiGroups"]}
    return "*" in groups and group not in groups


def _may_match(rules: Rules, group: str, resource: str) -> bool:
    for rule in rules:
        bases = {entry.split("/", 1)[0] for entry in rule["resources"]}
        if {group, "*"} & set(rule["apiGroups"]) and {resource, "*"} & bases:
            return True
    return False


def named(rules: Rules, *, include_system: bool) -> str:
    """What the rules name and no review comes of: `nodes are left out: why`; "" if there is nothing."""
    found = [pair for rule in rules for pair in _pairs(rule) if _why(pair, include_system)]
    return _sentence(found, include_system)


def unreachable(rules: Rules, selector: Mapping[str, Any], *, include_system: bool) -> str:
    """Why no request at all can reach a cluster policy with these rules and this namespaceSelector; "" if one can."""
    pairs = [pair for rule in rules for pair in _pairs(rule)]
    if pairs and all(_why(pair, include_system) for pair in pairs):
        return _sentence(pairs, include_system)
    only = _only_namespaces(selector)
    if only and not include_system and only <= set(SYSTEM_NAMESPACES) and not _may_match(rules, "", "namespaces"):
        return f"namespace_selector: {' and '.join(sorted(only))} left out: {SWITCHED_OFF}"
    return ""


def _pairs(rule: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """(group, resource), wildcards as they are, without subresources."""
    for group in rule["apiGroups"]:
        for entry in rule["resources"]:
            yield group, entry.split("/", 1)[0]


def _why(pair: tuple[str, str], include_system: bool) -> str:
    if pair in UNREVIEWED:
        return _NEVER
    return SWITCHED_OFF if pair in SYSTEM_RESOURCES and not include_system else ""


def _sentence(pairs: Iterable[tuple[str, str]], include_system: bool) -> str:
    reasons: dict[str, list[str]] = {}
    for group, resource in dict.fromkeys(pairs):
        names = reasons.setdefault(_why((group, resource), include_system), [])
        names.append(f"{resource}.{group}" if group else resource)
    return "; ".join(f"{', '.join(names)} are left out: {why}" for why, names in reasons.items())


def _only_namespaces(selector: Mapping[str, Any]) -> set[str]:
    """The namespaces that a selector names, where it selects by name; else nothing."""
    found: set[str] = set()
    label = (selector.get("matchLabels") or {}).get(NAMESPACE_NAME)
    if isinstance(label, str):
        found.add(label)
    for expression in selector.get("matchExpressions") or ():
        if expression.get("key") == NAMESPACE_NAME and expression.get("operator") == "In":
            found.update(expression.get("values") or ())
    return found
