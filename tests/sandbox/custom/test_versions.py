"""edged/sandbox/custom/versions.py: storing and reading in several versions."""

from __future__ import annotations

import pytest

from edged.sandbox.custom.versions import Versions, deprecation_warning, priority


def schema(**properties):
    return {"type": "object", "properties": properties}


SCHEMAS = {
    "v1": schema(a={"type": "string"}, old={"type": "string", "default": "o"}),
    "v2": schema(a={"type": "string"}, new={"type": "integer", "default": 1}),
}


def test_reading_prunes_and_defaults_by_the_version_that_is_stored():
    versions = Versions("demo.example", "v2", SCHEMAS)
    stored = {"kind": "W", "apiVersion": "demo.example/v1", "metadata": {"name": "a"}, "a": "x", "gone": 1}
    assert versions.presented(stored, "v1") == {
        "kind": "W", "apiVersion": "demo.example/v1", "metadata": {"name": "a"}, "a": "x", "old": "o",
    }  # fmt: skip
    assert versions.presented(stored, "v2") == {
        "kind": "W", "apiVersion": "demo.example/v2", "metadata": {"name": "a"}, "a": "x",
    }  # fmt: skip


def test_storing_converts():
    versions = Versions("demo.example", "v2", SCHEMAS)
    obj = {"kind": "W", "apiVersion": "demo.example/v1", "metadata": {"name": "a"}, "a": "x", "old": "y"}
    assert versions.stored(obj) == {"kind": "W", "apiVersion": "demo.example/v2", "metadata": {"name": "a"}, "a": "x"}


def test_the_order_of_versions():
    names = ["foo10", "v1alpha1", "v10", "foo1", "v2", "v1beta2", "v2beta1", "v1"]
    assert sorted(names, key=priority) == ["v10", "v2", "v1", "v2beta1", "v1beta2", "v1alpha1", "foo1", "foo10"]


@pytest.mark.parametrize(
    ("version", "text"),
    [
        ({"name": "v1"}, ""),
        ({"name": "v1", "deprecated": True}, "demo.example/v1 W is deprecated; use demo.example/v2 W"),
        ({"name": "v3", "deprecated": True}, "demo.example/v3 W is deprecated"),
        ({"name": "v1", "deprecated": True, "deprecationWarning": "go away"}, "go away"),
    ],
)  # fmt: skip
def test_deprecation(version, text):
    spec = {"group": "demo.example", "names": {"kind": "W"}, "versions": [version, {"name": "v2", "served": True}]}
    assert deprecation_warning(spec, version) == text
