"""What-if changes of a cluster's picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from edged.errors import ConfigError
from edged.kube.values.names import NamespacedName
from edged.scheduling.simulation import changes
from edged.scheduling.simulation.changes import ORIGIN
from edged.scheduling.simulation.cluster_state import ClusterState
from tests.scheduling.makers import node, pod
from tests.scheduling.simulation.test_simulation import owned, picture


def names(state: ClusterState, node_name: str = "") -> list[str]:
    return sorted(p["metadata"]["name"] for p in state.pods.values() if p["spec"].get("nodeName", "") == node_name)


def busy() -> ClusterState:
    mirror = pod("mirror", node="a")
    mirror["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
    done = pod("done", node="a")
    done["status"]["phase"] = "Succeeded"
    return picture(
        node("a", labels={"kubernetes.io/hostname": "a"}, taints=[{"key": "gpu", "effect": "NoSchedule"}]),
        node("b"),
        owned(pod("web-1", node="a")),
        owned(pod("web-2", node="b")),
        owned(pod("agent-a", node="a"), "DaemonSet", "agent"),
        pod("alone", node="a"),
        mirror,
        done,
    )


def test_draining() -> None:
    state = busy()
    assert changes.drain(state, "a") == "a drained: 2 Pods need another node, 1 Pod of DaemonSets removed"
    assert names(state) == ["alone", "web-1"]
    assert names(state, "a") == ["done", "mirror"]
    drained = state.nodes[NamespacedName("", "a")]
    assert drained["spec"]["unschedulable"] is True
    assert {"key": changes.UNSCHEDULABLE, "effect": "NoSchedule"} in drained["spec"]["taints"]
    origin = state.pods[NamespacedName("default", "alone")]["metadata"]["annotations"][ORIGIN]
    assert "no controller" in origin


def test_removing() -> None:
    state = busy()
    assert changes.remove_node(state, "a") == "a removed: 2 Pods need another node, 2 Pods removed with it"
    assert [key.name for key in state.nodes] == ["b"]
    assert names(state, "a") == ["done"]  # what has ended takes no room
    assert names(state) == ["alone", "web-1"]


def test_what_is_not_there_is_not_counted() -> None:
    state = picture(node("a"), node("b"), node("c"), pod("p", node="a"), owned(pod("agent", node="b"), "DaemonSet"))
    assert changes.drain(state.copy(), "a") == "a drained: 1 Pod needs another node"
    assert changes.drain(state.copy(), "b") == "b drained: 1 Pod of DaemonSets removed"
    assert changes.drain(state.copy(), "c") == "c drained: no Pod has to leave it"
    assert changes.remove_node(state.copy(), "c") == "c removed: no Pod has to leave it"


def test_adding_like_another() -> None:
    state = busy()
    changes.cordon(state, "a")
    said = changes.add_nodes(state, 2, "a")
    assert said == "2 nodes like a added: a-added-1, a-added-2"
    added = state.nodes[NamespacedName("", "a-added-2")]
    assert added["metadata"]["labels"] == {"kubernetes.io/hostname": "a-added-2"}
    assert added["spec"] == {"taints": [{"key": "gpu", "effect": "NoSchedule"}]}  # ready, whatever the original is
    assert names(state, "a-added-1") == ["agent-a-a-added-1"]
    changes.add_nodes(state, 1, "a")
    assert NamespacedName("", "a-added-3") in state.nodes


def test_scaling() -> None:
    state = busy()
    assert changes.scale(state, "web", 4) == "default/web scaled from 2 to 4"  # a Deployment by its ReplicaSet's name
    assert names(state) == ["web-scaled-1", "web-scaled-2"]
    changes.scale(state, "default/web-5d8", 1)
    assert [name for name in names(state, "a") + names(state, "b") + names(state) if "web" in name] == ["web-1"]


def test_placing_anew() -> None:
    state = busy()
    assert changes.reschedule(state, "default/web-2") == "1 Pod placed anew"
    assert changes.reschedule(state, "all") == "2 Pods placed anew"
    assert names(state) == ["alone", "web-1", "web-2"]


def test_adding_pods_and_what_makes_some() -> None:
    state = busy()
    state.add_document({"kind": "PriorityClass", "metadata": {"name": "high"}, "value": 77}, "x")
    template = {"metadata": {"labels": {"app": "api"}}, "spec": {"priorityClassName": "high", "containers": [
        {"name": "c", "resources": {"limits": {"cpu": "2"}, "requests": {"memory": "1Gi"}}}]}}  # fmt: skip
    deployment = {"kind": "Deployment", "metadata": {"name": "api"}, "spec": {"replicas": 2, "template": template}}
    assert changes.add_pods(state, [(deployment, "api.yaml"), (pod("one"), "one.yaml")][:1]) == "2 Pods added"
    made = state.pods[NamespacedName("default", "api-1")]
    assert made["spec"]["priority"] == 77
    assert made["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "2", "memory": "1Gi"}
    with pytest.raises(ConfigError, match="there is a Pod default/api-0 already"):
        changes.add_pods(state, [(deployment, "api.yaml")])


def of_kind(kind: str, spec: object) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": "x"}, "spec": spec}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: changes.drain(s, "z"), "there is no node 'z'; there are a, b"),
        (lambda s: changes.add_nodes(s, 1, "z"), "no node 'z'"),
        (lambda s: changes.scale(s, "shop/web", 2), "no Pod in namespace shop belongs to a workload 'web'"),
        (lambda s: changes.scale(s, "web-5d9", 2), "there are default/agent, default/web, default/web-5d8"),
        (lambda s: changes.scale(s, "shop/agent", 2), "belongs to a workload 'agent'; there is default/agent"),
        (lambda s: changes.reschedule(s, "shop/"), "no running Pod is meant by 'shop/'"),
        (lambda s: changes.add_pods(s, [(of_kind("Pod", 3), "f")]), "f: Pod x: spec: must be an object"),
        (lambda s: changes.add_pods(s, [(of_kind("Job", {"template": "t"}), "f")]), "f: Job x: spec.template: must be"),
        (
            lambda s: changes.add_pods(s, [({**pod("x", requests={"cpu": "lots"}), "kind": "Pod"}, "f")]),
            "f: Pod default/x: spec.containers[0].resources.requests.cpu: 'lots' is not a",
        ),
        (
            lambda s: changes.add_pods(s, [({"kind": "DaemonSet", "metadata": {"name": "x"}}, "f")]),
            "f: no Pods are made",
        ),
        (lambda s: changes.add_pods(s, [("text", "f")]), "f: not an object"),
    ],
)
def test_what_is_not_there(change: Callable[[ClusterState], Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        change(busy())
    assert said in str(caught.value)


def test_a_copy_changes_alone() -> None:
    state = busy()
    other = state.copy()
    changes.drain(other, "a")
    assert names(state, "a") == ["agent-a", "alone", "done", "mirror", "web-1"]
    assert "unschedulable" not in [key for key, value in state.nodes[NamespacedName("", "a")]["spec"].items() if value]
