"""edged/sandbox/writing/patches.py: the three kinds of patch."""

from __future__ import annotations

import pytest

from edged.sandbox.kinds.go_types import GoTypes
from edged.sandbox.kinds.resources import builtin_registry
from edged.sandbox.protocol.api_status import ApiStatus
from edged.sandbox.writing.patches import json_patch, merge_patch, strategic_patch

TYPES = GoTypes.load()
POD = builtin_registry(TYPES).find("", "v1", "pods").shape


def test_merge_patch():
    assert merge_patch({"a": {"b": 1, "c": 2}, "l": [1]}, {"a": {"b": None}, "l": [2]}) == {
        "a": {"c": 2},
        "l": [2],
    }


def test_json_patch_refusals():
    assert json_patch({"a": 1}, [{"op": "replace", "path": "/a", "value": 2}]) == {"a": 2}
    for operation in ({"op": "remove", "path": "/x"}, {"op": "test", "path": "/a", "value": 9}):
        with pytest.raises(ApiStatus, match="the server rejected our request") as caught:
            json_patch({"a": 1}, [operation])
        assert caught.value.code == 422


def spec(**fields):
    return {"spec": fields}


def test_strategic_merges_lists_by_key():
    old = spec(containers=[{"name": "a", "image": "1", "env": [{"name": "X", "value": "1"}]}, {"name": "b"}])
    patch = spec(containers=[{"name": "a", "env": [{"name": "Y", "value": "2"}]}, {"name": "c", "image": "3"}])
    merged = strategic_patch(old, patch, POD)["spec"]["containers"]
    assert [c["name"] for c in merged] == ["a", "b", "c"]
    assert merged[0]["image"] == "1" and [e["name"] for e in merged[0]["env"]] == ["X", "Y"]


def test_strategic_directives():
    old = spec(containers=[{"name": "a"}, {"name": "b"}, {"name": "c"}], nodeSelector={"x": "1"})
    patch = spec(
        **{
            "containers": [{"name": "b", "$patch": "delete"}],
            "$setElementOrder/containers": [{"name": "c"}, {"name": "a"}],
            "nodeSelector": {"$patch": "replace", "y": "2"},
        }
    )
    merged = strategic_patch(old, patch, POD)["spec"]
    assert [c["name"] for c in merged["containers"]] == ["c", "a"] and merged["nodeSelector"] == {"y": "2"}


def test_strategic_replaces_atomic_lists_and_unites_sets():
    old = {"metadata": {"finalizers": ["a", "b"]}, "spec": {"tolerations": [{"key": "k"}]}}
    patch = {
        "metadata": {"finalizers": ["c"], "$deleteFromPrimitiveList/finalizers": ["a"]},
        "spec": {"tolerations": [{"key": "z"}]},
    }
    merged = strategic_patch(old, patch, POD)
    assert merged["metadata"]["finalizers"] == ["b", "c"] and merged["spec"]["tolerations"] == [{"key": "z"}]


def test_strategic_retain_keys_and_null():
    old = spec(volumes=[{"name": "v", "emptyDir": {}}], nodeName="n")
    patch = spec(volumes=[{"name": "v", "hostPath": {"path": "/"}, "$retainKeys": ["name", "hostPath"]}], nodeName=None)
    assert strategic_patch(old, patch, POD)["spec"] == {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}


@pytest.mark.parametrize(
    "directive",
    ["$retainKeys", "$setElementOrder/containers", "$setElementOrder/tolerations", "$deleteFromPrimitiveList/x"],
)
@pytest.mark.parametrize("value", [5, "name", {"name": "a"}, True])
def test_strategic_directives_that_list_nothing_are_refused(directive, value):
    old = spec(containers=[{"name": "a"}], tolerations=[{"key": "k"}])
    with pytest.raises(ApiStatus, match="it must be a list") as caught:
        strategic_patch(old, spec(**{"containers": [{"name": "a"}], directive: value}), POD)
    assert caught.value.code == 400


def test_strategic_replacement_may_hold_anything():
    patch = spec(containers=[5, {"$patch": "replace"}])
    assert strategic_patch(spec(containers=[]), patch, POD) == spec(containers=[5])
