"""Metadata and selectors: what is refused, and about which field."""

from __future__ import annotations

from typing import Any

import pytest

from edged.sandbox.kinds.resources import Resource
from edged.sandbox.validation import metadata, selectors

MAP = Resource("", "v1", "ConfigMap", "configmaps", "configmap", "configmaps", True, go_type="core/v1.ConfigMap")
OWNER = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}


def fields(**given: Any) -> list[str]:
    obj = {"metadata": {"name": "a", "namespace": "n", **given}}
    return [cause.field for cause in metadata.new_metadata(MAP, obj)]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, []),
        ({"name": ""}, ["metadata.name"]),
        ({"name": "A"}, ["metadata.name"]),
        ({"generateName": "AA-"}, ["metadata.generateName"]),
        ({"namespace": "a.b"}, ["metadata.namespace"]),
        ({"labels": {"a b": "c d"}}, ["metadata.labels"] * 2),
        ({"annotations": {"A/B": "any thing"}}, []),
        ({"annotations": {"a b": ""}}, ["metadata.annotations"]),
        ({"annotations": {"a": "x" * 262144}}, ["metadata.annotations"]),
        ({"finalizers": ["a b"]}, ["metadata.finalizers", "metadata.finalizers[0]"]),
        ({"finalizers": ["orphan", "foregroundDeletion"]}, ["metadata.finalizers"]),
        ({"ownerReferences": [OWNER]}, []),
        ({"ownerReferences": [{**OWNER, "uid": "", "apiVersion": "a/b/c"}]},
         ["metadata.ownerReferences[0].apiVersion", "metadata.ownerReferences[0].uid"]),
        ({"ownerReferences": [{**OWNER, "kind": "Event"}]}, ["metadata.ownerReferences[0]"]),
        ({"ownerReferences": [{**OWNER, "controller": True}] * 2}, ["metadata.ownerReferences"]),
    ],
)  # fmt: skip
def test_new_metadata(given: dict[str, Any], found: list[str]) -> None:
    assert fields(**given) == found


def test_a_dying_object_gets_no_finalizers() -> None:
    old = {"metadata": {"name": "a", "deletionTimestamp": "t", "finalizers": ["a/b"]}}
    new = {"metadata": {"name": "a", "deletionTimestamp": "t", "finalizers": ["a/b", "x/y", "c/d"]}}
    (cause,) = metadata.changed_metadata(MAP, old, new)
    assert cause.message.endswith('found new finalizers []string{"c/d", "x/y"}')
    assert list(metadata.changed_metadata(MAP, new, old)) == []


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        (None, []),
        ({"matchLabels": {"a": "b"}}, []),
        ({"matchLabels": {"a": "b c"}}, ["s.matchLabels"]),
        ({"matchExpressions": [{"key": "a", "operator": "In"}]}, ["s.matchExpressions[0].values"]),
        ({"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}, ["s.matchExpressions[0].values"]),
        ({"matchExpressions": [{"key": "", "operator": "x"}]},
         ["s.matchExpressions[0].operator", *["s.matchExpressions[0].key"] * 2]),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["b c"]}]},
         ["s.matchExpressions[0].values[0]"]),
    ],
)  # fmt: skip
def test_label_selectors(selector: dict[str, Any] | None, found: list[str]) -> None:
    assert [cause.field for cause in selectors.label_selector(selector, "s")] == found
