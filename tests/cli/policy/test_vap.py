"""`edged policy scaffold vap`: ValidatingAdmissionPolicies as policies, and what has no counterpart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from edged.admission.resources import validation
from tests.cli.policy.metadata import RULE
from tests.cli.policy.support import Policy, write

VAP = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicy",
    "metadata": {"name": "replicas"},
    "spec": {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [{**RULE, "apiGroups": ["apps"], "resources": ["deployments"]}]},
        "variables": [{"name": "n", "expression": "object.spec.replicas"}],
        "validations": [{"expression": "variables.n <= 5", "message": "too many"}],
    },
}
BINDING = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicyBinding",
    "metadata": {"name": "replicas-in-test"},
    "spec": {
        "policyName": "replicas",
        "validationActions": ["Deny"],
        "matchResources": {"namespaceSelector": {"matchLabels": {"env": "test"}}},
    },
}


def convert(policy: Policy, tmp_path: Path, vap: Any, binding: Any) -> tuple[int, str, str]:
    first, second = write(tmp_path / "vap.json", vap), write(tmp_path / "binding.json", binding)
    return policy("scaffold", "vap", "-p", first, "-b", second)


def test_a_validating_admission_policy_becomes_a_policy(policy: Policy, tmp_path: Path):
    code, out, _ = convert(policy, tmp_path, VAP, BINDING)
    assert code == 0
    made = yaml.safe_load(out)
    assert validation.validate(made) == []
    assert made["metadata"]["name"] == "replicas-in-test"
    assert made["spec"]["settings"] == {
        "variables": VAP["spec"]["variables"],  # type: ignore[index]
        "validations": [{"expression": "variables.n <= 5", "message": "too many"}],
    }
    assert made["spec"]["namespaceSelector"] == {"matchLabels": {"env": "test"}}
    assert made["spec"]["rules"][0]["resources"] == ["deployments"]


@pytest.mark.parametrize(
    ("spec", "bound", "said"),
    [
        ({"paramKind": {"kind": "ConfigMap"}}, {}, "spec.paramKind cannot be converted"),
        ({"auditAnnotations": [{"key": "a"}]}, {}, "spec.auditAnnotations"),
        ({"matchConstraints": {}}, {}, "resourceRules is empty"),
        ({}, {"policyName": "other"}, "of the policy 'other'"),
        ({}, {"validationActions": []}, "validationActions"),
    ],
)
def test_what_cannot_be_converted_is_an_error(
    policy: Policy, tmp_path: Path, spec: dict[str, Any], bound: dict[str, Any], said: str
):
    vap = {**VAP, "spec": {**VAP["spec"], **spec}}  # type: ignore[dict-item]
    binding = {**BINDING, "spec": {**BINDING["spec"], **bound}}  # type: ignore[dict-item]
    code, out, err = convert(policy, tmp_path, vap, binding)
    assert (code, out) == (2, "")
    assert said in err
