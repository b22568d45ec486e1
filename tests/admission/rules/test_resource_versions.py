"""Policies with one signature, joined: each sees what it would see alone, by the API server's own way of matching."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from edged.admission.rules.resource_versions import signature

Rule = dict[str, Any]
Gvr = tuple[str, str, str]
CLASSES: tuple[tuple[Gvr, ...], ...] = (
    (("", "v1", "pods"),),
    (("autoscaling", "v2", "horizontalpodautoscalers"), ("autoscaling", "v1", "horizontalpodautoscalers"),
     ("autoscaling", "v2beta2", "horizontalpodautoscalers")),
    (("", "v1", "events"), ("events.k8s.io", "v1", "events")),
    (("apps", "v1", "deployments"), ("apps", "v1beta1", "deployments"), ("extensions", "v1beta1", "deployments")),
    (("shop.example.com", "v1", "things"), ("shop.example.com", "v2", "things")),
    (("other.example.com", "v1", "things"),),
)  # fmt: skip
"""What an API server serves: each line is one resource, in the order in which it knows its equivalents."""
EQUIVALENTS = {gvr: served for served in CLASSES for gvr in served}
PODS = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}
HPA = {**PODS, "apiGroups": ["autoscaling"], "resources": ["horizontalpodautoscalers"]}


def matches(rule: Rule, gvr: Gvr, operation: str) -> bool:
    lists = zip(("apiGroups", "apiVersions", "resources", "operations"), (*gvr, operation), strict=True)
    return all("*" in rule[key] or wanted in rule[key] for key, wanted in lists)


def called_with(rules: Sequence[Rule], gvr: Gvr, operation: str) -> Gvr | None:
    """As k8s.io/apiserver's ShouldCallHook with matchPolicy Equivalent: literally first, then rule by rule."""
    if any(matches(rule, gvr, operation) for rule in rules):
        return gvr
    for rule in rules:
        for equivalent in EQUIVALENTS[gvr]:
            if equivalent != gvr and matches(rule, equivalent, operation):
                return equivalent
    return None


def random_rule(chance: random.Random) -> Rule:
    groups = ["", "apps", "extensions", "autoscaling", "events.k8s.io", "shop.example.com", "other.example.com"]
    resources = ["pods", "events", "deployments", "horizontalpodautoscalers", "things"]

    def some(values: Sequence[str], wildcard: float = 0.1) -> list[str]:
        if chance.random() < wildcard:
            return ["*"]
        return chance.sample(values, 1 if chance.random() < 0.7 else 2)

    gvr = chance.choice(list(EQUIVALENTS))
    rule = {"apiGroups": [gvr[0]], "apiVersions": [gvr[1]], "resources": [gvr[2]], "operations": ["*"]}
    if chance.random() < 0.4:
        rule = {**rule, "apiGroups": some(groups), "apiVersions": some(["v1", "v2", "v1beta1"]),
                "resources": some(resources)}
    return {**rule, "operations": some(["CREATE", "UPDATE", "DELETE"], 0.3)}


@pytest.mark.parametrize("seed", range(4))
def test_a_member_sees_what_it_would_see_alone(seed: int) -> None:
    chance = random.Random(seed)
    policies = [[random_rule(chance) for _ in range(chance.choice([1, 1, 2, 3]))] for _ in range(400)]
    shared: dict[str, list[list[Rule]]] = {}
    for rules in policies:
        shared.setdefault(str(signature(rules)), []).append(rules)
    compared = 0
    for members in shared.values():
        for _ in range(10):
            joined = chance.sample(members, min(len(members), chance.choice([2, 3, 6])))
            union = [rule for rules in joined for rule in rules]
            for gvr in EQUIVALENTS:
                for operation in ("CREATE", "UPDATE"):
                    together = called_with(union, gvr, operation)
                    for rules in joined:
                        alone = called_with(rules, gvr, operation)
                        asked = together is not None and any(matches(rule, together, operation) for rule in rules)
                        assert (together if asked else None) == alone, (gvr, operation, rules, joined)
                        compared += len(joined) > 1
    assert compared > 10_000


def test_usual_versions_are_joined_with_everything_and_others_with_the_same() -> None:
    usual = [
        [PODS],
        [{**PODS, "resources": ["pods", "services", "pods/exec"], "operations": ["*"]}],
        [{**PODS, "apiGroups": ["", "apps", "batch"], "resources": ["pods", "deployments", "cronjobs"]}],
        [{**HPA, "apiVersions": ["v2"]}, PODS],
    ]
    assert [signature(rules) for rules in usual] == [[]] * len(usual)
    first = signature([{**HPA, "apiVersions": ["v1"]}])
    assert first == signature([PODS, {**HPA, "apiVersions": ["v1"], "operations": ["UPDATE"]}]) != []
    in_the_other_group = {**PODS, "apiGroups": ["events.k8s.io"], "resources": ["events"]}
    assert signature([in_the_other_group]) != signature([{**PODS, "resources": ["events"]}]) == []


def test_resources_of_others_are_joined_with_the_same_version_alone() -> None:
    things = {**PODS, "apiGroups": ["shop.example.com"], "resources": ["things"]}
    second = {**things, "apiVersions": ["v2"]}
    assert len({str(signature(rules)) for rules in ([PODS], [things], [second], [things, second])}) == 4
    assert signature([PODS, things]) == signature([{**things, "operations": ["DELETE"]}])


def test_wildcards_and_several_versions_are_joined_with_the_same_rules() -> None:
    everything = {**PODS, "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"]}
    assert signature([everything]) == signature([{**everything, "operations": ["DELETE"], "scope": "Cluster"}])
    assert signature([everything]) != signature([{**everything, "resources": ["*/*"]}])
    both = {**HPA, "apiVersions": ["v1", "v2"]}
    assert signature([both]) == signature([{**both, "apiVersions": ["v2", "v1"], "operations": ["UPDATE"]}])
    one, other = {**HPA, "apiVersions": ["v1"]}, {**HPA, "apiVersions": ["v2"]}
    assert signature([one, other]) != signature([other, one])
