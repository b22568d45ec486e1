"""What a ValidatingAdmissionPolicy and its binding match, as one webhook's rules and selectors. Pure.

Both must match a request. Selectors are joined; of rules what both have is taken. What a webhook cannot say is a
problem. Called by vap.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from edged.admission.rules.webhook_check import rule_problem

FIELDS = {"resourceRules", "excludeResourceRules", "namespaceSelector", "objectSelector", "matchPolicy"}
RULE_FIELDS = {"apiGroups", "apiVersions", "operations", "resources", "scope", "resourceNames"}
_LISTS = ("apiGroups", "apiVersions", "operations", "resources")
_EXACT, _EQUIVALENT = "Exact", "Equivalent"

Rule = Mapping[str, Any]


def problems(where: str, match: Mapping[str, Any]) -> list[str]:
    """Of one matchConstraints or matchResources: what no webhook can say."""
    found = [f"{where}.{key} is not known" for key in match if key not in FIELDS and match[key]]
    if match.get("excludeResourceRules"):
        found.append(
            f"{where}.excludeResourceRules cannot be converted: rules of webhooks cannot exclude: use matchConditions"
        )
    if match.get("matchPolicy") not in (None, "", _EXACT, _EQUIVALENT):
        found.append(f"{where}.matchPolicy: {match['matchPolicy']!r} (Exact and Equivalent are known)")
    for index, rule in enumerate(match.get("resourceRules") or ()):
        place = f"{where}.resourceRules[{index}]"
        if rule.get("resourceNames"):
            found.append(
                f"{place}.resourceNames cannot be converted: rules of webhooks have none: write "
                f"`request.name in [...]` into matchConditions"
            )
        found += [f"{place}.{key} is not known" for key in rule if key not in RULE_FIELDS and rule[key]]
        found += [f"{place}: {problem}" for problem in [rule_problem(rule)] if problem]
        found += _deletions(place, rule.get("operations") or ())
    return found


def _deletions(place: str, operations: Iterable[str]) -> list[str]:
    named = {"DELETE", "*"} & set(operations)
    return [
        f"{place}.operations: {each} includes deletions, and the CEL policy denies every deletion, for it reads "
        "`object` only: name the others, and judge deletions in another way"
        for each in sorted(named)
    ]


def joined(match: Mapping[str, Any], narrowed: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """(the fields of the webhook, problems): `match` of the policy, `narrowed` by the binding."""
    rules, found = _rules(match, narrowed)
    made: dict[str, Any] = {"rules": rules}
    for key in ("namespaceSelector", "objectSelector"):
        if selector := _selector(match.get(key) or {}, narrowed.get(key) or {}):
            made[key] = selector
    if match.get("matchPolicy"):
        made["matchPolicy"] = match["matchPolicy"]
    return made, found


def _selector(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Selects what both select."""
    labels = dict(one.get("matchLabels") or {})
    expressions = [*(one.get("matchExpressions") or ()), *(other.get("matchExpressions") or ())]
    for key, value in (other.get("matchLabels") or {}).items():
        if labels.setdefault(key, value) != value:
            expressions.append({"key": key, "operator": "In", "values": [value]})
    made: dict[str, Any] = {"matchLabels": labels} if labels else {}
    return made | ({"matchExpressions": expressions} if expressions else {})


def _rules(match: Mapping[str, Any], narrowed: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[str]]:
    own, others = match.get("resourceRules") or [], narrowed.get("resourceRules") or []
    if not own:
        return [], ["spec.matchConstraints.resourceRules is empty: the policy looks at nothing"]
    if not others:
        return [dict(rule) for rule in own], []
    where = "binding: spec.matchResources"
    policy = match.get("matchPolicy") or _EQUIVALENT
    if (narrowed.get("matchPolicy") or _EQUIVALENT) != policy:
        return [], [f"{where}.matchPolicy is not the policy's ({policy}), and a webhook has one"]
    if policy == _EQUIVALENT and not all(_same_versions(rule, other) for rule in own for other in others):
        return [], [
            f"{where}.resourceRules has other apiGroups or apiVersions than the policy, which may be the same "
            "resources with matchPolicy Equivalent: write the policy's into it, or set matchPolicy: Exact in both"
        ]
    both = [rule for one in own for other in others if (rule := _both(one, other)) is not None]
    return both, [] if both else [f"{where}.resourceRules has nothing in common with the policy's rules"]


def _same_versions(one: Rule, other: Rule) -> bool:
    return all(
        "*" in one[key] or "*" in other[key] or set(one[key]) == set(other[key]) for key in ("apiGroups", "apiVersions")
    )


def _both(one: Rule, other: Rule) -> dict[str, Any] | None:
    made: dict[str, Any] = {key: _common(one[key], other[key]) for key in _LISTS[:3]}
    resources = [_resource(mine, theirs) for mine in one["resources"] for theirs in other["resources"]]
    made["resources"] = list(dict.fromkeys(each for each in resources if each))
    scopes = {one.get("scope") or "*", other.get("scope") or "*"} - {"*"}
    if not all(made.values()) or len(scopes) > 1:
        return None
    return made | ({"scope": scopes.pop()} if scopes else {})


def _common(one: Sequence[str], other: Sequence[str]) -> list[str]:
    if "*" in one:
        return list(other)
    return list(one) if "*" in other else [each for each in one if each in other]


def _resource(one: str, other: str) -> str:
    """What both name, such as `pods/log` of `pods/*` and `*/log`; "" for nothing."""
    parts = []
    for mine, theirs in zip(_parts(one), _parts(other), strict=True):
        if mine != theirs and "*" not in (mine, theirs):
            return ""
        parts.append(theirs if mine == "*" else mine)
    return "/".join(part for part in parts if part)


def _parts(resource: str) -> tuple[str, str]:
    name, _, subresource = resource.partition("/")
    return name, subresource
