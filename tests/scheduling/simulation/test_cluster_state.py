"""Reading the picture of a cluster: exports, lists, documents that are none."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest

from edged.errors import ConfigError
from edged.kube.values.names import NamespacedName
from edged.scheduling.simulation.cluster_state import ClusterState
from edged.scheduling.simulation.completion import complete
from tests.kube.values.test_shape_checks import places, put
from tests.scheduling.makers import node, pod
from tests.scheduling.simulation.test_simulation import simulate


def test_the_export_of_the_simulator() -> None:
    state = ClusterState()
    configuration = {"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration"}
    document = {
        "nodes": [node("a")], "pods": [pod("p")], "namespaces": [{"metadata": {"name": "default"}}], "pvs": None,
        "priorityClasses": [{"metadata": {"name": "high"}, "value": 5}], "schedulerConfig": configuration,
    }  # fmt: skip
    state.add_document(document, "export.json")
    assert [key.name for key in state.nodes] == ["a"]
    assert [str(key) for key in state.pods] == ["default/p"]
    assert [key.name for key in state.of("PriorityClass")] == ["high"]
    assert state.scheduler_configs == [(configuration, "export.json: schedulerConfig")]


def test_a_configuration_of_another_group_is_none_of_the_scheduler() -> None:
    state = ClusterState()
    state.add_document({"apiVersion": "example.com/v1", "kind": "KubeSchedulerConfiguration"}, "x")
    assert not state.scheduler_configs
    assert dict(state.ignored) == {"KubeSchedulerConfiguration of example.com/v1": 1}


def test_lists_and_kinds_that_do_not_matter() -> None:
    state = ClusterState()
    state.add_document({"kind": "NodeList", "items": [node("a")]}, "x")
    state.add_document({"kind": "List", "items": [{**pod("p"), "kind": "Pod"}, {"kind": "ConfigMap"}]}, "x")
    state.add_document(None, "an empty document")
    assert (len(state.nodes), len(state.pods), dict(state.ignored)) == (1, 1, {"ConfigMap": 1})
    state.add_document({"kind": "List", "items": [{"kind": "NodeList", "items": [node("b"), node("c")]}]}, "x")
    assert len(state.nodes) == 3


def test_what_is_ignored_is_counted_once() -> None:
    state = ClusterState()
    named = {"kind": "Deployment", "metadata": {"name": "d"}}
    for obj in (named, named, {**named, "metadata": {"name": "d", "namespace": "x"}}, {"kind": "ConfigMap"}):
        state.add_document(obj, "f")
    assert dict(state.ignored) == {"Deployment": 2, "ConfigMap": 1}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"kind": "Pod"}, "f: Pod without metadata.name"),
        ({"kind": "Pod", "metadata": {"name": "p"}, "spec": []}, "f: Pod default/p: spec: must be an object"),
        ({"kind": "Node", "metadata": {"name": False}}, "f: Node: metadata.name: must be a string, not a boolean; put"),
        ({"kind": "Node", "metadata": {"name": 7}}, "f: Node 7: metadata.name: must be a string, not an integer; put"),
        ({"kind": "List", "items": ["x"]}, "f: items[0]: not an object"),
        ({"kind": "List", "items": [{"metadata": {}}]}, "f: items[0].kind: is required"),
    ],
)
def test_documents_that_are_none(document: Any, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ClusterState().add_document(document, "f")
    assert said in str(caught.value)


@pytest.mark.parametrize("document", ["text", 7, {"a": 1}, {"kind": 7}, {"pods": {}}, {"nodes": "x", "pods": []}])
def test_what_has_no_kind_is_skipped_and_named(document: Any) -> None:
    state = ClusterState()
    state.add_document([document, {**node("a"), "kind": "Node"}], "values.yaml")
    assert state.notes.lines() == ["values.yaml: [0]: skipped, because it has no kind"]
    assert len(state.nodes) == 1


def test_kinds_of_other_groups_are_not_mistaken() -> None:
    state = ClusterState()
    for version, kind in (("longhorn.io/v1beta2", "Node"), ("serving.knative.dev/v1", "Service"), ("v1", "Node")):
        state.add_document({"apiVersion": version, "kind": kind, "metadata": {"name": "a"}}, "f")
    state.add_document({"apiVersion": "longhorn.io/v1beta2", "kind": "NodeList", "items": [{"metadata": {}}]}, "f")
    assert [key.name for key in state.nodes] == ["a"]
    assert dict(state.ignored) == {"Node of longhorn.io/v1beta2": 2, "Service of serving.knative.dev/v1": 1}


def test_of_an_object_that_comes_twice_the_newer_state_counts() -> None:
    state = ClusterState()
    for version, place in (("7", "a"), ("12", "b"), ("9", "c")):
        obj = {**pod("p", node=place), "kind": "Pod"}
        obj["metadata"]["resourceVersion"] = version
        state.add_document(obj, "f")
        state.add_document(obj, "again")
    assert state.pods[NamespacedName("default", "p")]["spec"]["nodeName"] == "b"
    (line,) = state.notes.lines()
    assert line.startswith("Pod default/p: in the input more than once, with differences")


EVERY_KIND: list[dict[str, Any]] = [
    {**node("a", labels={"zone": "z"}, taints=[{"key": "g"}], images={"x:1": 5}), "kind": "Node"},
    {**node("b"), "kind": "Node"},
    {**pod("r", node="a", requests={"cpu": "1"}), "kind": "Pod"},
    {**pod("p", requests={"cpu": "1"}, tolerations=[{"operator": "Exists"}], volumes=[
        {"name": "v", "persistentVolumeClaim": {"claimName": "c"}}, {"name": "e", "ephemeral": {}},
        {"name": "g", "gcePersistentDisk": {"pdName": "d", "readOnly": True}}]), "kind": "Pod"},
    {"kind": "PersistentVolumeClaim", "metadata": {"name": "c", "ownerReferences": [{"uid": "u", "controller": True}]},
     "spec": {"volumeName": "pv", "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}},
              "selector": {"matchLabels": {"a": "b"}}}, "status": {"phase": "Bound"}},
    {"kind": "PersistentVolume", "metadata": {"name": "pv", "labels": {"zone": "z"}}, "spec": {
        "capacity": {"storage": "1Gi"}, "claimRef": {"namespace": "default", "name": "c"}, "csi": {"driver": "d"},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "k", "operator": "In"}]}]}}}},
    {"kind": "StorageClass", "metadata": {"name": "sc"}, "provisioner": "d",
     "allowedTopologies": [{"matchLabelExpressions": [{"key": "z", "values": ["a"]}]}]},
    {"kind": "CSINode", "metadata": {"name": "a"}, "spec": {"drivers": [{"name": "d", "allocatable": {"count": 3}}]}},
    {"kind": "CSIDriver", "metadata": {"name": "d"}, "spec": {"storageCapacity": True}},
    {"kind": "CSIStorageCapacity", "metadata": {"name": "s"}, "capacity": "1Gi", "nodeTopology": {"matchLabels": {}}},
    {"kind": "VolumeAttachment", "metadata": {"name": "va"}, "spec": {"nodeName": "a", "source": {}}},
    {"kind": "PodDisruptionBudget", "metadata": {"name": "pdb"}, "spec": {"selector": {"matchLabels": {"a": "b"}}},
     "status": {"disruptionsAllowed": 1, "disruptedPods": {"x": "2026"}}},
    {"kind": "Service", "metadata": {"name": "s"}, "spec": {"selector": {"a": "b"}}},
    {"kind": "ReplicaSet", "metadata": {"name": "rs"}, "spec": {"selector": {"matchLabels": {"a": "b"}}}},
    {"kind": "PriorityClass", "metadata": {"name": "pc"}, "value": 3, "globalDefault": True},
    {"kind": "RuntimeClass", "metadata": {"name": "rc"}, "overhead": {"podFixed": {"cpu": "1"}}, "scheduling": {
        "nodeSelector": {"a": "b"}, "tolerations": [{"operator": "Exists", "tolerationSeconds": 3}]}},
    {"kind": "LimitRange", "metadata": {"name": "lr"}, "spec": {"limits": [
        {"type": "Container", "max": {"cpu": "1"}, "default": {"cpu": "1"}, "defaultRequest": {"cpu": "1"}}]}},
    {"kind": "Pod", "metadata": {"name": "hand", "labels": {"a": "b"}}, "spec": {
        "runtimeClassName": "rc", "hostNetwork": True, "resources": {"limits": {"cpu": "1"}}, "containers": [
            {"name": "c", "ports": [{"containerPort": 80}], "resources": {"limits": {"cpu": "1"}}}],
        "volumes": [{"name": "e", "ephemeral": {"volumeClaimTemplate": {"spec": {"storageClassName": "sc"}}}}],
        "affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
            {"labelSelector": {"matchLabels": {"a": "b"}}, "topologyKey": "z", "matchLabelKeys": ["a"]}]}}}},
    {"kind": "Namespace", "metadata": {"name": "default", "labels": {"a": "b"}}},
]  # fmt: skip


def test_whatever_a_file_holds_is_refused_by_name_or_simulated() -> None:
    chance, refused = random.Random(5), 0
    odd = (None, 7, -1.5, True, "", "text", [], ["text"], [None], {}, {"a": 1}, {"a": {"b": []}})
    spots = [(n, place) for n, obj in enumerate(EVERY_KIND) for place in places(obj) if place]
    for _ in range(900):
        number, place = chance.choice(spots)
        objects = copy.deepcopy(EVERY_KIND)
        put(objects[number], place, chance.choice(odd))
        state = ClusterState()
        try:
            for obj in objects:
                state.add_document(obj, "f")
            complete(state)
        except ConfigError as error:
            assert str(error).startswith("f: ")
            refused += 1
            continue
        simulate(state)
    assert 450 < refused < 840
