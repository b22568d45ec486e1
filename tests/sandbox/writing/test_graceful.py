"""What a DELETE does to an object before it goes."""

from __future__ import annotations

import pytest
import trio

from edged.sandbox.writing.graceful import begin, wanted_finalizers
from tests.sandbox.harness import NS, Caller, pod

PODS = f"{NS}/pods"


def resource(call: Caller, plural: str, group: str = ""):
    found = call.api.cluster.registry.find(group, "v1", plural)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("query", "seconds", "until"),
    [("", 30, "22:13:50"), ("?gracePeriodSeconds=5", 5, "22:13:25"), ("?gracePeriodSeconds=-9", 1, "22:13:21")],
)
def test_a_pod_on_a_node_has_time(query, seconds, until):
    async def body(call: Caller) -> None:
        await call.ok("POST", PODS, pod("p", nodeName="n"))
        metadata = (await call.ok("DELETE", f"{PODS}/p{query}"))["metadata"]
        assert metadata["deletionGracePeriodSeconds"] == seconds and metadata["generation"] == 2
        assert metadata["deletionTimestamp"] == f"2023-11-14T{until}Z"
        await call.ok("GET", f"{PODS}/p")

    trio.run(body, Caller())


def test_the_time_only_becomes_shorter():
    async def body(call: Caller) -> None:
        await call.ok("POST", PODS, pod("p", nodeName="n"))
        for query, seconds in (("", 30), ("?gracePeriodSeconds=90", 30), ("?gracePeriodSeconds=7", 7), ("", 7)):
            answer = await call.ok("DELETE", f"{PODS}/p{query}")
            assert answer["metadata"]["deletionGracePeriodSeconds"] == seconds
        await call.ok("DELETE", f"{PODS}/p?gracePeriodSeconds=0")
        await call.refused(404, "GET", f"{PODS}/p")

    trio.run(body, Caller())


def test_a_pod_without_a_node_goes_at_once():
    async def body(call: Caller) -> None:
        await call.ok("POST", PODS, pod("p"))
        assert (await call.ok("DELETE", f"{PODS}/p"))["metadata"]["deletionGracePeriodSeconds"] == 0
        await call.refused(404, "GET", f"{PODS}/p")

    trio.run(body, Caller())


def test_a_dry_run_ends_nothing():
    async def body(call: Caller) -> None:
        await call.ok("POST", PODS, pod("p", nodeName="n"))
        assert (await call.ok("DELETE", f"{PODS}/p?dryRun=All"))["metadata"]["deletionGracePeriodSeconds"] == 30
        assert "deletionTimestamp" not in (await call.ok("GET", f"{PODS}/p"))["metadata"]

    trio.run(body, Caller())


@pytest.mark.parametrize(
    ("plural", "group", "options", "expected"),
    [
        ("configmaps", "", {}, ["a.b/c"]),
        ("configmaps", "", {"propagationPolicy": "Orphan"}, ["a.b/c", "orphan"]),
        ("configmaps", "", {"propagationPolicy": "Foreground"}, ["a.b/c", "foregroundDeletion"]),
        ("configmaps", "", {"orphanDependents": True}, ["a.b/c", "orphan"]),
        ("jobs", "batch", {}, ["a.b/c", "orphan"]),
        ("jobs", "batch", {"propagationPolicy": "Background"}, ["a.b/c"]),
        ("events", "", {"propagationPolicy": "Foreground"}, ["a.b/c"]),
    ],
)
def test_finalizers_of_the_garbage_collector(plural, group, options, expected):
    call = Caller()
    assert wanted_finalizers(resource(call, plural, group), {"finalizers": ["a.b/c"]}, options) == expected


def test_odd_grace_periods_have_an_end():
    call = Caller()
    obj = {**pod("p", nodeName="n"), "metadata": {"name": "p"}}
    obj["spec"]["terminationGracePeriodSeconds"] = 10**30
    found = begin(call.api.cluster, resource(call, "pods"), obj, {})
    assert found.changed is not None and found.changed["metadata"]["deletionTimestamp"] > "2050"
