"""edged/sandbox/writing/strategic.py: strategic merge patches. Stories play the same on the real API server."""

from __future__ import annotations

import pytest

from edged.sandbox.kinds.go_types import GoTypes
from edged.sandbox.kinds.resources import builtin_registry
from edged.sandbox.protocol.api_status import ApiStatus
from edged.sandbox.writing.strategic import strategic_patch

TYPES = GoTypes.load()
POD = builtin_registry(TYPES).find("", "v1", "pods").shape


def spec(**fields):
    return {"spec": fields}


def named(*names):
    return [{"name": name} for name in names]


def test_new_elements_come_first():
    old = spec(containers=[{"name": "a", "image": "1", "env": [{"name": "X", "value": "1"}]}, {"name": "b"}])
    patch = spec(containers=[{"name": "a", "env": [{"name": "Y", "value": "2"}]}, {"name": "c", "image": "3"}])
    merged = strategic_patch(old, patch, POD)["spec"]["containers"]
    assert [c["name"] for c in merged] == ["a", "c", "b"]
    assert merged[0]["image"] == "1" and [e["name"] for e in merged[0]["env"]] == ["Y", "X"]


@pytest.mark.parametrize(
    ("order", "given", "expected"),
    [
        (["c", "a"], ["c"], ["b", "c", "a"]),
        (["b", "a", "c"], ["a"], ["b", "a", "c"]),
        (["new", "a"], ["new"], ["new", "b", "a", "c"]),
        (["x"], [], ["b", "a", "c"]),
    ],
)
def test_order_of_elements(order, given, expected):
    patch = spec(**{"$setElementOrder/containers": named(*order), "containers": named(*given)})
    merged = strategic_patch(spec(containers=named("b", "a", "c")), patch, POD)
    assert [c["name"] for c in merged["spec"]["containers"]] == expected


def test_directives():
    old = spec(containers=named("a", "b", "c"), nodeSelector={"x": "1"}, affinity={"podAffinity": {}})
    patch = spec(
        **{
            "containers": [{"name": "b", "$patch": "delete"}],
            "$setElementOrder/containers": named("c", "a"),
            "nodeSelector": {"$patch": "replace", "y": "2"},
            "affinity": {"$patch": "delete"},
        }
    )
    merged = strategic_patch(old, patch, POD)["spec"]
    assert merged == {"containers": named("c", "a"), "nodeSelector": {"y": "2"}, "affinity": {}}
    assert strategic_patch(old, {"spec": {"containers": [{"$patch": "replace"}, {"name": "z"}]}}, POD)["spec"][
        "containers"
    ] == named("z")


def test_atomic_lists_are_replaced_and_sets_united():
    old = {"metadata": {"finalizers": ["a", "b"]}, "spec": {"tolerations": [{"key": "k"}]}}
    patch = {
        "metadata": {"finalizers": ["c"], "$deleteFromPrimitiveList/finalizers": ["a"]},
        "spec": {"tolerations": [{"key": "z"}]},
    }
    merged = strategic_patch(old, patch, POD)
    assert sorted(merged["metadata"]["finalizers"]) == ["b", "c"] and merged["spec"]["tolerations"] == [{"key": "z"}]


def test_retained_keys_and_null():
    old = spec(volumes=[{"name": "v", "emptyDir": {}}], nodeName="n")
    patch = spec(volumes=[{"name": "v", "hostPath": {"path": "/"}, "$retainKeys": ["name", "hostPath"]}], nodeName=None)
    assert strategic_patch(old, patch, POD)["spec"] == {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}
    assert strategic_patch({}, spec(nodeSelector={"a": None, "b": "1"}), POD) == spec(nodeSelector={"b": "1"})


@pytest.mark.parametrize(
    ("patch", "code", "message"),
    [
        ({"$retainKeys": "name"}, 400, "invalid patch format of retainKeys"),
        ({"$retainKeys": ["nodeName"], "containers": []}, 400, "invalid patch format of retainKeys"),
        ({"$setElementOrder": []}, 400, "invalid patch format of setElementOrder list"),
        ({"$setElementOrder/containers": 5}, 500, "expected a []interface {}, but received a int64"),
        ({"$setElementOrder/x": []}, 500, 'unable to find api field in struct PodSpec for the json field "x"'),
        ({"$setElementOrder/hostname": []}, 500, "expected slice or array type, but got: struct"),
        ({"$deleteFromPrimitiveList": []}, 400, "invalid patch format of primitive list"),
        ({"containers": [5]}, 500, "list element types are not identical: [[map[name:a]] [5]]"),
        ({"containers": [{"image": "x"}]}, 500, "map: map[image:x] does not contain declared merge key: name"),
        ({"containers": [{"name": "a", "$patch": "merge"}]}, 500, "merging lists cannot yet be specified in the patch"),
        ({"nodeSelector": {"$patch": "eat"}}, 500, "unknown patch type: eat in map: map[$patch:eat]"),
    ],
)
def test_refusals(patch, code, message):
    with pytest.raises(ApiStatus) as caught:
        strategic_patch(spec(containers=named("a"), nodeName="n", nodeSelector={}), spec(**patch), POD)
    assert (caught.value.code, caught.value.message) == (code, message)


def test_an_element_must_stand_in_the_order():
    patch = spec(**{"$setElementOrder/containers": named("b"), "containers": named("a")})
    with pytest.raises(ApiStatus, match=r"The order in patch list:\n\[map\[name:a\]\]") as caught:
        strategic_patch(spec(containers=named("a")), patch, POD)
    assert caught.value.code == 500
