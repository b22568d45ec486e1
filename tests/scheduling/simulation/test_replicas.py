"""Pods of a StatefulSet that is scaled."""

from __future__ import annotations

from typing import Any

from edged.kube.values.names import NamespacedName
from edged.scheduling.simulation import changes
from edged.scheduling.simulation.cluster_state import ClusterState
from tests.scheduling.makers import node, pod
from tests.scheduling.simulation.test_changes import names
from tests.scheduling.simulation.test_simulation import owned, picture


def member(number: int, place: str) -> dict[str, Any]:
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": f"data-db-{number}"}}, {"name": "tmp"}]
    labels = {"statefulset.kubernetes.io/pod-name": f"db-{number}", "app": "db"}
    return owned(pod(f"db-{number}", node=place, volumes=volumes, labels=labels), "StatefulSet", "db")


def cluster() -> ClusterState:
    state = picture(node("a"), member(0, "a"), member(10, "a"), member(2, ""))
    state.add_document({"kind": "PersistentVolumeClaim", "metadata": {"name": "data-db-0"}, "spec": {
        "storageClassName": "fast", "volumeName": "v"}}, "f")  # fmt: skip
    return state


def test_further_ones_take_the_numbers_that_are_free_and_have_claims_of_their_own() -> None:
    state = cluster()
    assert changes.scale(state, "db", 5) == "default/db scaled from 3 to 5"
    added = state.pods[NamespacedName("default", "db-3")]
    assert NamespacedName("default", "db-1") in state.pods
    assert added["metadata"]["labels"] == {"statefulset.kubernetes.io/pod-name": "db-3", "app": "db"}
    assert added["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"] == "data-db-3"
    made = state.of("PersistentVolumeClaim")[NamespacedName("default", "data-db-3")]
    assert made["spec"] == {"storageClassName": "fast", "volumeMode": "Filesystem"}
    there = state.pods[NamespacedName("default", "db-0")]
    assert there["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"] == "data-db-0"


def test_the_highest_numbers_go_first() -> None:
    state = cluster()
    changes.scale(state, "db", 2)
    assert names(state, "a") == ["db-0"]
    assert names(state) == ["db-2"]
