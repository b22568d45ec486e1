"""Sets of fields of objects and of their differences."""

from __future__ import annotations

from edged.sandbox.kinds.go_types import GoTypes
from edged.sandbox.kinds.resources import builtin_registry
from edged.sandbox.writing.fieldpaths import compare, fields_of, from_fields, to_fields, with_named_fields, without

POD = builtin_registry(GoTypes.load()).find("", "v1", "pods").shape


def test_an_applied_map_is_no_member_of_its_set_but_a_new_one_is():
    pod = {"metadata": {"labels": {"a": "b"}}}
    assert to_fields(fields_of(pod, POD)) == {"f:metadata": {"f:labels": {"f:a": {}}}}
    assert to_fields(frozenset(compare({"metadata": {}}, pod, POD).added)) == {
        "f:metadata": {"f:labels": {".": {}, "f:a": {}}},
    }  # fmt: skip


def test_elements_of_lists():
    ports = [{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}]
    [old, new] = [{"spec": {"containers": [{"name": "c", "ports": each}]}} for each in (ports[:1], ports)]
    assert to_fields(frozenset(compare(old, new, POD).added)) == {"f:spec": {"f:containers": {'k:{"name":"c"}': {
        "f:ports": {'k:{"containerPort":80,"protocol":"UDP"}': {".": {}, "f:containerPort": {}, "f:protocol": {}}},
    }}}}  # fmt: skip


def test_atomic_fields_and_repeated_elements_are_one():
    old = {"spec": {"tolerations": [{"key": "a"}], "containers": [{"name": "c"}, {"name": "c"}]}}
    new = {"spec": {"tolerations": [{"key": "b"}], "containers": [{"name": "c"}, {"name": "c", "image": "x"}]}}
    assert to_fields(frozenset(compare(old, new, POD).modified)) == {
        "f:spec": {"f:tolerations": {}, "f:containers": {'k:{"name":"c"}': {}}},
    }  # fmt: skip


def test_taking_fields_out():
    pod = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c"}, {"name": "d"}]}}
    gone = from_fields({"f:metadata": {"f:labels": {"f:a": {}}}, "f:spec": {"f:containers": {'k:{"name":"c"}': {}}}})
    assert without(pod, gone, POD) == {"metadata": {"labels": None}, "spec": {"containers": [{"name": "d"}]}}
    named = with_named_fields(gone, POD)
    assert ("f:metadata", "f:labels") in named and without(pod, named, POD) is None
