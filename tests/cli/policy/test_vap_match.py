"""What a policy and its binding match together, as rules and selectors of a webhook."""

from __future__ import annotations

from typing import Any

import pytest

from edged.cli.policy.vap_match import joined, problems

RULE = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["deployments"]}


def rule(**changes: Any) -> dict[str, Any]:
    return {**RULE, **changes}


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (["deployments"], ["*"], ["deployments"]),
        (["*"], ["deployments/scale"], []),
        (["*/*"], ["deployments/scale"], ["deployments/scale"]),
        (["deployments/*"], ["*/scale"], ["deployments/scale"]),
        (["deployments/*"], ["deployments"], ["deployments"]),
        (["deployments", "daemonsets"], ["daemonsets", "pods"], ["daemonsets"]),
        (["*"], ["*"], ["*"]),
    ],
)
def test_resources_that_both_name(one: list[str], other: list[str], both: list[str]) -> None:
    for first, second in ((one, other), (other, one)):
        made, found = joined({"resourceRules": [rule(resources=first)]}, {"resourceRules": [rule(resources=second)]})
        assert [each["resources"] for each in made["rules"]] == ([both] if both else [])
        assert bool(found) == (not both)


def test_operations_and_scopes_that_both_have() -> None:
    narrowed = {"resourceRules": [rule(operations=["CREATE", "CONNECT"], scope="Namespaced")]}
    made, found = joined({"resourceRules": [RULE, rule(operations=["UPDATE"])]}, narrowed)
    assert (made["rules"], found) == ([rule(operations=["CREATE"], scope="Namespaced")], [])
    _, found = joined({"resourceRules": [rule(scope="Cluster")]}, narrowed)
    assert "nothing in common" in found[0]


def test_versions_are_compared_only_where_they_must_be_equal() -> None:
    narrowed = {"resourceRules": [rule(apiVersions=["v1beta1", "v1"])]}
    assert "matchPolicy Equivalent" in joined({"resourceRules": [RULE]}, narrowed)[1][0]
    exact = {"matchPolicy": "Exact"}
    made, found = joined({"resourceRules": [RULE], **exact}, {**narrowed, **exact})
    assert (made, found) == ({"rules": [RULE], **exact}, [])
    assert "matchPolicy is not the policy's (Exact)" in joined({"resourceRules": [RULE], **exact}, narrowed)[1][0]


def test_the_bindings_match_policy_is_of_its_own_rules() -> None:
    made, found = joined({"resourceRules": [RULE], "matchPolicy": "Exact"}, {"matchPolicy": "Equivalent"})
    assert (made["matchPolicy"], found) == ("Exact", [])


def test_selectors_are_joined() -> None:
    one = {"matchLabels": {"a": "1", "b": "2"}, "matchExpressions": [{"key": "x", "operator": "Exists"}]}
    other = {"matchLabels": {"a": "1", "b": "3", "c": "4"}, "matchExpressions": [{"key": "y", "operator": "Exists"}]}
    made, found = joined(
        {"resourceRules": [RULE], "namespaceSelector": one, "objectSelector": {}},
        {"namespaceSelector": other, "objectSelector": {"matchLabels": {"z": "1"}}},
    )
    assert made["namespaceSelector"] == {
        "matchLabels": {"a": "1", "b": "2", "c": "4"},
        "matchExpressions": [
            {"key": "x", "operator": "Exists"}, {"key": "y", "operator": "Exists"},
            {"key": "b", "operator": "In", "values": ["3"]},
        ],
    }  # fmt: skip
    assert (made["objectSelector"], found) == ({"matchLabels": {"z": "1"}}, [])


@pytest.mark.parametrize(
    ("match", "said"),
    [
        ({"excludeResourceRules": [RULE]}, "m.excludeResourceRules cannot be converted"),
        ({"resourceRules": [rule(resourceNames=["x"])]}, "m.resourceRules[0].resourceNames cannot be converted"),
        ({"resourceRules": [rule(operations=["CREATE", "DELETE"])]}, "denies every deletion"),
        ({"resourceRules": [rule(operations=["*"])]}, "operations: * includes deletions"),
        (
            {"resourceRules": [rule(resources=[])]},
            "m.resourceRules[0]: resources must be a list of at least one string",
        ),
        ({"resourceRules": [rule(scope="Namespace")]}, "m.resourceRules[0]: scope 'Namespace' is none of"),
        ({"resourceRules": [rule(operations=["create"])]}, "m.resourceRules[0]: operation 'create' is none of"),
        ({"resourceRules": [rule(odd=1)]}, "m.resourceRules[0].odd is not known"),
        ({"matchPolicy": "Same"}, "m.matchPolicy: 'Same'"),
        ({"selector": {"a": 1}}, "m.selector is not known"),
    ],
)
def test_what_no_webhook_can_say_is_named(match: Any, said: str) -> None:
    assert said in "; ".join(problems("m", match))
    assert problems("m", {"resourceRules": [RULE], "excludeResourceRules": [], "matchPolicy": "Exact"}) == []
