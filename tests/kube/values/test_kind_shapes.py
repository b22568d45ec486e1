"""Each collection that edged watches has the shape of its kind; of all others the metadata is checked."""

from __future__ import annotations

from edged.kube.values.kind_shapes import Whole, shape_of
from edged.kube.values.names import GroupVersionResource
from edged.kube.values.shape_checks import SHAPES, problem
from edged.scheduling.run.object_feed import RESOURCES


def test_what_the_scheduler_watches_has_a_shape() -> None:
    shapes = {shape_of(resource) for resource in RESOURCES.values()}

    assert Whole not in shapes and shapes <= set(SHAPES.values())


def test_another_group_is_another_kind() -> None:
    assert shape_of(GroupVersionResource("", "v1", "pods")) is SHAPES["Pod"]
    assert shape_of(GroupVersionResource("metrics.k8s.io", "v1", "pods")) is Whole


def test_of_any_kind_the_metadata_is_checked() -> None:
    assert problem({"metadata": {"name": "a", "labels": {"a": 5}}, "spec": 5}, Whole).startswith("metadata.labels")
    assert problem({"metadata": {"name": "a"}, "spec": [None]}, Whole) == ""
