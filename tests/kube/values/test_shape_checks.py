"""Objects of files are checked against the shapes that edged reads, and the field that is wrong is named."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from edged.kube.values import shapes
from edged.kube.values.shape_checks import SHAPES, ShapeError, check_object, problem
from edged.scheduling.core.cycle import evaluate
from edged.scheduling.objects.other_objects import PARSERS
from tests.scheduling.makers import node, pod

WHEN = "DuringSchedulingIgnoredDuringExecution"


def whole_pod() -> dict[str, Any]:
    term = {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "db"}}, "namespaces": ["a"]}
    expression = {"key": "disk", "operator": "In", "values": ["ssd"]}
    one = pod(
        "p",
        labels={"app.kubernetes.io/name": "p"},
        requests={"cpu": "500m", "memory": 1024, "example.com/gpu": "1"},
        tolerations=[{"key": "gpu", "operator": "Exists"}],
        affinity={
            "nodeAffinity": {f"required{WHEN}": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}},
            "podAffinity": {f"preferred{WHEN}": [{"weight": 1, "podAffinityTerm": term}]},
        },
        topologySpreadConstraints=[{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}],
        volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}, {"name": "r", "rbd": {"monitors": ["m"]}}],
        priority=3,
        unknown={"is": ["not", "read"]},
    )
    one["spec"]["containers"][0]["ports"] = [{"hostPort": 80}]
    one["spec"]["initContainers"] = None
    one["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet", "name": "x", "controller": True}]
    return one


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (["spec", "containers", 0, "resources", "requests", "cpu"], "abc",
         "spec.containers[0].resources.requests.cpu: 'abc' is not a quantity, such as 500m, 2 or 1.5Gi"),
        (["spec", "containers", 0, "resources", "requests", "example.com/gpu"], None,
         "spec.containers[0].resources.requests[example.com/gpu]: must not be null"),
        (["spec", "containers"], {"a": 1}, "spec.containers: must be a list, not an object"),
        (["spec", "containers", 0], None, "spec.containers[0]: must not be null"),
        (["spec", "containers", 0, "name"], None, "spec.containers[0].name: is required"),
        (["spec", "priority"], True, "spec.priority: must be an integer, not a boolean"),
        (["spec", "nodeName"], 7, "spec.nodeName: must be a string, not an integer; put it in quotes"),
        (["metadata", "labels", "app.kubernetes.io/name"], 7,
         "metadata.labels[app.kubernetes.io/name]: must be a string, not an integer; put it in quotes"),
        (["metadata", "labels", 3], "x", "metadata.labels[3]: must be a string, not an integer; put it in quotes"),
        (["spec", "tolerations"], "gpu", "spec.tolerations: must be a list, not a string"),
        (["spec"], [], "spec: must be an object, not a list"),
        (["metadata"], None, "metadata: is required"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(path: list[Any], value: object, said: str) -> None:
    wrong = whole_pod()
    place: Any = wrong
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert problem(wrong, shapes.Pod) == said


def test_what_is_right_passes() -> None:
    assert problem(whole_pod(), shapes.Pod) == ""
    assert problem(node("n", taints=[{"key": "a", "effect": "NoSchedule"}]), shapes.Node) == ""
    capacity = {"metadata": {"name": "c"}, "capacity": "1Gi", "maximumVolumeSize": None}
    assert problem(capacity, shapes.CSIStorageCapacity) == ""
    assert problem({**capacity, "capacity": "much"}, shapes.CSIStorageCapacity).startswith("capacity: 'much' is not a")
    assert problem(3, shapes.Pod) == "must be an object, not an integer"


def places(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


def put(value: Any, place: Sequence[Any], new: object) -> None:
    """Writes at one of the `places` of it."""
    *way, last = place
    for step in way:
        value = value[step]
    value[last] = new


def test_what_passes_can_be_read() -> None:
    """Whatever is put at any place of a Pod: it is refused by name, or the scheduler can read it."""
    chance, whole = random.Random(3), whole_pod()
    refused = 0
    for place in [place for place in places(whole) if place]:
        for value in (None, 7, -1.5, True, "", "text", [], ["text"], [None], {}, {"a": 1}, {"a": {"b": []}}):
            wrong = whole_pod()
            put(wrong, place, value)
            metadata = wrong["metadata"]
            if not isinstance(metadata, dict) or not metadata.get("name"):
                continue  # refused before, see cluster_state.py
            if problem(wrong, shapes.Pod):
                refused += 1
                continue
            evaluate(None, [node("a", labels={"disk": "ssd"}), node("b")], [], wrong, choose=chance.randrange)
    assert refused > 300


def test_every_kind_has_a_shape() -> None:
    completing = {"PriorityClass", "RuntimeClass", "LimitRange"}
    assert set(SHAPES) == {*PARSERS, "Node", "Pod", "PodDisruptionBudget", *completing}


NODE = {"metadata": {"name": "n", "labels": {"cpu": "abc"}}, "status": {"allocatable": {"pods": "10", "cpu": "abc"}}}
POD = {
    "metadata": {"namespace": "d", "name": "p"},
    "spec": {"containers": [{"name": "abc"}, {"name": "b", "resources": {"limits": {"memory": "abc"}}}]},
}


@pytest.mark.parametrize(("kind", "obj", "where"), [
    ("Node", NODE, "Node n: status.allocatable.cpu: "),
    ("Pod", POD, "Pod d/p: spec.containers[1].resources.limits.memory: "),
    ("CSIStorageCapacity", {"metadata": {"name": "c"}, "capacity": "abc"}, "CSIStorageCapacity c: capacity: "),
])  # fmt: skip
def test_the_object_and_the_field_are_named(kind: str, obj: object, where: str) -> None:
    with pytest.raises(ShapeError) as refused:
        check_object(kind, obj)
    assert str(refused.value) == f"{where}'abc' is not a quantity, such as 500m, 2 or 1.5Gi"


@pytest.mark.parametrize("obj", [None, [], {}, {"metadata": []}, {"metadata": {"name": ["x"] * 9999}}])
def test_what_is_no_object_at_all_is_named_as_well_as_can_be(obj: object) -> None:
    with pytest.raises(ShapeError) as refused:
        check_object("Node", obj)
    assert str(refused.value).startswith("Node ") and len(str(refused.value)) < 200
