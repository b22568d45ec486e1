"""Who shares a webhook with whom, and what it says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edged.admission.rules.exemptions import condition
from edged.admission.rules.shared_webhooks import hook_name, key_in, key_of, shared_webhook
from edged.admission.rules.webhook_check import name_problem
from edged.admission.rules.webhook_objects import generate
from edged.admission.rules.webhooks import MUTATING, VALIDATING, Target, WebhookSpec, problem

TARGET = Target("https://127.0.0.1:8443", b"", "o", is_sharing=True)
PODS = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}
SPEC = WebhookSpec("a", [PODS])
ALL = {"apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"], "operations": ["*"]}
USER = {"name": "users", "expression": "request.namespace != 'x'"}


def key(spec: WebhookSpec, target: Target = TARGET) -> str:
    found = key_of(spec, target)
    assert found is not None
    return found


def test_policies_that_are_asked_in_the_same_way_share_one_webhook_whatever_else_there_is() -> None:
    services = replace(SPEC, name="b", rules=[{**PODS, "resources": ["services"]}, PODS], timeout_s=1.0)
    alone = generate([SPEC], TARGET).objects[VALIDATING]["webhooks"]
    made = generate([services, SPEC], TARGET)
    (hook,) = made.objects[VALIDATING]["webhooks"]
    assert hook["name"] == alone[0]["name"] == hook_name(key(SPEC)) and not name_problem(hook["name"])
    assert hook["clientConfig"]["url"] == f"https://127.0.0.1:8443/shared/{key(SPEC)}"
    assert key_in(hook["name"]) == key(SPEC) and key_in("a.policy.edged.dev") is None
    assert [rule["resources"] for rule in hook["rules"]] == [["pods"], ["services"]]  # the same rule once
    assert made.policies == ["a", "b"] and made.members == {hook["name"]: (SPEC, services)}
    assert not problem(SPEC, TARGET)


@pytest.mark.parametrize("change", [
    {"failure_policy": "Ignore"}, {"monitor": True}, {"match_policy": "Exact"}, {"side_effects": "NoneOnDryRun"},
    {"namespace_selector": {"matchLabels": {"a": "b"}}}, {"object_selector": {"matchLabels": {"a": "b"}}},
    {"match_conditions": ({"name": "c", "expression": "true"},)},
    {"module_conditions": ({"name": "module.edged.dev/c", "expression": "true"},)}, {"webhook_timeout_s": 5},
    {"namespace": "team"}, {"hook_name": "a.kubewarden.admission"},
])  # fmt: skip
def test_all_but_the_rules_has_to_be_equal(change: dict[str, Any]) -> None:
    assert key(replace(SPEC, **change)) != key(SPEC)


def test_names_timeouts_of_their_own_and_rules_are_not_compared() -> None:
    assert key(replace(SPEC, name="b", timeout_s=0.5, rules=[{**PODS, "operations": ["DELETE"]}])) == key(SPEC)
    assert key(replace(SPEC, monitor=True)) == key(replace(SPEC, failure_policy="Ignore"))
    one, other = (replace(SPEC, namespace=each, hook_name=f"{each}.kubewarden.admission") for each in ("one", "two"))
    assert key(one) != key(other)
    version = {**PODS, "apiGroups": ["a.example.com"], "apiVersions": ["v7"]}
    exact = replace(SPEC, match_policy="Exact")
    assert key(replace(exact, rules=[version])) == key(exact) and key(replace(SPEC, rules=[version])) != key(SPEC)


def test_who_has_a_webhook_of_its_own() -> None:
    assert key_of(SPEC, replace(TARGET, is_sharing=False)) is None
    for change in ({"is_own": True}, {"mutating": True}, {"path": "/validate-x"}, {"rules": []}, {"rules": None}):
        assert key_of(replace(SPEC, **change), TARGET) is None
    specs = [SPEC, replace(SPEC, name="b", is_own=True), replace(SPEC, name="c", mutating=True)]
    made = generate(specs, TARGET)
    assert [hook["name"] for hook in made.objects[VALIDATING]["webhooks"]] == [
        "b.policy.edged.dev", hook_name(key(SPEC))]
    assert [hook["name"] for hook in made.objects[MUTATING]["webhooks"]] == ["c.policy.edged.dev"]


def test_what_is_left_out_is_what_every_member_leaves_out() -> None:
    roles = {**ALL, "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"]}
    both = [replace(SPEC, rules=[ALL]), replace(SPEC, name="b", rules=[roles])]
    (joined,) = shared_webhook("0" * 20, both, TARGET)["matchConditions"]
    assert "rbac" not in joined["expression"] and "'scheduling.k8s.io'" in joined["expression"]
    assert joined == condition([ALL, roles])
    assert "request.resource.resource == 'nodes'" in joined["expression"]


def test_where_an_error_lets_pass_conditions_that_differ_are_not_joined() -> None:
    """One that costs too much would be an error of all."""

    def spec(expression: str, **keys: Any) -> WebhookSpec:
        return replace(SPEC, module_conditions=({"name": "module.edged.dev/own", "expression": expression},), **keys)

    for keys in ({"failure_policy": "Ignore"}, {"monitor": True}):
        one, other, without = spec("has(object.a)", **keys), spec("has(object.b)", **keys), replace(SPEC, **keys)
        assert len({key(one), key(other), key(without)}) == 3
        assert key(one) == key(replace(one, name="another"))


def test_conditions_of_modules_are_joined_and_a_users_are_not() -> None:
    def spec(name: str, expression: str) -> WebhookSpec:
        own = {"name": "module.edged.dev/own", "expression": expression}
        return replace(SPEC, name=name, match_conditions=(USER,), module_conditions=(own,))

    members = [spec("a", "has(object.a)"), spec("b", "has(object.b)"), spec("c", "has(object.a)")]
    assert len({key(each) for each in members}) == 1
    assert key(members[0]) != key(replace(members[0], match_conditions=()))
    hook = shared_webhook("0" * 20, members, TARGET)
    joined = {"name": "module.edged.dev/any", "expression": "(has(object.a)) || (has(object.b))"}
    assert hook["matchConditions"] == [USER, joined]
    assert shared_webhook("0" * 20, members[::2], TARGET)["matchConditions"] == [USER, *members[0].module_conditions]
    long = spec("d", "object.d == '" + "x" * 4000 + "' || object.e == '" + "x" * 60 + "'")
    assert shared_webhook("0" * 20, [*members, long], TARGET)["matchConditions"] == [USER]
