"""Which objects are served, and under which names."""

from __future__ import annotations

from edged.admission.resources.conversion import Limits
from edged.admission.resources.plan import belongs, make_plan, trimmed
from tests.admission.resources.objects import namespaced, policy, server

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
    ours = {"io.kubewarden.policy.severity": "low", "edged.dev/webhook": "own"}
    obj["metadata"] |= {"annotations": {**ours, "kubectl/last": "x"}, "finalizers": []}
    obj["status"] = {"policyStatus": "active"}
    kept = trimmed(obj)
    assert "status" not in kept and "resourceVersion" not in kept["metadata"]
    assert kept["metadata"]["annotations"] == ours
    before, after = (make_plan([each], "default", LIMITS, ()).served["clusterwide-a"] for each in (obj, kept))
    assert before.converted == after.converted
