from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.controllers.core.pointers import MISSING, differs, pointer_of, projected, read, text_at

OBJECT = {"spec": {"a/b": 1, "m~n": [10, {"x": True}], "": None}, "list": [1, 2]}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", OBJECT), ("/spec/a~1b", 1), ("/spec/m~0n/1/x", True), ("/spec/", None), ("/list/1", 2),
        ("/list/2", MISSING), ("/list/01", MISSING), ("/list/-", MISSING), ("/spec/no", MISSING), ("/list/x", MISSING),
        ("/spec/a~1b/deeper", MISSING), ("/list/٣", MISSING),
    ],
)  # fmt: skip
def test_what_stands_at_a_pointer(text, found):
    assert read(OBJECT, pointer_of(text)) == found


@pytest.mark.parametrize("text", ["spec", "/a~", "/a~2"])
def test_what_is_no_pointer(text):
    with pytest.raises(ValueError, match="JSON pointer"):
        pointer_of(text)


@pytest.mark.parametrize(
    ("value", "text"), [(7, "7"), (True, "true"), (False, "false"), (None, ""), ("x", "x"), ([1], ""), ({}, "")]
)
def test_texts_are_those_of_field_selectors(value, text):
    assert text_at({"f": value}, pointer_of("/f")) == text
    assert text_at({}, pointer_of("/f")) == ""


def test_only_the_named_subtrees_are_compared():
    old, new = {"spec": {"a": 1, "b": 1}}, {"spec": {"a": 1, "b": 2}}
    assert not differs(old, new, (pointer_of("/spec/a"), pointer_of("/status")))
    assert differs(old, new, (pointer_of("/status"), pointer_of("/spec")))
    assert differs({}, {"f": None}, (pointer_of("/f"),))


def test_a_projection_keeps_what_is_named_and_changes_nothing():
    value = {"spec": {"a": {"x": 1, "y": 2}, "b": 2}, "items": [{"n": 1}, {"n": 2}], "other": 1}
    copy = {"spec": {"a": {"x": 1, "y": 2}, "b": 2}, "items": [{"n": 1}, {"n": 2}], "other": 1}
    pointers = [pointer_of(text) for text in ("/spec/a/x", "/items/1/n", "/none/there", "/other/deeper")]
    assert projected(value, pointers) == {"spec": {"a": {"x": 1}}, "items": [{"n": 1}, {"n": 2}]}
    assert value == copy


NAMES = st.sampled_from("abc")
TREES = st.recursive(st.integers(0, 3), lambda inner: st.dictionaries(NAMES, inner, max_size=3), max_leaves=12)
POINTERS = st.lists(st.lists(NAMES, max_size=3).map(lambda parts: pointer_of("".join(f"/{p}" for p in parts))))


@given(st.dictionaries(NAMES, TREES), POINTERS)
def test_every_pointer_finds_in_a_projection_what_it_finds_in_the_object(value, pointers):
    kept = projected(value, pointers)
    for pointer in pointers:
        assert read(kept, pointer) == read(value, pointer)
    assert projected(kept, pointers) == kept
