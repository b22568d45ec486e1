"""What the webhooks of policies leave out, and what no webhook sees. Pure.

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
"""What the API server calls no registered webhook for, whatever its rules say: nobody shall lock himself out. Webhooks
of static manifests are called for them, too."""
NAMESPACED = {
    "": "bindings configmaps endpoints events limitranges persistentvolumeclaims pods podtemplates resourcequotas "
        "replicationcontrollers secrets serviceaccounts services",
    "apps": "controllerrevisions daemonsets deployments replicasets statefulsets",
    "autoscaling": "horizontalpodautoscalers",
    "batch": "cronjobs jobs",
    "coordination.k8s.io": "leases",
    "discovery.k8s.io": "endpointslices",
    "events.k8s.io": "events",
    "networking.k8s.io": "ingresses networkpolicies",
    "policy": "poddisruptionbudgets",
    "rbac.authorization.k8s.io": "rolebindings roles",
    "resource.k8s.io": "resourceclaims resourceclaimtemplates",
    "storage.k8s.io": "csistoragecapacities",
}
CLUSTER_SCOPED = {
    "": "namespaces nodes persistentvolumes",
    "admissionregistration.k8s.io": "mutatingadmissionpolicies mutatingadmissionpolicybindings "
        "mutatingwebhookconfigurations validatingadmissionpolicies validatingadmissionpolicybindings "
        "validatingwebhookconfigurations",
    "apiextensions.k8s.io": "customresourcedefinitions",
    "apiregistration.k8s.io": "apiservices",
    "certificates.k8s.io": "certificatesigningrequests",
    "networking.k8s.io": "ingressclasses ipaddresses servicecidrs",
    "node.k8s.io": "runtimeclasses",
    "rbac.authorization.k8s.io": "clusterrolebindings clusterroles",
    "resource.k8s.io": "deviceclasses resourceslices",
    "scheduling.k8s.io": "priorityclasses",
    "storage.k8s.io": "csidrivers csinodes storageclasses volumeattachments volumeattributesclasses",
}
"""What of Kubernetes' own is certainly in a namespace, and what certainly is not. Of all else nothing is said."""
SWITCHED_OFF = "[admission] include_system is false"
_NEVER = "the API server calls no webhook for them"
_NOT_IN_A_NAMESPACE = "they are in no namespace, and the policy is"

Rules = Sequence[Mapping[str, Any]]


def condition(rules: Rules) -> dict[str, str] | None:
    """The match condition that leaves the system's resources out, where a rule may match them."""
    terms = [f"!(request.resource.group == '{group}' && request.resource.resource == '{resource}')"
             for group, resource in SYSTEM_RESOURCES if _may_match(rules, group, resource)]
    terms += [f"request.resource.group != '{group}'" for group in BOOTSTRAP_GROUPS if _only_by_wildcard(rules, group)]
    return {"name": SYSTEM_CONDITION, "expression": " && ".join(terms)} if terms else None


def leaves_out(rules: Rules | None, group: str, resource: str) -> bool:
    """Whether that condition keeps a resource which the rules match from the policy. None: rules that are not known."""
    if group in BOOTSTRAP_GROUPS and _only_by_wildcard(rules or (), group):
        return True
    return (group, resource) in SYSTEM_RESOURCES


def _only_by_wildcard(rules: Rules, group: str) -> bool:
    groups = {name for rule in rules for name in rule["apiGroups"]}
    return "*" in groups and group not in groups


def _may_match(rules: Rules, group: str, resource: str) -> bool:
    for rule in rules:
        bases = {entry.split("/", 1)[0] for entry in rule["resources"]}
        if {group, "*"} & set(rule["apiGroups"]) and {resource, "*"} & bases:
            return True
    return False


def named(rules: Rules, *, include_system: bool, namespaced: bool = False, static: bool = False) -> str:
    """What the rules name and no review comes of: `nodes are left out: why`; "" if there is nothing. `namespaced`: the
    policy belongs to a namespace. `static`: it is in a manifest that the API server reads from disk."""
    reasons = [(pair, _why(pair, include_system, namespaced, static)) for rule in rules for pair in _pairs(rule)]
    return _sentence([(pair, why) for pair, why in reasons if why])


def unreachable(
    rules: Rules, selector: Mapping[str, Any], *, include_system: bool, namespaced: bool = False, static: bool = False
) -> str:
    """Why no request at all can reach a policy with these rules and this namespaceSelector; "" if one can."""
    reasons = [(pair, _why(pair, include_system, namespaced, static)) for rule in rules for pair in _pairs(rule)]
    if reasons and all(why for _, why in reasons):
        return _sentence(reasons)
    only = set() if include_system else _only_namespaces(selector)
    if only and only <= set(SYSTEM_NAMESPACES) and all(_is_selected(pair) for pair, _ in reasons):
        return f"namespace_selector: {' and '.join(sorted(only))} left out: {SWITCHED_OFF}"
    return ""


def _is_selected(pair: tuple[str, str]) -> bool:
    """Whether a namespaceSelector certainly applies: to a Namespace by its own labels, to other cluster-scoped objects
    never."""
    group, resource = pair
    return pair == ("", "namespaces") or resource in NAMESPACED.get(group, "").split()


def _pairs(rule: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """(group, resource), wildcards as they are, without subresources."""
    for group in rule["apiGroups"]:
        for entry in rule["resources"]:
            yield group, entry.split("/", 1)[0]


def _why(pair: tuple[str, str], include_system: bool, namespaced: bool, static: bool) -> str:
    group, resource = pair
    if pair in UNREVIEWED and not static:
        return _NEVER
    if namespaced:
        return _NOT_IN_A_NAMESPACE if resource in CLUSTER_SCOPED.get(group, "").split() else ""
    return SWITCHED_OFF if pair in SYSTEM_RESOURCES and not include_system else ""


def _sentence(reasons: Iterable[tuple[tuple[str, str], str]]) -> str:
    by_reason: dict[str, list[str]] = {}
    for (group, resource), why in dict.fromkeys(reasons):
        by_reason.setdefault(why, []).append(f"{resource}.{group}" if group else resource)
    return "; ".join(f"{', '.join(names)} are left out: {why}" for why, names in by_reason.items())


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
