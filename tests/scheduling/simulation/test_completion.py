"""What is filled in where people wrote a picture by hand, and what stays as an API server told it."""

from __future__ import annotations

from typing import Any

from edged.kube.values.names import NamespacedName
from edged.scheduling.simulation.cluster_state import ClusterState
from edged.scheduling.simulation.completion import complete
from edged.scheduling.simulation.gaps import note_gaps
from tests.kube.defaults.pods import CLASSES, HEAVY, LIMITS, SPECS, Object, container, pod


def completed(*objects: Object) -> ClusterState:
    state = ClusterState()
    for obj in objects:
        state.add_document(obj, "f")
    complete(state)
    note_gaps(state)
    return state


def node(name: str, **fields: Any) -> Object:
    amounts = {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"}}
    return {"kind": "Node", "metadata": {"name": name}, "status": amounts, **fields}


def spec_of(state: ClusterState, name: str = "p") -> Object:
    found: Object = state.pods[NamespacedName("default", name)]["spec"]
    return found


def test_pods_get_classes_limits_and_runtimes_of_the_picture_wherever_these_stand() -> None:
    limits = {**LIMITS, "metadata": {"name": "l", "namespace": "default"}}
    state = completed(pod("p", SPECS["a runtime"]), limits, HEAVY, *CLASSES)
    spec = spec_of(state)
    assert (spec["priority"], spec["overhead"]["cpu"], spec["nodeSelector"]["runtime"]) == (1000, "250m", "heavy")
    assert spec["containers"][0]["resources"]["requests"] == {"cpu": "2", "memory": "64Mi"}


def test_what_an_api_server_stored_is_not_decided_again() -> None:
    seen = pod("p", {"containers": [container()], "priority": 0, "hostNetwork": True})
    seen["metadata"]["uid"] = "u"
    limits = {**LIMITS, "metadata": {"name": "l", "namespace": "default"}}
    spec = spec_of(completed(seen, limits, *CLASSES))
    assert (spec["priority"], spec["containers"][0]["resources"], "tolerations" in spec) == (0, {}, False)


def test_pods_of_exports_keep_their_priority() -> None:
    """They carry no uid, and were made before the class for all was."""
    state = completed(pod("p", {"containers": [container()], "priority": 0}), *CLASSES)
    assert (spec_of(state)["priority"], "priorityClassName" in spec_of(state), state.notes.lines()) == (0, False, [])


def test_what_a_limit_range_forbids_is_said() -> None:
    limits = {**LIMITS, "metadata": {"name": "l", "namespace": "default"}}
    asks = {"containers": [container(resources={"requests": {"cpu": "9m"}})]}
    (line,) = completed(pod("p", asks), limits).notes.lines()
    assert line.endswith("minimum cpu usage per Container is 10m, but request is 9m")
    storage = {**limits, "spec": {"limits": [{"type": "PersistentVolumeClaim", "max": {"storage": "1Gi"}}]}}
    (line,) = completed(claim("c", resources={"requests": {"storage": "2Gi"}}), storage).notes.lines()
    assert line.startswith("claim default/c: the API server would refuse it")


def test_what_would_be_refused_is_said_for_all_pods_together() -> None:
    wanted = [pod(f"p{n}", {"priorityClassName": "nope", "containers": [container()]}) for n in range(5)]
    assert completed(*wanted).notes.lines() == [
        "Pod default/p0, Pod default/p1, Pod default/p2 and 2 more: the API server would refuse it, it is simulated "
        "all the same: no PriorityClass with name nope was found"
    ]


def test_nodes_are_tainted_for_what_they_say_of_themselves() -> None:
    state = completed(
        node("a", spec={"unschedulable": True}),
        node("b", status={"capacity": {"pods": "9"}, "conditions": [{"type": "Ready", "status": "False"}]}),
        node("c", status={"allocatable": {"pods": "9"}, "conditions": [
            {"type": "Ready", "status": "True"}, {"type": "DiskPressure", "status": "True"}]}),
        {**node("d", spec={"unschedulable": True}), "metadata": {"name": "d", "uid": "u"}},
    )  # fmt: skip
    taints = {
        key.name: [(t["key"].rpartition("/")[2], t["effect"]) for t in obj["spec"].get("taints") or ()]
        for key, obj in state.nodes.items()
    }
    assert taints == {
        "a": [("unschedulable", "NoSchedule")],
        "b": [("not-ready", "NoSchedule"), ("not-ready", "NoExecute")],
        "c": [("disk-pressure", "NoSchedule")],
        "d": [],
    }
    assert state.nodes[NamespacedName("", "b")]["status"]["allocatable"] == {"pods": "9"}


def claim(name: str, **spec: Any) -> Object:
    return {"kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


def test_claims_without_a_class_get_the_usual_one_while_they_have_no_volume() -> None:
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"}
    usual = {"kind": "StorageClass", "metadata": {"name": "usual", "annotations": annotations}}
    state = completed(usual, claim("a"), claim("b", storageClassName=""), claim("c", volumeName="v"))
    classes = [obj["spec"].get("storageClassName") for obj in state.of("PersistentVolumeClaim").values()]
    assert classes == ["usual", "", None]


def test_namespaces_have_their_name_as_a_label_also_those_that_are_only_named() -> None:
    own = {"kind": "Namespace", "metadata": {"name": "own", "labels": {"team": "a"}, "annotations": {
        "scheduler.alpha.kubernetes.io/node-selector": "a=b"}}}  # fmt: skip
    spec = {"containers": [container()]}
    state = completed(own, pod("p", spec, "shop"), pod("q", spec, "own"))
    labels = {key.name: obj["metadata"]["labels"] for key, obj in state.of("Namespace").items()}
    assert labels == {
        "own": {"team": "a", "kubernetes.io/metadata.name": "own"}, "shop": {"kubernetes.io/metadata.name": "shop"},
    }  # fmt: skip
    assert state.notes.lines()[1:] == [
        "Namespace own: not applied: annotation scheduler.alpha.kubernetes.io/node-selector"
    ]


def test_pods_of_a_namespace_that_is_not_there_are_named_unless_an_api_server_made_them() -> None:
    def in_shop(name: str, **metadata: str) -> Object:
        found = pod(name, {"containers": [container()]}, "shop")
        return {**found, "metadata": {**found["metadata"], **metadata}}

    others = [pod("q", {"containers": [container()]}), {"kind": "Namespace", "metadata": {"name": "own"}}]
    refused = 'the API server would refuse it, it is simulated all the same: namespaces "shop" not found'
    state = completed(in_shop("p"), in_shop("seen", creationTimestamp="2026-01-01T00:00:00Z"), *others)
    assert state.notes.lines() == [f"Pod shop/p: {refused}"]
    assert completed(in_shop("p"), others[0]).notes.lines() == []
