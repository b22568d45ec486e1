"""edged/sandbox/custom/value_validation.py: texts, order, combinations, and what did not change."""

from __future__ import annotations

import pytest

from edged.sandbox.custom.correlation import Correlated
from edged.sandbox.custom.value_validation import validate

OBJECT = {"type": "object"}


def schema(**properties):
    return {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}


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
        ({"type": "string", "maxLength": 1}, "ab", "spec.f: Too long: may not be more than 1 byte"),
        ({"type": "array", "maxItems": 1, "items": {"type": "integer"}}, [1, 2], "spec.f: Too many: 2: must have at "
         "most 1 item"),
        ({"type": "object", "required": ["g"]}, {}, "spec.f.g: Required value"),
        ({"type": "integer", "format": "int32"}, 1 << 31,
         '<nil>: Invalid value: "": Checked value must be of type integer with format int32 in spec.f'),
        ({"type": "number", "multipleOf": 0.5}, 0.7, "spec.f: Invalid value: 0.7: spec.f in body should be a multiple "
         "of 0.5"),
        ({"type": "string", "format": "ipv4"}, "1",
         'spec.f: Invalid value: "1": spec.f in body must be of type ipv4: "1"'),
        ({"type": "object", "additionalProperties": False}, {"a": 1},
         'spec.f: Invalid value: "a": spec.f.a in body is a forbidden property'),
        ({"type": "string", "not": {"enum": ["x"]}}, "x",
         '<nil>: Invalid value: "": "spec.f" must not validate the schema (not)'),
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


def test_all_checks_are_made_although_the_type_is_wrong():
    found = validate({"spec": {"f": 3}}, schema(f={"type": "string", "enum": ["a"]}))
    assert [cause.reason for cause in found] == ["FieldValueTypeInvalid", "FieldValueNotSupported"]


def test_of_alternatives_the_best_one_says_what_is_wrong():
    rules = schema(f={"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}]})
    assert [str(cause) for cause in validate({"spec": {"f": {}}}, rules)] == [
        '<nil>: Invalid value: "": "spec.f" must validate one and only one schema (oneOf). Found none valid',
        "spec.f.a: Required value",
    ]
    both = validate({"spec": {"f": {"a": 1, "b": 1}}}, rules)
    assert "Found 2 valid alternatives" in both[0].message


def test_what_did_not_change_is_not_refused_again():
    rules = schema(f={"type": "integer", "minimum": 5}, g={"type": "integer", "minimum": 5})
    old, new = {"spec": {"f": 1, "g": 1}}, {"spec": {"f": 1, "g": 2}}
    found = validate(new, rules, Correlated(new, old, rules))
    assert [cause.field for cause in found] == ["spec.g"]


def test_the_field_of_a_part():
    [cause] = validate({"phase": 1}, {"type": "object", "properties": {"phase": {"type": "string"}}}, within="status")
    assert (cause.field, "phase in body" in cause.message) == ("status.phase", True)
