"""What-if changes of a cluster's picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from edged.errors import ConfigError
from edged.kube.values.names import NamespacedName
from edged.scheduling.simulation import changes
from edged.scheduling.simulation.cluster_state import ClusterState
from edged.scheduling.simulation.pod_objects import ORIGIN
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


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: changes.drain(s, "z"), "there is no node 'z'; there are a, b"),
        (lambda s: changes.scale(s, "shop/web", 2), "no Pod in namespace shop belongs to a workload 'web'"),
        (lambda s: changes.scale(s, "web-5d9", 2), "there are default/agent, default/web, default/web-5d8"),
        (lambda s: changes.scale(s, "shop/agent", 2), "belongs to a workload 'agent'; there is default/agent"),
        (lambda s: changes.reschedule(s, "shop/"), "no running Pod is meant by 'shop/'"),
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
