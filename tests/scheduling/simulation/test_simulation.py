"""Simulations: the daemon's queue, cycle and plugins on a picture of a cluster."""

from __future__ import annotations

from typing import Any

from edged.kube.values.names import NamespacedName
from edged.scheduling.core.cycle import evaluate, run_now
from edged.scheduling.core.framework import Plugin
from edged.scheduling.core.plugin_status import Code, Status
from edged.scheduling.core.profile import default_profile, with_guests
from edged.scheduling.simulation import changes
from edged.scheduling.simulation.cluster_state import ClusterState
from edged.scheduling.simulation.simulation import Outcome, Simulation, offline_summary
from tests.scheduling.makers import node, pod


def picture(*objects: dict[str, Any]) -> ClusterState:
    state = ClusterState()
    for obj in objects:
        state.add_document({**obj, "kind": "Pod" if "containers" in obj["spec"] else "Node"}, "test")
    return state


def simulate(state: ClusterState, *plugins: Plugin, **options: Any) -> Outcome:
    simulation = Simulation(state, **options)
    guests = [(plugin, 1) for plugin in plugins]
    profile = with_guests("edged", simulation, guests) if guests else default_profile("edged", simulation)
    simulation.use([profile])
    return run_now(simulation.run())


def fate(outcome: Outcome, name: str) -> Any:
    return outcome.fates[NamespacedName("default", name)]


def owned(obj: dict[str, Any], kind: str = "ReplicaSet", name: str = "web-5d8") -> dict[str, Any]:
    obj["metadata"]["ownerReferences"] = [{"kind": kind, "name": name, "controller": True}]
    return obj


def test_places_what_waits_and_counts_what_runs() -> None:
    state = picture(
        node("a"),
        node("b", cpu="2"),
        pod("runs", node="a", requests={"cpu": "3"}),
        pod("one", requests={"cpu": "1"}),
        pod("two", requests={"cpu": "1500m"}, priority=1),
        pod("huge", requests={"cpu": "9"}),
    )
    outcome = simulate(state)
    assert (fate(outcome, "runs").node, fate(outcome, "runs").tried) == ("a", False)
    assert fate(outcome, "two").node == "b"
    assert fate(outcome, "huge").node == ""
    assert "2 Insufficient cpu" in fate(outcome, "huge").message
    used = {info["name"]: info["cpu_milli"] for info in offline_summary(outcome.nodes)}
    assert sum(used.values()) == 5500
    assert all(info["cpu_milli"] <= info["cpu_limit_milli"] for info in offline_summary(outcome.nodes))
    assert not state.pods[NamespacedName("default", "one")]["spec"].get("nodeName")  # the picture is not touched


def test_the_first_decision_is_that_of_a_cycle() -> None:
    nodes = [node("a", cpu="3"), node("b", cpu="8"), node("c", cpu="5", taints=[{"key": "x", "effect": "NoSchedule"}])]
    waiting = pod("p", requests={"cpu": "2"})
    found = fate(simulate(picture(*nodes, waiting)), "p")
    expected = evaluate(None, nodes, [], pod("p", requests={"cpu": "2"}, scheduler="default-scheduler"))
    assert found.node == expected.node_name == "b"
    assert found.record.evaluation.totals() == expected.totals()
    assert found.record.evaluation.raw_scores() == expected.raw_scores()
    assert found.why.startswith("b has the highest total")


def test_an_important_pod_evicts_and_the_victim_looks_for_another_place() -> None:
    state = picture(
        node("a", cpu="2"),
        node("b", cpu="2", taints=[{"key": "x", "effect": "NoSchedule"}]),
        owned(pod("small", node="a", requests={"cpu": "2"}, tolerations=[{"key": "x", "operator": "Exists"}])),
        pod("big", requests={"cpu": "2"}, priority=100),
    )
    outcome = simulate(state)
    assert fate(outcome, "big").node == "a"
    victim = fate(outcome, "small")
    assert (victim.was, victim.node, victim.evicted_by) == ("a", "b", "default/big")


def test_a_victim_without_a_controller_is_gone() -> None:
    state = picture(
        node("a", cpu="2"),
        pod("small", node="a", requests={"cpu": "2"}),
        pod("big", requests={"cpu": "2"}, priority=100),
    )
    outcome = simulate(state)
    assert fate(outcome, "big").node == "a"
    assert (fate(outcome, "small").node, fate(outcome, "small").evicted_by) == ("", "default/big")


def test_a_pod_that_was_refused_is_tried_again_when_another_helps_it() -> None:
    """It must run beside a Pod that is placed after it."""
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "db"}}}
    affinity = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    state = picture(
        node("a", labels={"kubernetes.io/hostname": "a"}),
        node("b", labels={"kubernetes.io/hostname": "b"}),
        pod("beside", priority=10, affinity=affinity),
        pod("db", labels={"app": "db"}),
    )
    outcome = simulate(state)
    assert fate(outcome, "beside").node == fate(outcome, "db").node != ""
    assert fate(outcome, "beside").record.attempts == 2


def test_gated_and_terminating_pods_are_not_tried() -> None:
    going = pod("going")
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    outcome = simulate(picture(node("a"), pod("gated", schedulingGates=[{"name": "wait"}]), going))
    assert "SchedulingGates" in fate(outcome, "gated").message
    assert "being deleted" in fate(outcome, "going").message
    assert not fate(outcome, "gated").tried


def test_pods_of_other_schedulers_are_the_first_profiles() -> None:
    outcome = simulate(picture(node("a"), pod("p", scheduler="someone")))
    assert fate(outcome, "p").node == "a"
    assert outcome.strays == {"someone"}


class Flawed(Plugin):
    """Breaks at every filter."""

    name = "flawed"
    points = frozenset({"filter"})

    def filter(self, state: Any, pod: Any, node: Any) -> Status:
        return Status(Code.ERROR, ("it broke",))


class Holder(Plugin):
    """Refuses one Pod after a node was chosen, and makes another wait."""

    name = "holder"
    points = frozenset({"permit"})

    def permit(self, state: Any, pod: Any, node_name: str) -> Any:
        if pod.key.name == "refused":
            return Status(Code.UNSCHEDULABLE, ("not today",)), 0.0
        return Status(Code.WAIT), 10.0


def test_a_plugin_that_breaks_ends_the_attempts_not_the_simulation() -> None:
    outcome = simulate(picture(node("a"), pod("p")), Flawed())
    assert fate(outcome, "p").message == 'running "flawed" filter plugin: it broke'
    assert fate(outcome, "p").node == ""


def test_permit_may_refuse_and_its_wait_is_noted() -> None:
    outcome = simulate(picture(node("a"), pod("refused", requests={"cpu": "3"}), pod("p")), Holder())
    assert fate(outcome, "refused").node == ""
    assert "not today" in fate(outcome, "refused").message
    assert fate(outcome, "p").node == "a"
    assert fate(outcome, "p").record.waits == {"holder": 10.0}
    (info,) = offline_summary(outcome.nodes)
    assert info["pods"] == 1


def test_details_beyond_the_limit_are_left_out() -> None:
    state = picture(node("a"), node("b"), *(pod(f"p{n}") for n in range(5)))
    outcome = simulate(state, detail=20)
    kept = [f for f in outcome.fates.values() if f.record is not None]
    assert 0 < len(kept) < 5
    assert outcome.left_out == 5 - len(kept)
    assert all(f.node and f.why for f in outcome.fates.values())


def test_a_change_elsewhere_does_not_roll_the_dice_anew() -> None:
    objects = [node("a"), node("b"), node("c"), *(pod(f"p{n}") for n in range(9))]
    before = simulate(picture(*objects))
    state = picture(*objects, node("d", taints=[{"key": "x", "effect": "NoSchedule"}]))
    changes.cordon(state, "d")
    after = simulate(state)
    assert {k: f.node for k, f in before.fates.items()} == {k: f.node for k, f in after.fates.items()}


def test_volumes_and_namespaces_decide_too() -> None:
    """A claim bound to a local volume pins its Pod; an affinity by the labels of a namespace finds its Pod."""
    term = {
        "topologyKey": "kubernetes.io/hostname",
        "labelSelector": {"matchLabels": {"app": "db"}},
        "namespaceSelector": {"matchLabels": {"team": "data"}},
    }
    affinity = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    state = picture(
        *(node(name, labels={"kubernetes.io/hostname": name}) for name in "abc"),
        pod("db", node="c", namespace="data", labels={"app": "db"}),
        pod("beside", affinity=affinity),
        pod("stateful", volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "disk"}}]),
        pod("stuck", volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "missing"}}]),
    )
    on_b = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["b"]}]}
    for document in (
        {"kind": "Namespace", "metadata": {"name": "data", "labels": {"team": "data"}}},
        {
            "kind": "PersistentVolume",
            "metadata": {"name": "disk-b"},
            "spec": {
                "capacity": {"storage": "1Gi"},
                "accessModes": ["ReadWriteOnce"],
                "claimRef": {"namespace": "default", "name": "disk", "uid": "uid-disk"},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [on_b]}},
                "local": {"path": "/disk"},
            },
        },
        {
            "kind": "PersistentVolumeClaim",
            "metadata": {
                "name": "disk",
                "namespace": "default",
                "uid": "uid-disk",
                "annotations": {"pv.kubernetes.io/bind-completed": "yes"},
            },
            "spec": {
                "volumeName": "disk-b",
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Gi"}},
            },
            "status": {"phase": "Bound"},
        },
    ):
        state.add_document(document, "test")
    outcome = simulate(state)
    assert fate(outcome, "beside").node == "c"
    assert fate(outcome, "stateful").node == "b"
    assert fate(outcome, "stuck").node == ""
    assert 'persistentvolumeclaim "missing" not found' in fate(outcome, "stuck").message
