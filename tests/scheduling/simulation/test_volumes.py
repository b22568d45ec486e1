"""Claims and volumes that were written by hand."""

from __future__ import annotations

from typing import Any

import pytest

from edged.kube.values.names import NamespacedName
from edged.scheduling.simulation.cluster_state import ClusterState
from edged.scheduling.simulation.completion import complete
from edged.scheduling.simulation.gaps import note_gaps
from tests.scheduling.makers import node, pod
from tests.scheduling.simulation.test_simulation import fate, simulate

LATE = {"kind": "StorageClass", "metadata": {"name": "late"}, "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer"}  # fmt: skip


def volume(name: str, storage: str = "5Gi", on: str = "", **spec: Any) -> dict[str, Any]:
    if on:
        expression = {"key": "kubernetes.io/hostname", "operator": "In", "values": [on]}
        spec["nodeAffinity"] = {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}
    spec = {"capacity": {"storage": storage}, "accessModes": ["ReadWriteOnce"], "storageClassName": "manual", **spec}
    return {"kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec}


def claim(name: str, storage: str = "1Gi", **spec: Any) -> dict[str, Any]:
    spec = {"resources": {"requests": {"storage": storage}}, "accessModes": ["ReadWriteOnce"],
            "storageClassName": "manual", **spec}  # fmt: skip
    return {"kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


def completed(*objects: dict[str, Any]) -> ClusterState:
    state = ClusterState()
    nodes = [{**node(name, labels={"kubernetes.io/hostname": name}), "kind": "Node"} for name in ("a", "b")]
    for obj in (*nodes, *objects):
        state.add_document(obj, "f")
    complete(state)
    return state


def using(name: str, used: str) -> dict[str, Any]:
    return {**pod(name, volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": used}}]), "kind": "Pod"}


def bound(state: ClusterState) -> dict[str, str]:
    return {key.name: obj["spec"].get("volumeName", "") for key, obj in state.of("PersistentVolumeClaim").items()}


def test_a_claim_takes_the_smallest_volume_that_suits_and_no_volume_serves_two() -> None:
    state = completed(
        volume("large", "9Gi"), volume("small", "2Gi", on="b"), volume("other", "1Gi", storageClassName="x"),
        claim("c"), claim("d"), claim("e"), using("p", "c"), using("q", "e"),
    )  # fmt: skip
    assert bound(state) == {"c": "small", "d": "large", "e": ""}
    outcome = simulate(state)
    assert fate(outcome, "p").node == "b"
    assert "unbound immediate PersistentVolumeClaims" in fate(outcome, "q").message
    note_gaps(state)
    (line,) = state.notes.lines()
    assert line.startswith("claim default/e: has no volume")


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        ((volume("v"), claim("c", volumeName="v")), "v"),
        ((volume("v", claimRef={"namespace": "default", "name": "c"}), claim("c", volumeName="v")), "v"),
        ((volume("v", claimRef={"namespace": "default", "name": "d"}), claim("c", volumeName="v")), None),
        ((claim("c", volumeName="gone"),), None),
        ((volume("v", claimRef={"namespace": "default", "name": "c"}), volume("w", "1Gi"), claim("c")), "v"),
        ((volume("v", claimRef={"namespace": "default", "name": "d"}), claim("c")), None),
    ],
)
def test_a_claim_and_a_volume_that_name_each_other(objects: tuple[Any, ...], expected: str | None) -> None:
    state = completed(*objects)
    obj = state.of("PersistentVolumeClaim")[NamespacedName("default", "c")]
    assert ("annotations" in obj["metadata"]) is (expected is not None)
    if expected is not None:
        assert bound(state)["c"] == expected
        volume = state.of("PersistentVolume")[NamespacedName("", expected)]
        assert (volume["spec"]["claimRef"]["name"], volume["status"]["phase"]) == ("c", "Bound")


def test_a_class_that_waits_lets_the_scheduler_choose_a_volume_that_is_there() -> None:
    volumes = [volume("v", on="b", storageClassName="late")]
    claims = [claim(name, storageClassName="late") for name in ("c", "d")]
    state = completed(LATE, *volumes, *claims, using("p", "c"), using("q", "d"))
    assert bound(state) == {"c": "", "d": ""}
    outcome = simulate(state)
    assert fate(outcome, "p").node == "b"
    assert "didn't find available persistent volumes to bind" in fate(outcome, "q").message


def test_what_an_api_server_told_stays() -> None:
    told = claim("c")
    told["metadata"]["uid"] = "u"
    pending = volume("v")
    pending["metadata"]["uid"] = "w"
    state = completed(pending, told)
    assert bound(state) == {"c": ""}
    assert state.of("PersistentVolume")[NamespacedName("", "v")]["status"]["phase"] == "Pending"
