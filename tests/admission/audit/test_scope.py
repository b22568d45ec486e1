"""Which policies an audit asks about what, the question, and what the answer counts as."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from edged.admission.audit import scope as audit
from edged.admission.audit.reports import PolicyFacts
from edged.admission.audit.scope import AuditPolicy
from edged.admission.audit.targets import Served
from edged.admission.rules.review import AdmissionResponse, parse_review
from edged.admission.rules.verdict import internal_rejection
from edged.kube.values.names import GroupVersionResource, ServedKind

PODS = ServedKind(GroupVersionResource("", "v1", "pods"), "Pod", True, ("list",))
DEPLOYMENTS = ServedKind(GroupVersionResource("apps", "v1", "deployments"), "Deployment", True, ("list",))
NAMESPACES = ServedKind(audit.NAMESPACES, "Namespace", False, ("list",))
TOKEN_REVIEWS = GroupVersionResource("authentication.k8s.io", "v1", "tokenreviews")
TOKENS = ServedKind(TOKEN_REVIEWS, "TokenReview", False, ("create",))
SERVED = Served({kind.resource: kind for kind in (PODS, DEPLOYMENTS, NAMESPACES, TOKENS)})


def rule(
    resources: list[str], groups: tuple[str, ...] = ("",), operations: tuple[str, ...] = ("CREATE",), **more: Any
) -> dict[str, Any]:
    return {"apiGroups": list(groups), "apiVersions": ["v1"], "resources": resources,
            "operations": list(operations), **more}  # fmt: skip


def policy(name: str, *rules: dict[str, Any], namespace: str = "", **fields: Any) -> AuditPolicy:
    selectors = {key: audit.selector(fields.pop(key, {})) for key in ("namespace_selector", "object_selector")}
    facts = PolicyFacts(name, name, namespace)
    return AuditPolicy(facts=facts, rules=rules or (rule(["pods"]),), **selectors, **fields)


def planned(*policies: AuditPolicy, namespaced: bool = True) -> audit.Plan:
    return audit.plan(policies, SERVED, namespaced=namespaced)


def names(plan: audit.Plan) -> dict[str, list[str]]:
    return {kind.kind: [policy.facts.id for policy in asked] for kind, asked in plan.kinds.items()}


def test_policies_are_grouped_by_kind():
    plan = planned(policy("a", rule(["pods"])), policy("b", rule(["deployments"], ("apps",)), rule(["pods"])))
    assert names(plan) == {"Pod": ["a", "b"], "Deployment": ["b"]}
    assert plan.skipped == frozenset() and plan.errored == {}


@pytest.mark.parametrize(
    "wild",
    [
        rule(["*"]),
        rule(["pods"], ("*",)),
        rule(["pods"]) | {"apiVersions": ["*"]},
        rule(["pods", "*"]),
        rule(["pods"], operations=("UPDATE", "DELETE")),
        rule(["pods/exec"], operations=("CONNECT", "CREATE")),
    ],
)
def test_a_rule_that_names_nothing_listable_or_no_creation_is_dropped(wild: dict[str, Any]):
    assert planned(policy("a", wild)).skipped == {"a"}
    assert names(planned(policy("a", wild, rule(["pods"])))) == {"Pod": ["a"]}


def test_every_operation_includes_creation():
    assert names(planned(policy("a", rule(["pods"], operations=("*",))))) == {"Pod": ["a"]}


def test_subresources_are_left_out_and_the_rest_is_looked_at():
    assert names(planned(policy("a", rule(["pods", "pods/ephemeralcontainers"])))) == {"Pod": ["a"]}


def test_an_unknown_resource_is_an_error_beside_what_is_known():
    plan = planned(policy("a", rule(["pods", "gadgets"])))
    assert names(plan) == {"Pod": ["a"]}
    assert (plan.errored, plan.partly) == ({}, {"a": "the API server does not serve gadgets.v1"})
    alone = planned(policy("a", rule(["gadgets"])))
    assert (alone.errored, alone.partly) == ({"a": "the API server does not serve gadgets.v1"}, {})


def test_both_reasons_of_a_policy_that_cannot_be_asked_are_told():
    for namespaced in (True, False):
        broken = policy("a", rule(["pods", "gadgets"]), problem="no such module")
        plan = planned(broken, namespaced=namespaced)
        assert (plan.kinds, plan.partly) == ({}, {})
        assert plan.errored == {"a": "no such module; the API server does not serve gadgets.v1"}


def test_groups_and_versions_that_a_resource_is_not_in_are_no_error():
    plan = planned(policy("a", rule(["pods", "deployments"], ("", "apps"))))
    assert names(plan) == {"Pod": ["a"], "Deployment": ["a"]}
    assert (plan.errored, plan.skipped, plan.whole) == ({}, frozenset(), True)


@pytest.mark.parametrize("namespaced", [True, False])
def test_a_policy_about_what_cannot_be_listed_is_skipped_and_not_wrong(namespaced: bool):
    plan = planned(policy("a", rule(["tokenreviews"], ("authentication.k8s.io",))), namespaced=namespaced)
    assert (plan.skipped, plan.errored) == ({"a"}, {})
    assert plan.unlistable == {"a": "tokenreviews.v1.authentication.k8s.io"}
    both = planned(policy("a", rule(["tokenreviews", "pods"], ("", "authentication.k8s.io"))))
    assert (names(both), both.skipped, both.errored) == ({"Pod": ["a"]}, frozenset(), {})
    assert list(both.unlistable) == ["a"]


def test_what_the_api_server_did_not_say_keeps_old_reports():
    served = Served(SERVED.kinds, {"apps/v1": "503"})
    plan = audit.plan([policy("a", rule(["pods", "gadgets"], ("", "apps")))], served, namespaced=True)
    assert (names(plan), plan.whole) == ({"Pod": ["a"]}, False)
    assert plan.partly == {"a": "it is not known whether the API server serves gadgets of v1, apps/v1"}


def test_kinds_of_the_other_scope_are_neither_asked_nor_counted():
    spaces = policy("a", rule(["namespaces"]))
    assert planned(spaces) == audit.Plan()
    assert names(planned(spaces, namespaced=False)) == {"Namespace": ["a"]}
    assert planned(policy("b"), namespaced=False) == audit.Plan()


def test_a_rules_scope_counts():
    assert names(planned(policy("a", rule(["pods"], scope="Cluster")))) == {}
    assert names(planned(policy("a", rule(["pods"], scope="Namespaced")))) == {"Pod": ["a"]}


def test_policies_that_opted_out_or_do_not_answer_are_skipped():
    assert planned(policy("a", background=False), policy("b", active=False)).skipped == {"a", "b"}
    assert audit.needed([policy("a", background=False)]) == set()


def test_a_policy_that_cannot_be_asked_is_an_error():
    plan = planned(policy("a", problem="no such module"))
    assert (plan.kinds, plan.errored) == ({}, {"a": "no such module"})


def test_apiversions_that_have_to_be_known():
    assert audit.needed([policy("a", rule(["pods"]), rule(["deployments"], ("apps",)))]) == {"v1", "apps/v1"}


def test_namespace_selectors_choose_and_namespaced_policies_stay_at_home():
    chosen = policy("a", namespace_selector={"matchLabels": {"team": "x"}})
    home, all_of_them = policy("b", namespace="one"), policy("c")
    policies = [chosen, home, all_of_them]

    def found(name: str, **labels: str) -> list[str]:
        return [each.facts.id for each in audit.of_namespace(policies, name, labels)]

    assert found("one") == ["b", "c"]
    assert found("two", team="x") == ["a", "c"]
    assert [each.facts.id for each in audit.of_cluster(policies)] == ["a", "c"]


def test_object_selectors_and_the_labels_of_namespaces():
    web = policy("a", object_selector={"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]})
    assert audit.selects(web, {"metadata": {"labels": {"app": "web"}}}, PODS)
    assert not audit.selects(web, {"metadata": {}}, PODS)
    teams = policy("b", namespace_selector={"matchLabels": {"team": "x"}})
    assert not audit.selects(teams, {"metadata": {"labels": {}}}, NAMESPACES)
    assert audit.selects(teams, {"metadata": {"labels": {}}}, DEPLOYMENTS)


def test_the_question_is_the_creation_of_the_object_by_nobody():
    obj = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "n", "uid": "u"}}
    request = audit.request_for(obj, DEPLOYMENTS)
    kind = {"group": "apps", "version": "v1", "kind": "Deployment"}
    assert request.payload == {
        "uid": "u",
        "kind": kind,
        "resource": {"group": "apps", "version": "v1", "resource": "Deployment"},
        "requestKind": kind,
        "name": "d",
        "namespace": "n",
        "operation": "CREATE",
        "userInfo": {},
        "object": obj,
    }
    assert request.object is obj and request.kind == "Deployment" and not request.raw


def test_guests_see_the_same_question_as_one_that_came_over_http():
    obj = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n", "uid": "u"}}
    asked = audit.request_for(obj, NAMESPACES)
    nothing = {"oldObject": None, "options": None, "namespace": None}
    posted = parse_review(orjson.dumps({"request": asked.payload | nothing}))
    assert orjson.dumps(posted.payload) == orjson.dumps(asked.payload)


def test_conditions_read_the_creation_as_the_api_server_describes_it():
    obj = {"metadata": {"name": "d", "namespace": "n", "uid": "u"}}
    found = audit.condition_variables(obj, DEPLOYMENTS)
    assert found["object"] is obj and found["oldObject"] is None
    request = found["request"]
    assert request["resource"] == {"group": "apps", "version": "v1", "resource": "deployments"}
    assert request["kind"]["kind"] == "Deployment" and request["namespace"] == "n"
    assert request["userInfo"] == {"username": "", "uid": "", "groups": [], "extra": {}}


def test_outcomes():
    assert audit.outcome(AdmissionResponse("u", True)) == ("pass", "")
    assert audit.outcome(AdmissionResponse("u", False, status={"message": "no", "code": 403})) == ("fail", "no")
    assert audit.outcome(AdmissionResponse("u", False)) == ("fail", "")
    kind, message = audit.outcome(internal_rejection("u", "trap"))
    assert (kind, message) == ("error", "internal server error: trap")
    assert audit.outcome(AdmissionResponse("u", True, status={"code": 500}))[0] == "error"


def test_long_messages_are_cut_between_characters():
    _, message = audit.outcome(AdmissionResponse("u", False, status={"message": "ä" * 5000}))
    assert len(message.encode()) <= audit.MESSAGE_BYTES + 3 and message.endswith("ä...")


def test_items_of_lists_get_what_lists_leave_out():
    item = {"metadata": {"name": "p", "uid": "u"}, "spec": {}}
    assert audit.item_of(item, PODS) == {"apiVersion": "v1", "kind": "Pod", **item}
    assert audit.item_of({"metadata": {"name": "p"}}, PODS) is None
    assert audit.item_of("p", PODS) is None
