"""Entries of `webhooks` as the API server validates them: every field, every type."""

from __future__ import annotations

import copy
from random import Random
from typing import Any

import pytest

from edged.admission.rules.webhook_check import conditions_problem, entry_problem, rule_problem, url_problem
from edged.json_text import dumps
from tests import hostile_values

PODS: dict[str, Any] = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}
ENTRY: dict[str, Any] = {
    "name": "a.policy.edged.dev",
    "clientConfig": {"url": "https://127.0.0.1:8443/validate/a", "caBundle": "UEVN"},
    "rules": [{**PODS, "scope": "*"}], "failurePolicy": "Fail", "matchPolicy": "Equivalent",
    "namespaceSelector": {"matchLabels": {"a": "b"}},
    "objectSelector": {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]},
    "sideEffects": "None", "timeoutSeconds": 3, "admissionReviewVersions": ["v1"],
    "matchConditions": [{"name": "x", "expression": "true"}, {"name": "example.com/y", "expression": "true"}],
}  # fmt: skip


def test_an_entry_that_is_right():
    assert entry_problem(ENTRY, mutating=False) == ""
    assert entry_problem({**ENTRY, "reinvocationPolicy": "Never"}, mutating=True) == ""


@pytest.mark.parametrize(("change", "complaint"), [
    ({"name": "a.b"}, "at least three parts"),
    ({"name": "a." * 126 + "ab"}, "at most 253"),
    ({"name": 5}, "cannot name a webhook"),
    ({"clientConfig": {}}, "clientConfig.url"),
    ({"clientConfig": {"service": {}}}, "clientConfig"),
    ({"clientConfig": {"url": "https://a/b c"}}, "clientConfig.url"),
    ({"clientConfig": {"url": "https://a/%zz"}}, "clientConfig.url"),
    ({"clientConfig": {"url": "https://a/\n"}}, "clientConfig.url"),
    ({"clientConfig": {"url": "https://a:99999/"}}, "webhook URL"),
    ({"clientConfig": {"url": "https://a", "caBundle": "="}}, "caBundle"),
    ({"clientConfig": {"url": "https://a", "caBundle": None}}, "caBundle"),
    ({"failurePolicy": "fail"}, "failurePolicy: 'fail' is none of Fail, Ignore"),
    ({"matchPolicy": None}, "matchPolicy"),
    ({"sideEffects": "Some"}, "sideEffects"),
    ({"reinvocationPolicy": "Never"}, "unknown key"),
    ({"timeoutSeconds": 0}, "from 1 to 30"),
    ({"timeoutSeconds": 31}, "from 1 to 30"),
    ({"timeoutSeconds": True}, "from 1 to 30"),
    ({"timeoutSeconds": 3.0}, "from 1 to 30"),
    ({"timeoutSeconds": "3"}, "from 1 to 30"),
    ({"admissionReviewVersions": ["v2"]}, "admissionReviewVersions"),
    ({"namespaceSelector": {"matchLabels": {"bad key!": "x"}}}, "namespaceSelector: matchLabels"),
    ({"objectSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}, "objectSelector: matchExpressions[0]"),
    ({"objectSelector": None}, "objectSelector"),
    ({"rules": None}, "rules: must be a list"),
    ({"rules": [PODS, 5]}, "rules[1]: must be an object"),
    ({"rules": [{**PODS, "resourceNames": ["a"]}]}, "rules[0]: has the unknown key"),
    ({"futureField": 1}, "unknown key 'futureField'"),
])
def test_what_is_wrong_is_named_by_its_field(change, complaint):
    assert complaint in entry_problem({**ENTRY, **change}, mutating=False)


def test_a_mutating_entry_says_whether_it_is_called_again():
    assert "reinvocationPolicy" in entry_problem(ENTRY, mutating=True)


@pytest.mark.parametrize(("conditions", "complaint"), [
    ([{"name": "x", "expression": "true"}] * 2, "matchConditions[1].name: 'x' is the name of another condition"),
    ([{"name": str(number), "expression": "true"} for number in range(65)], "at most 64"),
    ([{"name": "", "expression": "true"}], "matchConditions[0].name"),
    ([{"name": "bad name", "expression": "true"}], "matchConditions[0].name"),
    ([{"name": "x", "expression": " \n"}], "matchConditions[0].expression"),
    ([{"name": "x"}], "matchConditions[0].expression"),
    ([{"name": "x", "expression": None}], "matchConditions[0].expression"),
    ([{"name": "x", "expression": "'\ud800' == ''"}], "Unicode"),
    ([{"name": "x", "expression": "true", "more": 1}], "unknown key 'more'"),
    ([None], "must be an object"),
    ({}, "must be a list"),
])
def test_match_conditions(conditions, complaint):
    assert complaint in conditions_problem(conditions)


def test_64_conditions_are_taken():
    assert conditions_problem([{"name": str(number), "expression": "true"} for number in range(64)]) == ""


@pytest.mark.parametrize(("change", "complaint"), [
    ({"resources": ["pods/*", "pods/*"]}, "covers 'pods/*'"),
    ({"resources": ["*/scale", "*/scale"]}, "covers '*/scale'"),
    ({"resources": ["pods/*", "*/scale", "pods/scale"]}, "covers 'pods/scale'"),
    ({"resources": ["*", "pods"]}, "covers 'pods'"),
    ({"resources": ["*/*", "*"]}, "alone"),
    ({"resources": ["\ud800"]}, "Unicode"),
    ({"apiGroups": ["*", "apps"]}, "alone"),
    ({"apiGroups": []}, "at least one"),
    ({"operations": [["CREATE"]]}, "at least one string"),
    ({"scope": "cluster"}, "scope 'cluster'"),
    ({"scope": ["*"]}, "scope a list"),
])
def test_rules(change, complaint):
    assert complaint in rule_problem({**PODS, **change})


@pytest.mark.parametrize("resources", [["pods/log", "pods"], ["*", "pods/log"], ["*", "*/log"], ["pods", "pods"]])
def test_resources_that_do_not_overlap(resources):
    assert rule_problem({**PODS, "resources": resources}) == ""


def test_a_long_list_of_resources_is_checked_in_one_pass():
    resources = [f"a{number}/*" for number in range(50_000)]
    assert rule_problem({**PODS, "resources": resources}) == ""


@pytest.mark.parametrize("url", ["http://a", "https://", "https://u@a", "https://a?b", "https://a/#c", "a:1", "https://[::1"])
def test_bad_urls(url):
    assert url_problem(url)
    assert not url_problem("https://[::1]:8443/prefix")


def test_nothing_raises_and_what_passes_can_be_written():
    passed = refused = 0
    for path, broken in hostile_values.mutations(ENTRY, Random(7), each=20, yaml=True):
        if not isinstance(broken, dict):
            continue
        problem = entry_problem(broken, mutating=False)
        if problem:
            refused += 1
            assert len(problem) < 500 and problem.isprintable(), path
        else:
            passed += 1
            assert set(broken) <= set(ENTRY), path
            dumps(broken)
    assert passed and refused > 500


def test_the_entry_is_not_changed():
    before = copy.deepcopy(ENTRY)
    entry_problem(ENTRY, mutating=False)
    assert before == ENTRY
