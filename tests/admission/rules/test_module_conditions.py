"""Match conditions that a module carries: what is taken, what takes away all of them, and what a webhook gets."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from edged.admission.rules import webhooks
from edged.admission.rules.module_conditions import (
    MOST,
    MOST_CHARACTERS,
    PREFIX,
    conditions_of,
    of_webhook,
    own_names,
)
from edged.admission.rules.webhook_objects import generate
from edged.admission.rules.webhooks import Target, WebhookSpec, recall
from edged.json_text import dumps
from tests.hostile_values import mutations

KEY = "io.edged.match-conditions"
POD = {"name": "privileged", "expression": "request.kind.kind != 'Pod' || has(object.spec.hostNetwork)"}
PODS = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}
TARGET = Target("https://127.0.0.1:8443", b"PEM", "edge-1/abc")


def problem(*entries: object) -> str:
    found = conditions_of({KEY: dumps(list(entries)).decode()})
    assert bool(found.problem) != bool(found.conditions)
    return found.problem


def condition(expression: str, name: str = "c") -> dict[str, str]:
    return {"name": name, "expression": expression}


def test_a_list_in_json_or_yaml_is_taken_under_names_of_its_own():
    in_yaml = f"- name: privileged\n  expression: >-\n    {POD['expression']}\n"
    for written in (dumps([POD]).decode(), in_yaml, [POD]):
        found = conditions_of({KEY: written})
        assert found.conditions == ({"name": "module.edged.dev/privileged", "expression": POD["expression"]},)
        assert found.problem == "" and own_names(found.conditions) == [POD]
    assert conditions_of({}).conditions == () and conditions_of({}).problem == ""


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([], "is empty"),
        ([condition("true", str(n)) for n in range(MOST + 1)], f"has {MOST + 1} conditions, and at most {MOST}"),
        (["true"], "[0] is not a mapping"),
        ([{**POD, "message": "x"}], "[0] has the unknown key 'message'"),
        ([condition("true", "a b")], "[0].name: must be letters"),
        ([condition("true", "example.com/a")], "[0].name: must be letters"),
        ([condition("true", "a" * 64)], "[0].name: must be letters"),
        ([POD, POD], "[1].name: privileged is the name of another condition"),
        ([condition(" ")], "condition c: expression must be a CEL expression"),
        ([{"name": "c", "expression": True}], "condition c: expression must be a CEL expression"),
        ([POD, condition("object.spec ==")], "condition c does not compile: Syntax error"),
        ([condition("object.spec.hostNetwork")], "condition c does not compile: must evaluate to bool"),
        ([condition("request.nowhere == 'a'")], "condition c does not compile: undefined field"),
        ([condition("authorizer.group('').check('x').allowed()")], "condition c may not compile in every API server"),
        ([condition("object.?spec.hasValue()")], "condition c may not compile in every API server"),
        ([condition("true || " * (MOST_CHARACTERS // 8) + "true")], f"more than {MOST_CHARACTERS} characters together"),
        ([condition("object.a.all(a, object.b.all(b, object.c.all(c, a == b)))")], "condition c: evaluating it costs"),
        ([condition("object.a.all(a, object.b.all(b, a.b > b.size()))", str(n)) for n in range(4)],
         "condition 2: evaluating it costs too much"),
    ],
)  # fmt: skip
def test_one_mistake_takes_away_all_conditions_and_names_the_one_that_is_wrong(entries: list[Any], said: str):
    assert said in problem(*entries)


@pytest.mark.parametrize("text", ["{", "a: 1", "[", "name: [", "", "'", "- &a [*a]", "\ud800", "x" * 20000])
def test_text_that_is_no_list_is_said_to_be_none(text: str):
    found = conditions_of({KEY: text})
    assert found.problem.startswith(f"{KEY}: ") and not found.conditions


def test_any_value_is_a_problem_and_no_exception():
    for path, written in mutations({KEY: [POD, condition("true")]}, Random(14), each=40):
        if isinstance(written, dict):
            found = conditions_of(written)
            assert all(isinstance(each["expression"], str) for each in found.conditions), path
            assert not (found.conditions and found.problem)


def hook(users: list[dict[str, str]], modules: Any) -> dict[str, Any]:
    spec = WebhookSpec("p", [PODS], match_conditions=users, module_conditions=modules)
    generated = generate([spec], TARGET)
    assert not generated.problems
    (found,) = generated.objects[webhooks.VALIDATING]["webhooks"]
    return found


def test_a_users_conditions_and_a_modules_must_both_hold():
    modules = conditions_of({KEY: [POD]}).conditions
    assert hook([POD], modules)["matchConditions"] == [POD, *modules]
    assert "matchConditions" not in hook([], None)


def test_a_users_conditions_are_never_given_up_for_a_modules():
    modules = conditions_of({KEY: [POD]}).conditions
    for users in (
        [condition("true", str(n)) for n in range(63)],
        [condition("true || " * 1022 + "true", "long")],
        [condition("true", PREFIX + "privileged")],
    ):
        assert hook(users, modules)["matchConditions"] == users


def test_what_is_registered_stays_where_a_module_cannot_be_read():
    modules = conditions_of({KEY: [POD]}).conditions
    live = generate([WebhookSpec("p", [PODS], match_conditions=[condition("true")], module_conditions=modules)], TARGET)
    unknown = WebhookSpec("p", None, module_conditions=None)
    (filled,) = recall([unknown], live.objects.values())
    assert (list(filled.rules or ()), filled.module_conditions) == ([{**PODS, "scope": "*"}], list(modules))
    (kept,) = recall([WebhookSpec("p", [PODS], module_conditions=())], live.objects.values())
    assert kept.module_conditions == ()
    (new,) = recall([WebhookSpec("q", [PODS], module_conditions=None)], live.objects.values())
    assert "matchConditions" not in webhooks.webhook(new, TARGET)


def test_nothing_is_assumed_of_a_registered_webhook():
    for conditions in (None, "a", [1, {"name": 1}, {"name": PREFIX + "a"}, {"name": PREFIX + "a", "expression": 1}]):
        assert of_webhook({"matchConditions": conditions}) == []
