"""Which objects are served, under which names, and what is written into them."""

from __future__ import annotations

from typing import Any

from edged.admission.resources.conversion import Limits
from edged.admission.resources.plan import belongs, make_plan, trimmed
from edged.admission.resources.status import Facts, policy_status, server_status
from tests.admission.resources.objects import MODULE, namespaced, policy, server

LIMITS = Limits(module_sources=("ghcr.io",))


def test_only_the_objects_of_one_policy_server() -> None:
    objects = [server(), server("other"), policy("a"), policy("b", policyServer="other"), policy("c", policyServer="")]
    plan = make_plan(objects, "default", LIMITS, ())
    assert plan.server == server() and plan.has_server
    assert list(plan.served) == ["clusterwide-a", "clusterwide-c"]
    other = make_plan(objects, "other", LIMITS, ())
    assert list(other.served) == ["clusterwide-b"]
    assert not belongs(policy(policyServer=""), "other")


def test_a_server_that_goes_counts_as_gone() -> None:
    going = server()
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert not make_plan([going], "default", LIMITS, ()).has_server
    assert not make_plan([policy()], "default", LIMITS, ()).has_server


def test_the_oldest_keeps_a_contested_name() -> None:
    first, second = namespaced("b-c", "a"), namespaced("c", "a-b")
    first["metadata"]["creationTimestamp"] = "2026-01-02T00:00:00Z"
    second["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    plan = make_plan([first, second], "default", LIMITS, ())
    assert [planned.blocked for planned in plan.policies] == [
        "", "AdmissionPolicy a-b/c has the name namespaced-a-b-c already",
    ]  # fmt: skip
    assert plan.served["namespaced-a-b-c"].obj == second
    taken = make_plan([first], "default", LIMITS, {"namespaced-a-b-c"})
    assert taken.policies[0].blocked == "a policy of the configuration file has the name namespaced-a-b-c already"
    assert taken.served == {}


def test_what_is_remembered_serves_the_same_policy() -> None:
    obj = policy("a", settings={"k": 1})
    obj["metadata"] |= {"annotations": {"io.kubewarden.policy.severity": "low", "kubectl/last": "x"}, "finalizers": []}
    obj["status"] = {"policyStatus": "active"}
    kept = trimmed(obj)
    assert "status" not in kept and "resourceVersion" not in kept["metadata"]
    assert kept["metadata"]["annotations"] == {"io.kubewarden.policy.severity": "low"}
    before, after = (make_plan([each], "default", LIMITS, ()).served["clusterwide-a"] for each in (obj, kept))
    assert before.converted == after.converted


def conditions(status: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {each["type"]: (each["status"], each["reason"]) for each in status["conditions"]}


def test_status_of_an_active_policy() -> None:
    status = policy_status(policy(), Facts("active", "protect", True, True), "2026-01-01T00:00:00Z")
    assert (status["policyStatus"], status["mode"]) == ("active", "protect")
    assert conditions(status) == {
        "PolicyActive": ("True", "PolicyActive"),
        "PolicyServerConfigurationUpToDate": ("True", "ConfigurationVersionMatch"),
        "PolicyUniquelyReachable": ("True", "LatestReplicaSetIsUniquelyReachable"),
    }
    assert all(each["observedGeneration"] == 1 for each in status["conditions"])


def test_status_carries_the_reason() -> None:
    status = policy_status(policy(), Facts("pending", "", False, False, f"module {MODULE} is gone"), "now")
    assert status["mode"] == "unknown"
    assert conditions(status) == {
        "PolicyActive": ("False", "PolicyActive"),
        "PolicyServerConfigurationUpToDate": ("False", "ConfigurationVersionMismatch"),
        "PolicyUniquelyReachable": ("False", "LatestReplicaSetIsNotUniquelyReachable"),
    }
    for each in status["conditions"][:2]:
        assert "is gone" in each["message"]
    scheduled = policy_status(policy(), Facts("scheduled"), "now")
    assert conditions(scheduled)["PolicyServerConfigurationUpToDate"] == ("Unknown", "UnknownConfigurationVersion")
    long = policy_status(policy(), Facts("pending", why="x" * 10_000), "now")
    assert len(long["conditions"][0]["message"]) == 2048


def test_the_same_facts_again_change_nothing() -> None:
    obj = policy()
    obj["status"] = policy_status(obj, Facts("active", "protect", True, True), "2026-01-01T00:00:00Z")
    assert policy_status(obj, Facts("active", "protect", True, True), "2026-02-02T00:00:00Z") == obj["status"]
    changed = policy_status(obj, Facts("pending", "protect", True, False, "w"), "2026-02-02T00:00:00Z")
    times = {each["type"]: each["lastTransitionTime"] for each in changed["conditions"]}
    assert times["PolicyActive"] == "2026-02-02T00:00:00Z"
    assert times["PolicyServerConfigurationUpToDate"] == "2026-01-01T00:00:00Z"


def test_conditions_of_others_stay_where_they_are() -> None:
    obj = policy()
    theirs = {"type": "Theirs", "status": "True", "reason": "R", "message": "", "lastTransitionTime": "t"}
    obj["status"] = {"policyStatus": "pending", "conditions": [theirs]}
    found = policy_status(obj, Facts("active", "protect", True, True), "now")["conditions"]
    assert found[0] == theirs and len(found) == 4


def test_status_of_a_policy_server() -> None:
    status = server_status(server(), "now", deleting=False, cleaned_up=False)
    assert len(status["conditions"]) == 5
    assert {each["reason"] for each in status["conditions"]} == {"ReconciliationSucceeded"}
    going = server_status(server(), "now", deleting=True, cleaned_up=False)["conditions"][-1]
    assert (going["type"], going["status"], going["reason"]) == (
        "PolicyWebhooksCleanedUp", "False", "ReconciliationFailed",
    )  # fmt: skip
