"""What is left of an object of which only some subtrees are kept."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from edged.kube.control.kept_fields import KeptFields

METADATA = {"name": "a", "namespace": "ns", "uid": "u", "resourceVersion": "1", "labels": {"l": "1"}}
OBJECT: dict[str, Any] = {
    "apiVersion": "v1", "kind": "Pod", "metadata": {**METADATA, "annotations": {"x/y": "1", "z": "2"}},
    "spec": {"a": {"b": 1, "c": 2}, "list": [{"d": 3, "e": 4}], "a~b": 5}, "status": {"phase": "Running"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("pointers", "left"),
    [
        ([], {}), (["/spec"], {"spec": OBJECT["spec"]}), (["/spec/a/b"], {"spec": {"a": {"b": 1}}}),
        (["/spec/a/b", "/spec/a"], {"spec": {"a": {"b": 1, "c": 2}}}),
        (["/spec/list/0/d"], {"spec": {"list": [{"d": 3, "e": 4}]}}),
        (["/spec/a~0b", "/nope/x"], {"spec": {"a~b": 5}}), (["/spec/a/b/x"], {"spec": {"a": {"b": 1}}}),
        (["/status", "/spec/nope"], {"spec": {}, "status": {"phase": "Running"}}),
    ],
)  # fmt: skip
def test_subtrees(pointers: list[str], left: dict[str, Any]) -> None:
    obj = copy.deepcopy(OBJECT)
    KeptFields(pointers)(obj)
    assert obj == {"apiVersion": "v1", "kind": "Pod", "metadata": METADATA, **left}


@pytest.mark.parametrize(
    ("pointer", "annotations"),
    [
        ("/metadata", {"x/y": "1", "z": "2"}), ("/metadata/annotations", {"x/y": "1", "z": "2"}),
        ("/metadata/annotations/x~1y", {"x/y": "1"}), ("/metadata/labels", None),
    ],
)  # fmt: skip
def test_annotations(pointer: str, annotations: dict[str, str] | None) -> None:
    obj = copy.deepcopy(OBJECT)
    KeptFields([pointer])(obj)
    assert obj["metadata"].get("annotations") == annotations and obj["metadata"]["labels"] == {"l": "1"}


def test_the_whole() -> None:
    obj = copy.deepcopy(OBJECT)
    KeptFields(["/spec", ""])(obj)
    assert obj == OBJECT


def test_equal_ones_share() -> None:
    assert KeptFields(["/a", "/b"]) == KeptFields(["/b", "/a", "/a"]) != KeptFields(["/a"])
    assert len({KeptFields(["/a", "/b"]), KeptFields(["/b", "/a"])}) == 1
