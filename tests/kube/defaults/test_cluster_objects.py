"""Defaults of Nodes, Namespaces, claims and classes."""

from __future__ import annotations

import pytest

from edged.kube.defaults import cluster_objects
from edged.kube.defaults.pod_spec import Object

DEFAULT = "storageclass.kubernetes.io/is-default-class"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"capacity": {"cpu": "4"}}, {"cpu": "4"}),
        ({"capacity": {"cpu": "4"}, "allocatable": {"cpu": "3"}}, {"cpu": "3"}),
        ({"capacity": {"cpu": "4"}, "allocatable": {}}, {}),
        ({}, None),
    ],
)
def test_allocatable_is_capacity_unless_it_is_there(status: Object, expected: object) -> None:
    node = {"metadata": {"name": "a"}, "status": status}
    cluster_objects.node(node)
    assert node["status"].get("allocatable") == expected


def test_a_namespace_is_labelled_with_its_name() -> None:
    namespace: Object = {"metadata": {"name": "shop", "labels": {"team": "a"}}}
    cluster_objects.namespace(namespace)
    assert namespace["metadata"]["labels"] == {"team": "a", "kubernetes.io/metadata.name": "shop"}


def storage_class(name: str, since: str = "", **annotations: str) -> Object:
    return {"metadata": {"name": name, "annotations": annotations, "creationTimestamp": since}}


def test_the_newest_default_class_counts_then_the_first_by_name() -> None:
    marked = [storage_class(name, since, **{DEFAULT: "true"}) for name, since in (("b", "1"), ("c", "2"), ("a", "2"))]
    assert cluster_objects.default_class([storage_class("z"), *marked]) == "a"
    assert cluster_objects.default_class([storage_class("z", **{DEFAULT: "false"})]) is None
    assert cluster_objects.default_class([storage_class("y", **{DEFAULT.replace(".", ".beta.", 1): "true"})]) == "y"


def test_an_empty_class_is_a_class() -> None:
    assert cluster_objects.has_class({"metadata": {}, "spec": {"storageClassName": ""}})
    assert not cluster_objects.has_class({"metadata": {}, "spec": {}})
    old = {"annotations": {"volume.beta.kubernetes.io/storage-class": "x"}}
    assert cluster_objects.has_class({"metadata": old, "spec": {}})
    assert cluster_objects.class_of({"metadata": old, "spec": {"storageClassName": "y"}}) == "x"
    assert cluster_objects.class_of({"metadata": {}, "spec": {"storageClassName": "y"}}) == "y"
    assert cluster_objects.class_of({"metadata": {}, "spec": {}}) == ""
