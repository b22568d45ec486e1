"""Custom resources whose fields have other types than their definitions say."""

from __future__ import annotations

from typing import Any

import pytest

from edged.admission.resources.kinds import KINDS
from edged.admission.resources.resource_shapes import spec_problem, status_of

POLICY = KINDS["ClusterAdmissionPolicy"]
GROUP = KINDS["ClusterAdmissionPolicyGroup"]
SERVER = KINDS["PolicyServer"]


def of(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "a"}, "spec": spec}


@pytest.mark.parametrize(
    ("spec", "place"),
    [
        ({"settings": [1]}, "spec.settings"),
        ({"rules": [None]}, "spec.rules[0]"),
        ({"rules": [{"resources": "pods"}]}, "spec.rules[0].resources"),
        ({"contextAwareResources": [{"apiVersion": [], "kind": "Pod"}]}, "spec.contextAwareResources[0].apiVersion"),
        ({"policies": {"a": {"settings": 5}}}, "spec.policies.a.settings"),
        ({"timeoutSeconds": "5"}, "spec.timeoutSeconds"),
    ],
)
def test_the_field_is_named(spec: dict[str, Any], place: str) -> None:
    assert spec_problem(of(**spec), POLICY).startswith(f"{place}:")


def test_settings_may_hold_anything() -> None:
    assert spec_problem(of(settings={"a": None, "b": [None, {"c": None}]}), POLICY) == ""
    assert spec_problem(of(policies={"a": {"module": "m", "settings": {"a": [None]}}}), GROUP) == ""
    assert spec_problem({"metadata": {"name": "a"}}, POLICY) == ""
    assert spec_problem(of(namespacedPoliciesCapabilities=[5]), SERVER)


def test_a_status_that_makes_no_sense_is_none() -> None:
    good = {"policyStatus": "active", "conditions": [{"type": "PolicyActive", "status": "True"}]}
    assert status_of({"status": good}) == good
    for status in (None, 5, [], {"conditions": [None]}, {"conditions": {}}, {"policyStatus": 5}):
        assert status_of({"status": status}) == {}
