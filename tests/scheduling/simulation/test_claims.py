"""Claims that controllers would have made."""

from __future__ import annotations

from typing import Any

from edged.kube.values.names import NamespacedName
from edged.scheduling.simulation import changes
from edged.scheduling.simulation.cluster_state import ClusterState
from edged.scheduling.simulation.completion import complete, complete_around_pods
from edged.scheduling.simulation.gaps import note_gaps
from tests.scheduling.makers import node, pod
from tests.scheduling.simulation.test_simulation import fate, owned, simulate

CLASS = {"kind": "StorageClass", "metadata": {"name": "local"}, "provisioner": "disk.example",
         "volumeBindingMode": "WaitForFirstConsumer", "allowedTopologies": [
             {"matchLabelExpressions": [{"key": "disk", "values": ["ssd"]}]}]}  # fmt: skip
VOLUME = {"name": "e", "ephemeral": {"volumeClaimTemplate": {
    "metadata": {"labels": {"a": "b"}, "finalizers": ["x"]}, "spec": {"storageClassName": "local"}}}}  # fmt: skip


def state_of(*objects: dict[str, Any]) -> ClusterState:
    state = ClusterState()
    for obj in (*objects, {**node("a"), "kind": "Node"}, {**node("b", labels={"disk": "ssd"}), "kind": "Node"}):
        state.add_document(obj, "f")
    complete(state)
    note_gaps(state)
    return state


def claims(state: ClusterState) -> dict[NamespacedName, Any]:
    return state.of("PersistentVolumeClaim")


def test_an_ephemeral_volume_has_a_claim_and_its_class_decides_where_the_pod_goes() -> None:
    state = state_of(CLASS, {**pod("p", volumes=[VOLUME]), "kind": "Pod"})
    made = claims(state)[NamespacedName("default", "p-e")]
    assert made["metadata"]["labels"] == {"a": "b"}
    assert "finalizers" not in made["metadata"]
    assert fate(simulate(state), "p").node == "b"
    assert state.notes.lines() == []


def test_claims_of_running_pods_are_not_made_and_those_of_moved_pods_are_made_anew() -> None:
    runs = owned({**pod("p", node="a", volumes=[VOLUME]), "kind": "Pod"})
    bound = {"kind": "PersistentVolumeClaim", "metadata": {"name": "p-e"}, "spec": {"volumeName": "v"}}
    assert claims(state_of(CLASS, runs)) == {}
    state = state_of(CLASS, runs, bound)
    changes.drain(state, "a")
    complete_around_pods(state)
    assert claims(state)[NamespacedName("default", "p-e")]["spec"] == {
        "storageClassName": "local", "volumeMode": "Filesystem",
    }  # fmt: skip


def test_claims_that_somebody_else_has_to_bind_first_are_named() -> None:
    def using(name: str, claim: str) -> dict[str, Any]:
        volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": claim}}]
        return {**pod(name, volumes=volumes), "kind": "Pod"}

    state = state_of(
        {"kind": "StorageClass", "metadata": {"name": "at-once"}}, using("p", "c"), using("q", "d"), using("r", "gone"),
        using("s", "e"), using("t", "f"),
        {"kind": "PersistentVolumeClaim", "metadata": {"name": "c"}, "spec": {"storageClassName": "at-once"}},
        {"kind": "PersistentVolumeClaim", "metadata": {"name": "d"}, "spec": {"storageClassName": "unknown"}},
        {"kind": "PersistentVolumeClaim", "metadata": {"name": "e"}, "spec": {}},
        {"kind": "PersistentVolumeClaim", "metadata": {"name": "f"}, "spec": {"storageClassName": ""}},
    )  # fmt: skip
    assert state.notes.lines() == [
        "claim default/c: has no volume, and its class does not wait for a Pod: who makes volumes is not simulated",
        "claim default/d: has no volume, and its StorageClass is not in the input",
        "claim default/e: has no volume and no class, and no StorageClass of the input is the default one",
        "claim default/f: has no volume and wants none of a class, and no volume of the input suits it",
    ]
