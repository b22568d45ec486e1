"""A ValidatingAdmissionPolicy with its binding as a ClusterAdmissionPolicy of Kubewarden's CEL policy. Pure.

A field that cannot be converted is an error that names it. Called by scaffold.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edged.admission.resources.kinds import GROUP, VERSION
from edged.errors import ConfigError

API = "admissionregistration.k8s.io/"
_POLICY_FIELDS = {"failurePolicy", "matchConstraints", "matchConditions", "validations", "variables"}
_MATCH_FIELDS = {"resourceRules", "namespaceSelector", "objectSelector", "matchPolicy"}
_BINDING_FIELDS = {"policyName", "validationActions", "matchResources"}
_WHY = {
    "paramKind": "the CEL policy takes no parameters: write them into the expressions",
    "paramRef": "the CEL policy takes no parameters: write them into the expressions",
    "auditAnnotations": "the CEL policy makes no audit annotations",
    "excludeResourceRules": "rules of webhooks cannot exclude: use matchConditions",
}


def converted(policy: dict[str, Any], binding: dict[str, Any], cel_policy: str) -> dict[str, Any]:
    """The custom resource. Raises ConfigError: a line for each field that cannot be converted."""
    spec, bound = _spec(policy, "ValidatingAdmissionPolicy"), _spec(binding, "ValidatingAdmissionPolicyBinding")
    name = policy["metadata"]["name"]
    if bound.get("policyName") != name:
        raise ConfigError(f"the binding is of the policy {bound.get('policyName')!r}, not of {name!r}")
    match, narrowed = spec.get("matchConstraints") or {}, bound.get("matchResources") or {}
    problems = [
        *_left_out("spec", spec, _POLICY_FIELDS), *_left_out("spec.matchConstraints", match, _MATCH_FIELDS),
        *_left_out("binding: spec", bound, _BINDING_FIELDS),
        *_left_out("binding: spec.matchResources", narrowed, _MATCH_FIELDS - {"resourceRules"}),
        *_twice(match, narrowed), *_names_of(match),
    ]  # fmt: skip
    actions = bound.get("validationActions") or []
    if not actions or not set(actions) <= {"Deny", "Warn", "Audit"}:
        problems.append(f"binding: spec.validationActions: {actions} (Deny, Warn or Audit are known)")
    if problems:
        raise ConfigError("\n".join(f"{name}: {problem}" for problem in problems))
    made: dict[str, Any] = {
        "module": cel_policy,
        "mode": "protect" if "Deny" in actions else "monitor",
        "mutating": False,
        "settings": _settings(spec),
        "rules": [dict(rule) for rule in match.get("resourceRules") or ()],
        "failurePolicy": spec.get("failurePolicy") or "Fail",
        "backgroundAudit": True,
    }
    for key in ("namespaceSelector", "objectSelector", "matchPolicy"):
        if value := narrowed.get(key) or match.get(key):
            made[key] = value
    if conditions := spec.get("matchConditions"):
        made["matchConditions"] = conditions
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "ClusterAdmissionPolicy",
        "metadata": {"name": binding["metadata"]["name"]},
        "spec": made,
    }


def _spec(obj: Mapping[str, object], kind: str) -> Mapping[str, Any]:
    if obj.get("kind") != kind or not str(obj.get("apiVersion")).startswith(API):
        raise ConfigError(f"must be a {kind}, not {obj.get('apiVersion')} {obj.get('kind')}")
    metadata, spec = obj.get("metadata"), obj.get("spec")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str) or not isinstance(spec, dict):
        raise ConfigError(f"the {kind} has no metadata.name or no spec")
    return spec


def _left_out(where: str, given: Mapping[str, object], known: set[str]) -> list[str]:
    return [
        f"{where}.{key} cannot be converted: {_WHY.get(key, 'it is not known')}"
        for key, value in given.items() if key not in known and value not in (None, [], {})
    ]  # fmt: skip


def _twice(match: Mapping[str, object], narrowed: Mapping[str, object]) -> list[str]:
    return [
        f"{key} is in the policy and in its binding, and both must hold: join them in one of the two"
        for key in ("namespaceSelector", "objectSelector")
        if match.get(key) and narrowed.get(key)
    ]


def _names_of(match: Mapping[str, Any]) -> list[str]:
    rules = match.get("resourceRules") or []
    if not rules:
        return ["spec.matchConstraints.resourceRules is empty: the policy looks at nothing"]
    return [
        f"spec.matchConstraints.resourceRules[{index}].resourceNames cannot be converted: rules of webhooks have none"
        for index, rule in enumerate(rules) if rule.get("resourceNames")
    ]  # fmt: skip


def _settings(spec: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    if variables := spec.get("variables"):
        found["variables"] = [{"name": each["name"], "expression": each["expression"]} for each in variables]
    found["validations"] = [
        {key: each[key] for key in ("expression", "message", "messageExpression", "reason") if each.get(key)}
        for each in spec.get("validations") or ()
    ]
    return found
