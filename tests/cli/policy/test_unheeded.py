"""What `edged policy run` does not look at, named as whoever wrote it did."""

from __future__ import annotations

import pytest

from edged.admission.config import GroupConfig, GroupMemberConfig, PolicyConfig
from edged.admission.resources.validation import MODULE_CONDITIONS, REINVOCATION
from edged.cli.policy import unheeded

RULE = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}


def test_custom_resources():
    spec = {
        "module": "m", "settings": {"a": 1}, "mode": "monitor", "mutating": False, "message": "no", "timeoutSeconds": 5,
        "contextAwareResources": [], "timeoutEvalSeconds": 1, "policies": {}, "expression": "a()",
        "policyServer": "default", "rules": [RULE], "matchConditions": [{"name": "a", "expression": "true"}],
        "objectSelector": {}, "namespaceSelector": None, "failurePolicy": "Ignore", "backgroundAudit": False,
        "matchPolicy": "Exact", "sideEffects": "None",
    }  # fmt: skip
    assert unheeded.of_object({"spec": spec}) == [
        "policyServer", "rules", "matchConditions", "failurePolicy", "backgroundAudit", "matchPolicy", "sideEffects",
    ]  # fmt: skip
    assert unheeded.of_object({}) == []


@pytest.mark.parametrize(
    "policy",
    [
        PolicyConfig(name="a", module="file:///m", rules=(RULE,), object_selector={"matchLabels": {}}),
        GroupConfig(
            name="a", expression="m()", message="no", members={"m": GroupMemberConfig(module="file:///m")},
            rules=(RULE,), object_selector={"matchLabels": {}},
        ),
    ],
)  # fmt: skip
def test_policies_of_the_configuration_file(policy: PolicyConfig | GroupConfig):
    assert unheeded.of_config(policy) == ["rules", "object_selector"]


def test_whether_a_policy_is_asked_again():
    again = PolicyConfig(name="a", module="file:///m", allowed_to_mutate=True, reinvocation_policy="IfNeeded")
    assert unheeded.of_config(again) == ["reinvocation_policy"]
    assert unheeded.of_config(PolicyConfig(name="a", module="file:///m", module_conditions=False)) == [
        "module_conditions"
    ]
    obj = {"metadata": {"annotations": {REINVOCATION: "IfNeeded"}}, "spec": {"mutating": True, "rules": [RULE]}}
    assert unheeded.of_object(obj) == ["rules", REINVOCATION]
    without = {"metadata": {"annotations": {MODULE_CONDITIONS: "false"}}, "spec": {}}
    assert unheeded.of_object(without) == [MODULE_CONDITIONS]
    never = {"metadata": {"annotations": {REINVOCATION: "Never"}}, "spec": {}}
    assert unheeded.of_object(never) == unheeded.of_object({"metadata": 5, "spec": {}}) == []


@pytest.mark.parametrize("rules", [None, ()])
def test_nothing_is_nothing(rules: tuple[()] | None):
    assert unheeded.of_config(PolicyConfig(name="a", module="file:///m", rules=rules)) == []
    watching = PolicyConfig(name="a", module="file:///m", mode="monitor", failure_policy="Ignore")
    assert unheeded.of_config(watching) == []
    assert unheeded.told("policy a", []) == ""
    assert unheeded.told("policy a", ["rules", "mode"]) == "policy a is asked whatever these say: rules, mode"
