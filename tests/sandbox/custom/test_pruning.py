"""edged/sandbox/custom/pruning.py and defaulting.py."""

from __future__ import annotations

from edged.sandbox.custom.defaulting import with_defaults
from edged.sandbox.custom.pruning import prune, without_nulls

FREE = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def schema(**properties):
    return {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}


def test_pruning_keeps_what_is_preserved():
    rules = schema(a={"type": "string"}, free={**FREE, "properties": {"known": {"type": "object"}}})
    obj = {"kind": "X", "metadata": {"labels": {"q": "r"}}, "spec": {"a": "1", "b": 2, "free": {"z": 1, "known": {
        "y": 1}}}, "other": 1}  # fmt: skip
    kept, gone = prune(obj, rules)
    assert kept == {"kind": "X", "metadata": {"labels": {"q": "r"}}, "spec": {"a": "1", "free": {"z": 1, "known": {}}}}
    assert gone == ["other", "spec.b", "spec.free.known.y"]


def test_a_boolean_keeps_a_field_but_not_what_is_in_it():
    kept, gone = prune({"spec": {"map": {"a": {"b": 1}}}}, schema(map={"type": "object", "additionalProperties": True}))
    assert (kept, gone) == ({"spec": {"map": {"a": {}}}}, ["spec.map.a.b"])


def test_nulls_go_unless_they_may_be_there():
    rules = schema(a={"type": "string"}, b={"type": "string", "nullable": True}, c={"type": "string", "default": "d"})
    left = without_nulls({"spec": {"a": None, "b": None, "c": None}}, rules)
    assert left == {"spec": {"b": None, "c": None}}
    assert with_defaults(left, rules) == {"spec": {"b": None, "c": "d"}}


def test_defaults_reach_into_lists():
    item = {"type": "object", "properties": {"port": {"type": "integer", "default": 80}}}
    rules = schema(items={"type": "array", "items": item}, size={"type": "integer", "default": 1})
    assert with_defaults({"spec": {"items": [{}, {"port": 1}]}}, rules) == {
        "spec": {"items": [{"port": 80}, {"port": 1}], "size": 1}
    }
