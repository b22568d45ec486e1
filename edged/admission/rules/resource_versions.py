"""In which versions a policy's rules ask for resources, as far as it matters whose rules they are joined with. Pure.

With matchPolicy Equivalent the API server first looks for a rule that matches a request literally. Only where none does
it takes the first equivalent resource that a rule names, and converts the object. So where one policy asks for version
1 of a resource and another for version 2, each sees its own version of every object, but as rules of one webhook the
literal match would win for both. `signature` says what has to be equal so that joining changes nothing for anybody.

Equivalent are the versions of a resource, and what kube-apiserver stores in the same place: resources of Kubernetes'
own with the same name in several groups (events; formerly ingresses). Custom resources have equivalents in their own
group alone. Used by shared_webhooks.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edged.admission.rules.exemptions import CLUSTER_SCOPED, NAMESPACED

Rules = Sequence[Mapping[str, Any]]
GroupVersion = tuple[str, str]
_FORMER = {
    "extensions": "daemonsets deployments ingresses networkpolicies replicasets",
    "policy": "podsecuritypolicies",
}


def _groups_of() -> dict[str, list[str]]:
    """Resource of Kubernetes' own -> the groups that have it or had it; the one that counts first."""
    found: dict[str, list[str]] = {}
    for table in (NAMESPACED, CLUSTER_SCOPED, _FORMER):
        for group, resources in table.items():
            for resource in resources.split():
                found.setdefault(resource, []).append(group)
    return found


_GROUPS_OF = _groups_of()
_OWN_GROUPS = frozenset(group for groups in _GROUPS_OF.values() for group in groups)
_USUAL_VERSIONS = {"horizontalpodautoscalers": "v2"}  # of all others: v1


def signature(rules: Rules) -> object:
    """A value for JSON: policies for which it is equal can be called by one webhook, and each sees the objects that it
    would see alone. `rules` as the API server takes them.

    Where each resource is asked for in one version, that version has to be equal for a resource that two of them ask
    for. So that the answer depends on nobody else's rules, it names those that are not asked for in their usual
    version. Rules that ask for several versions of a resource, or for any (`*`), can only be joined with the same
    ones: by their order it is decided to which version the API server converts. One product of groups, versions and
    resources has no order, and operations and scopes may differ.
    """
    asked = _versions(rules)
    if asked is not None and all(len(versions) == 1 for versions in asked.values()):
        unusual = {name: versions.pop() for name, versions in asked.items()}
        return sorted([name, *each] for name, each in unusual.items() if each != _usual(name))
    products = {tuple(tuple(sorted(set(rule[key]))) for key in ("apiGroups", "apiVersions", "resources"))
                for rule in rules}  # fmt: skip
    if len(products) == 1:
        return ["product", *map(list, products.pop())]
    return ["rules", *(_normal(rule) for rule in rules)]


def _versions(rules: Rules) -> dict[str, set[GroupVersion]] | None:
    """Resource, without subresource, -> groups and versions in which it is asked for; None where that is open."""
    found: dict[str, set[GroupVersion]] = {}
    for rule in rules:
        bases = {entry.split("/", 1)[0].lower() for entry in rule["resources"]}
        if "*" in bases or "*" in rule["apiGroups"] or "*" in rule["apiVersions"]:
            return None
        for group in rule["apiGroups"]:
            for base in bases:
                if _exists(group, base):
                    name = base if _is_kubernetes(group) else f"{base}.{group}"
                    found.setdefault(name, set()).update((group, version) for version in rule["apiVersions"])
    return found


def _exists(group: str, resource: str) -> bool:
    """Rules often name several groups and the resources of all: there are no `deployments` in the core group."""
    groups = _GROUPS_OF.get(resource)
    return groups is None or group not in _OWN_GROUPS or group in groups


def _is_kubernetes(group: str) -> bool:
    """Whether the group may be kube-apiserver's own, which has equivalents in other groups."""
    return "." not in group or group.endswith(".k8s.io")


def _usual(resource: str) -> GroupVersion | None:
    groups = _GROUPS_OF.get(resource)
    return (groups[0], _USUAL_VERSIONS.get(resource, "v1")) if groups else None


def _normal(rule: Mapping[str, Any]) -> list[object]:
    lists = [sorted(set(rule[key])) for key in ("apiGroups", "apiVersions", "resources", "operations")]
    return [*lists, rule.get("scope") or "*"]
