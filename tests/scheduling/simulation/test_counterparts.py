"""What of a picture lacks its counterpart there."""

from __future__ import annotations

from typing import Any

import pytest

from edged.scheduling.simulation.cluster_state import ClusterState
from edged.scheduling.simulation.completion import complete
from edged.scheduling.simulation.counterparts import NO_NODE, NO_PODS
from tests.scheduling.makers import node, pod

GROUPS = {"Job": "batch", "CronJob": "batch"}
Object = dict[str, Any]


def completed(*objects: Object) -> ClusterState:
    state = ClusterState()
    for obj in ({**node("a"), "kind": "Node"}, *objects):
        state.add_document(obj, "f")
    complete(state)
    return state


def workload(kind: str, spec: Object | None = None, **fields: Any) -> Object:
    version = "v1" if kind in ("PodTemplate", "ReplicationController") else f"{GROUPS.get(kind, 'apps')}/v1"
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "w"}, "spec": spec or {}, **fields}


def of(kind: str, name: str, namespace: str = "default") -> Object:
    obj = pod("p", namespace=namespace, node="a")
    obj["metadata"]["ownerReferences"] = [{"kind": kind, "name": name, "controller": True}]
    return {**obj, "kind": "Pod"}


@pytest.mark.parametrize(("kind", "by"), [
    ("StatefulSet", ("StatefulSet", "w")), ("ReplicaSet", ("ReplicaSet", "w")),
    ("ReplicationController", ("ReplicationController", "w")), ("DaemonSet", ("DaemonSet", "w")),
    ("Deployment", ("ReplicaSet", "w-5d8")), ("Job", ("Job", "w")), ("CronJob", ("Job", "w-123")),
])  # fmt: skip
def test_a_workload_without_pods_is_named_and_one_with_pods_is_not_ignored(kind: str, by: tuple[str, str]) -> None:
    named = [f"{kind} default/w: {NO_PODS}"]
    assert completed(workload(kind)).notes.lines() == named
    assert completed(workload(kind), of(*by, "other")).notes.lines() == named
    state = completed(workload(kind), of(*by))
    assert (state.notes.lines(), dict(state.ignored)) == ([], {})


@pytest.mark.parametrize(("kind", "spec", "status"), [
    ("StatefulSet", {"replicas": 0}, {}), ("ReplicaSet", {"replicas": 0}, {}), ("Deployment", {"replicas": 0}, {}),
    ("DaemonSet", {}, {"desiredNumberScheduled": 0}), ("PodTemplate", {}, {}),
    ("Job", {"suspend": True}, {}), ("CronJob", {"suspend": True}, {}),
    ("Job", {}, {"conditions": [{"type": "Complete", "status": "True"}]}),
])  # fmt: skip
def test_a_workload_that_should_have_no_pods_is_not_named(kind: str, spec: Object, status: Object) -> None:
    assert completed(workload(kind, spec, status=status)).notes.lines() == []


def test_a_workload_of_which_nothing_can_be_read_is_ignored() -> None:
    odd: list[Any] = [{"spec": 7, "status": []}, {"metadata": None}, {"metadata": {"name": 7}}, {"metadata": []}]
    state = completed(*({**workload("Deployment"), **fields} for fields in odd))
    assert dict(state.ignored) == {"Deployment": 4}


def test_a_pod_on_a_node_that_is_not_there_is_named_unless_it_has_ended() -> None:
    lost, ended = pod("lost", node="ghost"), {**pod("ended", node="ghost"), "status": {"phase": "Succeeded"}}
    objects = [{**each, "kind": "Pod"} for each in (lost, ended, pod("there", node="a"))]
    assert completed(*objects).notes.lines() == [f"Pod default/lost on ghost: {NO_NODE}"]
