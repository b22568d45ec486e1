"""edged/sandbox/custom/list_types.py."""

from __future__ import annotations

from edged.sandbox.custom.list_types import repeated

KEYED = {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a", "b"],
         "items": {"type": "object"}}  # fmt: skip


def test_sets_and_maps():
    schema = {"properties": {"set": {"x-kubernetes-list-type": "set"}, "map": KEYED}}
    obj = {"set": [1, "1", 1, 1], "map": [{"a": 1}, {"a": 1, "b": 2}, {"a": 1, "c": 3}]}
    assert [str(cause) for cause in repeated(obj, schema)] == [
        "set[2]: Duplicate value: 1", 'map[2]: Duplicate value: {"a":1}',
    ]  # fmt: skip


def test_items_of_maps_are_objects():
    [cause] = repeated(["x"], KEYED, "list")
    assert str(cause) == 'list[0]: Invalid value: "x": must be an object for an array of list-type map'
