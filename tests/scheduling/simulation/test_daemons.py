"""On which nodes DaemonSets run."""

from __future__ import annotations

from typing import Any

import pytest

from edged.kube.values.names import NamespacedName
from edged.scheduling.simulation.added_objects import add_pods
from edged.scheduling.simulation.cluster_state import ClusterState
from tests.scheduling.makers import node
from tests.scheduling.simulation.test_simulation import fate, picture, simulate


def cluster() -> ClusterState:
    return picture(
        node("plain", labels={"disk": "hdd"}),
        node("fast", labels={"disk": "ssd"}, taints=[{"key": "gpu", "effect": "NoSchedule"}]),
        node("cordoned", unschedulable=True, taints=[
            {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]),
        node("lost", taints=[{"key": "node.kubernetes.io/network-unavailable", "effect": "NoSchedule"}]),
        node("shy", taints=[{"key": "x", "effect": "PreferNoSchedule"}]),
    )  # fmt: skip


def daemons(state: ClusterState, **spec: Any) -> list[str]:
    """The nodes that a DaemonSet makes Pods for."""
    template = {"spec": {"containers": [{"name": "c"}], "schedulerName": "edged", **spec}}
    others = {"kind": "Namespace", "metadata": {"name": "n"}}
    add_pods(state, [([others, {"kind": "DaemonSet", "metadata": {"name": "d"}, "spec": {"template": template}}], "f")])
    return sorted(key.name.removeprefix("d-") for key in state.pods)


ANY = [{"operator": "Exists"}]
FAST = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
    {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}]}}  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, ["cordoned", "plain", "shy"]),
        ({"tolerations": ANY}, ["cordoned", "fast", "lost", "plain", "shy"]),
        ({"nodeSelector": {"disk": "hdd"}}, ["plain"]),
        ({"affinity": {"nodeAffinity": FAST}}, []),
        ({"affinity": {"nodeAffinity": FAST}, "tolerations": ANY}, ["fast"]),
        ({"hostNetwork": True}, ["cordoned", "lost", "plain", "shy"]),
    ],
)
def test_one_for_each_node_that_selectors_and_tolerations_allow(spec: Any, expected: list[str]) -> None:
    assert daemons(cluster(), **spec) == expected


def test_each_is_placed_on_its_node_even_where_nothing_else_is() -> None:
    state = cluster()
    daemons(state)
    outcome = simulate(state)
    assert {name: fate(outcome, f"d-{name}").node for name in ("plain", "cordoned", "shy")} == {
        "plain": "plain", "cordoned": "cordoned", "shy": "shy",
    }  # fmt: skip
    assert NamespacedName("default", "d-fast") not in outcome.fates
