"""Preemption from outside: priority classes, budgets, what is written and told, and the grace of victims."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import pytest

from tests.cluster.scheduling import Daemon, Object, Scene, condition, node, pod, until

SCHEDULER = '[scheduler]\nnames = ["edged"]\n'


@contextmanager
def priority_class(scene: Scene, name: str, policy: str) -> Iterator[Object]:
    """What a Pod's spec needs to be important."""
    scene.kubectl("create", "priorityclass", name, "--value=1000", f"--preemption-policy={policy}")
    try:
        yield {"priorityClassName": name}
    finally:
        scene.kubectl("delete", "priorityclass", name)


@pytest.fixture
def important(scene: Scene) -> Iterator[Object]:
    with priority_class(scene, "important", "PreemptLowerPriority") as spec:
        yield spec


def test_an_important_pod_takes_the_place_of_another(scene: Scene, important: Object) -> None:
    scene.apply(node("a", cpu="1"), node("full", cpu="1"))
    with Daemon(scene.server.kubeconfig, SCHEDULER) as daemon:
        scene.apply(pod("also", cpu="1", nodeName="full", **important))
        scene.apply(held("victim", cpu="1", terminationGracePeriodSeconds=30))
        assert scene.wait_bound("victim")["victim"] == "a"
        scene.apply(pod("urgent", cpu="1", **important))
        text = "0/2 nodes are available: 2 Insufficient cpu."
        scene.wait_rejected(
            "urgent", f"{text} preemption: found a potential placement for pod on node a, preempting 1 victims"
        )
        until(lambda: "deletionTimestamp" in scene.pods()["victim"]["metadata"], scene.pods)
        victim = scene.pods()["victim"]
        told = condition(victim, "DisruptionTarget")
        assert (told["status"], told["reason"]) == ("True", "PreemptionByScheduler")
        assert told["message"] == "edged: preempting to accommodate a higher priority pod"
        urgent = scene.pods()["urgent"]
        assert urgent["status"]["nominatedNodeName"] == "a"
        until(lambda: bool(scene.events("victim", "Preempted")))
        event = scene.events("victim", "Preempted")[0]
        assert event["note"] == f"Preempted by pod {urgent['metadata']['uid']} on node a"
        assert (event["action"], event["type"], event["related"]["name"]) == ("Preempting", "Normal", "urgent")
        # There is no kubelet: the victim is ended by hand, after its room was asked for by a lesser Pod.
        scene.apply(pod("lesser", cpu="1"))
        until(lambda: condition(scene.pods()["lesser"]) != {})
        assert scene.placement()["urgent"] == ""
        _end(scene, "victim")
        assert scene.wait_bound("urgent")["urgent"] == "a"
        assert scene.placement()["lesser"] == ""
        assert daemon.status()["scheduler"]["pending"]["unschedulable"] == 1


def test_budgets_decide_who_goes(scene: Scene, important: Object) -> None:
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "guard"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "guarded"}}},
    }
    scene.apply(node("a", cpu="2"))
    with Daemon(scene.server.kubeconfig, SCHEDULER):
        scene.apply(budget)
        scene.apply(held("guarded", cpu="1", labels={"app": "guarded"}), held("free", cpu="1"))
        scene.wait_bound("guarded", "free")
        _allow(scene, 0)
        scene.apply(pod("urgent", cpu="1", **important))
        until(lambda: bool(scene.events("free", "Preempted")))
        _end(scene, "free")
        scene.wait_bound("urgent")
        assert "guarded" in scene.pods()
        # Nobody else is left: now it goes, budget or not.
        scene.apply(pod("urgent-too", cpu="1", **important))
        until(lambda: bool(scene.events("guarded", "Preempted")))
        _end(scene, "guarded")
        scene.wait_bound("urgent-too")


def _allow(scene: Scene, disruptions: int) -> None:
    """What the disruption controller would write."""
    counts = {"currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1, "observedGeneration": 1}
    patch = {"status": {"disruptionsAllowed": disruptions, **counts}}
    scene.kubectl(
        "patch", "pdb", "guard", "-n", scene.namespace, "--subresource=status", "--type=merge",
        "-p", orjson.dumps(patch).decode(),
    )  # fmt: skip


def test_nobody_goes_for_a_pod_that_must_not_preempt(scene: Scene) -> None:
    scene.apply(node("a", cpu="1"))
    with priority_class(scene, "polite", "Never") as polite, Daemon(scene.server.kubeconfig, SCHEDULER):
        scene.apply(pod("there", cpu="1"))
        scene.wait_bound("there")
        scene.apply(pod("polite", cpu="1", **polite))
        text = "0/1 nodes are available: 1 Insufficient cpu. preemption: not eligible due to preemptionPolicy=Never."
        scene.wait_rejected("polite", text)
        assert "deletionTimestamp" not in scene.pods()["there"]["metadata"]


def held(name: str, **fields: Any) -> Object:
    """A Pod that stays to be seen once it is deleted, also where nothing needs a grace period."""
    made = pod(name, **fields)
    made["metadata"]["finalizers"] = ["example.com/held"]
    return made


def _end(scene: Scene, name: str) -> None:
    """What the kubelet and the finalizer's owner would do."""
    free = '{"metadata": {"finalizers": null}}'
    scene.kubectl("patch", "pod", name, "-n", scene.namespace, "--type=merge", "-p", free)
    scene.kubectl("delete", "pod", name, "-n", scene.namespace, "--force", "--grace-period=0", "--ignore-not-found")
