"""Kubewarden's rules for its kinds, and the texts of what breaks them."""

from __future__ import annotations

from typing import Any

import pytest

from edged.admission.resources.validation import (
    MODULE_CONDITIONS,
    PREINITIALIZE,
    REINVOCATION,
    RESERVED,
    WEBHOOK,
    expressions,
    validate,
    warnings,
)
from tests.admission.resources.objects import MODULE, PODS, group, namespaced, policy, resource, server


def said(obj: dict[str, Any], old: dict[str, Any] | None = None, cel: dict[str, str] | None = None) -> list[str]:
    return [str(finding) for finding in validate(obj, old, cel)]


@pytest.mark.parametrize("obj", [policy(), namespaced(), group(), server(), resource("PolicyServer", "x" * 63)])
def test_good_objects(obj: dict[str, Any]) -> None:
    assert said(obj) == []
    assert said(obj, obj) == []


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"rules": []}, "spec.rules: Required value: a policy must have at least one rule"),
        ({"rules": [{**PODS, "operations": []}]}, "spec.rules[0].operations: Required value"),
        ({"rules": [PODS, {**PODS, "resources": [""]}]},
         "spec.rules[1].resources[0]: Required value: must not be empty"),
        ({"rules": [{**PODS, "apiVersions": ["v1", ""]}]},
         "spec.rules[0].apiVersions[1]: Required value: must not be empty"),
        ({"timeoutSeconds": 3, "timeoutEvalSeconds": 4},
         "spec.timeoutEvalSeconds: Invalid value: 4: cannot be greater than timeoutSeconds (3)"),
        ({"timeoutEvalSeconds": 11},
         "spec.timeoutEvalSeconds: Invalid value: 11: cannot be greater than timeoutSeconds (10)"),
        ({"matchConditions": [{"name": "", "expression": "true"}]}, "spec.matchConditions[0].name: Required value"),
        ({"matchConditions": [{"name": "a b", "expression": "true"}]},
         'spec.matchConditions[0].name: Invalid value: "a b": is not a qualified name, such as `app` or '
         "`example.com/app`"),
        ({"matchConditions": [{"name": "a", "expression": "true"}, {"name": "a", "expression": "true"}]},
         'spec.matchConditions[1].name: Duplicate value: "a"'),
        ({"matchConditions": [{"name": "a", "expression": " "}]}, "spec.matchConditions[0].expression: Required value"),
        ({"module": ""}, "spec.module: Required value"),
    ],
)  # fmt: skip
def test_policies(spec: dict[str, Any], expected: str) -> None:
    assert said(policy(**spec)) == [expected]


@pytest.mark.parametrize(
    ("obj", "value", "expected"),
    [
        (policy(mutating=True), "IfNeeded", []),
        (policy(), "Never", []),
        (policy(mutating=True), "Often", ['Unsupported value: \'Often\': supported values: "Never", "IfNeeded"']),
        (policy(), "IfNeeded", ["Forbidden: only a policy that mutates can be asked again"]),
        (group(), "IfNeeded", ["Forbidden: only a policy that mutates can be asked again"]),
    ],
)
def test_the_annotation_about_reinvocation(obj: dict[str, Any], value: str, expected: list[str]) -> None:
    obj["metadata"]["annotations"] = {REINVOCATION: value}
    assert said(obj) == [f"metadata.annotations[{REINVOCATION}]: {each}" for each in expected]


@pytest.mark.parametrize(
    ("obj", "value", "expected"),
    [
        (policy(), "false", []),
        (namespaced(), "true", []),
        (group(), "false", []),
        (policy(), "no", ['Unsupported value: \'no\': supported values: "true", "false"']),
        (group(), "true", ["Forbidden: a group is asked without the conditions of its members' modules"]),
    ],
)
def test_the_annotation_about_conditions_of_modules(obj: dict[str, Any], value: str, expected: list[str]) -> None:
    obj["metadata"]["annotations"] = {MODULE_CONDITIONS: value}
    assert said(obj) == [f"metadata.annotations[{MODULE_CONDITIONS}]: {each}" for each in expected]


@pytest.mark.parametrize("obj", [policy(), group()])
def test_the_annotation_about_webhooks(obj: dict[str, Any]) -> None:
    for value, expected in (("own", []), ("shared", []), ("each", ["Unsupported value: 'each'"])):
        obj["metadata"]["annotations"] = {WEBHOOK: value}
        assert [text.partition(": supported")[0] for text in said(obj)] == [
            f"metadata.annotations[{WEBHOOK}]: {each}" for each in expected]


def test_too_many_conditions() -> None:
    conditions = [{"name": f"n{number}", "expression": "true"} for number in range(65)]
    assert said(policy(matchConditions=conditions)) == [
        "spec.matchConditions: Too many: 65: must have at most 64 items"
    ]


def test_cel_is_asked_of_somebody_else() -> None:
    obj = policy(matchConditions=[{"name": "a", "expression": "1 +"}, {"name": "b", "expression": "true"}])
    assert expressions(obj) == ["1 +", "true"]
    assert said(obj, None, {"1 +": "syntax error"}) == [
        'spec.matchConditions[0].expression: Invalid value: "1 +": compilation failed: syntax error'
    ]


@pytest.mark.parametrize(
    ("rule", "refused"),
    [
        ({"apiGroups": ["*"], "resources": ["*"]}, True),
        ({"apiGroups": ["*"], "resources": ["*/*"]}, True),
        ({"apiVersions": ["*"], "resources": ["*"]}, True),  # what Kubewarden looks at, in place of the groups
        ({"apiGroups": ["*"], "resources": ["pods"]}, False),
        ({"apiGroups": ["apps"], "resources": ["*"]}, False),
        ({"apiGroups": ["wgpolicyk8s.io"], "resources": ["policyreports"]}, True),
        ({"apiGroups": ["wgpolicyk8s.io"], "resources": ["policyreports/status"]}, True),
        ({"apiGroups": ["wgpolicyk8s.io"], "resources": ["*"]}, True),
        ({"apiGroups": ["openreports.io"], "resources": ["reports"]}, True),
        ({"apiGroups": ["other.io"], "resources": ["policyreports"]}, False),
    ],
)
def test_rules_of_namespaced_kinds(rule: dict[str, Any], refused: bool) -> None:
    assert bool(said(namespaced(rules=[{**PODS, **rule}]))) is refused
    assert said(policy(rules=[{**PODS, **rule}])) == []


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"message": ""}, "spec.message: Required value: a rejected request is answered with it"),
        ({"expression": " "}, "spec.expression: Required value: it joins the members: `first() || second()`"),
        ({"expression": 5}, "spec.expression: Required value: it joins the members: `first() || second()`"),
        ({"expression": "a() && c()"}, "c is not a member of the group"),
        ({"expression": "a() + b()"}, "compilation failed"),
        ({"expression": "size('a') == 1"}, "compilation failed"),
        ({"policies": {"a": {"module": MODULE}, "b": {}}}, "spec.policies[b].module: Required value"),
        ({"policies": {"a": {"module": MODULE, "timeoutEvalSeconds": 11}, "b": {"module": MODULE}}},
         "spec.policies[a].timeoutEvalSeconds: Invalid value: 11: cannot be greater than 10 (seconds)"),
        ({"policies": {name: {"module": MODULE, "timeoutEvalSeconds": 6} for name in "ab"}},
         "spec.policies: Invalid value: 12: timeouts of the members together cannot exceed 10 s"),
    ],
)  # fmt: skip
def test_groups(spec: dict[str, Any], expected: str) -> None:
    assert any(expected in text for text in said(group(**spec)))


def test_a_group_needs_members() -> None:
    assert "spec.policies: Required value: a group must have at least one member" in said(group(policies={}))


@pytest.mark.parametrize("name", ["1a", "a-b", "a b", "", *sorted(RESERVED)])
def test_names_of_members(name: str) -> None:
    policies = {"a": {"module": MODULE}, "b": {"module": MODULE}, name: {"module": MODULE}}
    assert any(text.startswith(f"spec.policies[{name}]: Invalid value") for text in said(group(policies=policies)))


def test_changes() -> None:
    old = policy(policyServer="one", mode="protect")
    assert said(policy(policyServer="two"), old)[0].startswith("spec.policyServer: Forbidden: the field is immutable")
    assert said(policy(policyServer="one", mode="monitor"), old)[0].startswith("spec.mode: Forbidden: cannot change")
    assert said(policy(mode="protect"), policy(mode="monitor")) == []
    assert said(policy(), policy(policyServer="default")) == []  # absent is the default one


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"minAvailable": 1, "maxUnavailable": "50%"}, "minAvailable and maxUnavailable cannot both be set"),
        ({"verificationConfig": "c"}, "spec.verificationConfig: Forbidden: this release of edged cannot verify"),
        ({"sigstoreTrustConfig": "c"}, "spec.sigstoreTrustConfig: Forbidden"),
        ({"namespacedPoliciesCapabilities": ["kubernetes/*", "oci/v1"]}, "namespacedPoliciesCapabilities[1]"),
        ({"webhookPort": 8081}, "spec.readinessProbePort: Invalid value: 8081: must differ from webhookPort"),
        ({"limits": {"cpu": "-1"}}, "spec.limits[cpu]: Invalid value: \"-1\": must not be negative"),
        ({"limits": {"cpu": "1 core"}}, "is not a quantity"),
        ({"limits": {"memory": "1Gi"}, "requests": {"memory": "1025Mi"}}, "must not exceed the limit of memory"),
        ({"limits": {"cpu": 1}, "requests": {"cpu": "1001m"}}, "must not exceed the limit of cpu"),
    ],
)  # fmt: skip
def test_policy_servers(spec: dict[str, Any], expected: str) -> None:
    assert any(expected in text for text in said(server(**spec)))


def test_good_quantities_and_long_names() -> None:
    assert said(server(limits={"cpu": "1", "memory": "1Gi"}, requests={"cpu": "500m", "memory": "1e6"})) == []
    assert "must be no more than 63 characters" in said(server("x" * 64))[0]


def test_what_has_no_effect_is_said() -> None:
    assert warnings(server(imagePullSecret="s", insecureSources=["a"]))[0].startswith(
        "spec.imagePullSecret has no effect"
    )
    assert warnings(policy(allowInsideAdmissionControllerNamespace=True))
    assert warnings(policy()) == []


def test_rules_that_no_review_comes_of_are_told_to_who_applies_them() -> None:
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["nodes", "pods"], "operations": ["CREATE"]}]
    (text,) = warnings(policy(rules=rules))
    assert text == "spec.rules: nodes are left out: [admission] include_system is false"
    assert warnings(policy(rules=rules), include_system=True) == []
    assert warnings(policy(rules=[*rules, {"resources": "nodes"}])) == [text]
    (text,) = warnings(namespaced(rules=rules))
    assert text == "spec.rules: nodes are left out: they are in no namespace, and the policy is"


@pytest.mark.parametrize(("value", "right"), [("auto", True), ("never", True), ("always", True), ("Never", False)])
def test_the_annotation_about_images(value: str, right: bool) -> None:
    for obj in (policy(), group()):
        obj["metadata"]["annotations"] = {PREINITIALIZE: value}
        wrong = f'Unsupported value: {value!r}: supported values: "auto", "never", "always"'
        found = [f"metadata.annotations[{PREINITIALIZE}]: {wrong}"]
        assert said(obj) == ([] if right else found)
