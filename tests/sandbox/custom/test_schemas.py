"""edged/sandbox/custom/schemas.py: pruning, defaults, validation of custom resources."""

from __future__ import annotations

import pytest

from edged.sandbox.custom.schemas import prune, validate, with_defaults

OBJECT = {"type": "object"}


def schema(**properties):
    return {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}


def test_pruning_keeps_what_is_preserved():
    rules = schema(a={"type": "string"}, free={"type": "object", "x-kubernetes-preserve-unknown-fields": True})
    obj = {
        "kind": "X",
        "metadata": {"labels": {"q": "r"}},
        "spec": {"a": "1", "b": 2, "free": {"z": 1}},
        "other": 1,
    }
    kept, gone = prune(obj, rules)
    assert kept == {"kind": "X", "metadata": {"labels": {"q": "r"}}, "spec": {"a": "1", "free": {"z": 1}}}
    assert gone == ["spec.b", "other"]


def test_defaults_reach_into_lists():
    item = {"type": "object", "properties": {"port": {"type": "integer", "default": 80}}}
    rules = schema(items={"type": "array", "items": item}, size={"type": "integer", "default": 1})
    assert with_defaults({"spec": {"items": [{}, {"port": 1}]}}, rules) == {
        "spec": {"items": [{"port": 80}, {"port": 1}], "size": 1}
    }


@pytest.mark.parametrize(
    ("rule", "value", "text"),
    [
        ({"type": "integer", "minimum": 1}, 0, "spec.f: Invalid value: 0: spec.f in body should be greater than or "
         "equal to 1"),
        ({"type": "integer"}, "x", 'spec.f: Invalid value: "string": spec.f in body must be of type integer: "string"'),
        ({"type": "boolean"}, 1, 'spec.f: Invalid value: "integer": spec.f in body must be of type boolean: "integer"'),
        ({"type": "string", "enum": ["a", "b"]}, "c", 'spec.f: Unsupported value: "c": supported values: "a", "b"'),
        ({"type": "string", "pattern": "^a+$"}, "b",
         "spec.f: Invalid value: \"b\": spec.f in body should match '^a+$'"),
        ({"type": "string", "maxLength": 1}, "ab", "spec.f: Too long: may not be more than 1 bytes"),
        ({"type": "array", "maxItems": 1, "items": {"type": "integer"}}, [1, 2], "spec.f: Too many: 2: must have at "
         "most 1 item"),
        ({"type": "object", "required": ["g"]}, {}, "spec.f.g: Required value"),
        ({"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}}, ["a", "a"],
         'spec.f[1]: Duplicate value: "a"'),
        ({"type": "integer", "x-kubernetes-validations": [{"rule": "self % 2 == 0", "message": "be even"}]}, 3,
         "spec.f: Invalid value: 3: be even"),
    ],
)  # fmt: skip
def test_findings(rule, value, text):
    [cause] = validate({"spec": {"f": value}}, schema(f=rule))
    assert str(cause) == text


def test_good_values_pass():
    rules = schema(
        n={"type": "number", "maximum": 2},
        i={"x-kubernetes-int-or-string": True},
        z={"type": "string", "nullable": True},
    )
    assert validate({"spec": {"n": 1.5, "i": "25%", "z": None}}, rules) == []


def test_transition_rules_see_the_old_object():
    rule = {
        "type": "integer",
        "x-kubernetes-validations": [{"rule": "self >= oldSelf", "message": "may not shrink"}],
    }
    rules = schema(f=rule)
    assert validate({"spec": {"f": 1}}, rules) == []
    assert [str(c) for c in validate({"spec": {"f": 1}}, rules, {"spec": {"f": 2}})] == [
        "spec.f: Invalid value: 1: may not shrink"
    ]
