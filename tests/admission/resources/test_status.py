"""What is written into the status of policies and policy servers."""

from __future__ import annotations

from typing import Any

from edged.admission.resources.status import Facts, policy_status, server_status
from tests.admission.resources.objects import MODULE, policy, server


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
