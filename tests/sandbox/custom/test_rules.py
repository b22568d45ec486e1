"""edged/sandbox/custom/rules.py: CEL rules of schemas."""

from __future__ import annotations

import pytest

from edged.sandbox.custom.correlation import Correlated
from edged.sandbox.custom.rules import Rules


def schema(rules, **inner):
    inner = inner or {"type": "integer"}
    spec = {"type": "object", "properties": {"f": {**inner, "x-kubernetes-validations": rules}}}
    return {"type": "object", "properties": {"spec": spec}}


def said(rules, value, old=None, **inner):
    before = None if old is None else {"spec": {"f": old}}
    return [str(cause) for cause in Rules().check({"spec": {"f": value}}, before, schema(rules, **inner))]


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ({"rule": "self > 5"}, "spec.f: Invalid value: 3: failed rule: self > 5"),
        ({"rule": "self > 5", "message": " big "}, "spec.f: Invalid value: 3: big"),
        ({"rule": "self > 5", "message": "big", "messageExpression": "'not ' + string(self)"},
         "spec.f: Invalid value: 3: not 3"),
        ({"rule": "self > 5", "message": "big", "messageExpression": "'a\\nb'"}, "spec.f: Invalid value: 3: big"),
        ({"rule": "self > 5", "reason": "FieldValueForbidden"}, "spec.f: Forbidden: failed rule: self > 5"),
        ({"rule": "self > 5", "reason": "FieldValueRequired", "message": "m"}, "spec.f: Required value: m"),
        ({"rule": "self > 5", "reason": "FieldValueDuplicate"}, "spec.f: Duplicate value: 3"),
    ],
)  # fmt: skip
def test_texts(rule, text):
    assert said([rule], 3) == [text]
    assert said([rule], 6) == []


def test_objects_are_not_shown_and_the_path_may_be_another():
    rules = [{"rule": "self.a > 5", "fieldPath": ".a"}]
    inner = {"type": "object", "properties": {"a": {"type": "integer"}}}
    assert said(rules, {"a": 1}, **inner) == ["spec.f.a: Invalid value: failed rule: self.a > 5"]


def test_transitions():
    rules = [{"rule": "self >= oldSelf", "message": "may not shrink"}]
    assert said(rules, 1) == []
    assert said(rules, 1, 2) == ["spec.f: Invalid value: 1: may not shrink"]


def test_an_optional_old_self():
    rules = [{"rule": "!oldSelf.hasValue() || self > oldSelf.value()", "optionalOldSelf": True, "message": "grow"}]
    assert said(rules, 1) == []
    assert said(rules, 1, 1) == ["spec.f: Invalid value: 1: grow"]


def test_items_of_maps_keep_their_former_selves():
    item = {"type": "object", "properties": {"name": {"type": "string"}, "size": {"type": "integer"}},
            "x-kubernetes-validations": [{"rule": "self.size >= oldSelf.size", "message": "grow"}]}  # fmt: skip
    inner = {"type": "array", "items": item, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
    old, new = [{"name": "a", "size": 2}], [{"name": "b", "size": 0}, {"name": "a", "size": 1}]
    assert said([], new, old, **inner) == ["spec.f[1]: Invalid value: grow"]


def test_names_are_escaped():
    inner = {"type": "object", "properties": {"a-b": {"type": "integer"}, "namespace": {"type": "string"}}}
    rule = {"rule": "self.a__dash__b == 1 && self.__namespace__ == 'x'"}
    assert said([rule], {"a-b": 1, "namespace": "x"}, **inner) == []


def test_what_did_not_change_is_a_warning():
    rules = schema([{"rule": "self > 5", "message": "big"}])
    new, old = {"spec": {"f": 1}, "x": 1}, {"spec": {"f": 1}}
    checked = Rules()
    assert checked.check(new, old, rules, Correlated(new, old, rules)) == []
    assert checked.warnings == ["spec.f: Invalid value: 1: big"]
