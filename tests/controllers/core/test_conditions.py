from __future__ import annotations

import pytest

from edged.controllers.core.codes import invalid
from edged.controllers.core.conditions import all_hold, condition_of
from edged.controllers.core.fields import Fields


def condition(**fields):
    return condition_of(Fields(fields, "where[0]", invalid))


@pytest.mark.parametrize(
    ("fields", "value", "holds"),
    [
        ({"eq": True}, True, True), ({"eq": True}, 1, False), ({"eq": 1}, True, False), ({"eq": 1}, 1.0, True),
        ({"eq": None}, None, True), ({"ne": "a"}, "b", True), ({"ne": "a"}, "a", False), ({"ne": "a"}, None, True),
        ({"exists": True}, 0, True), ({"exists": True}, False, True), ({"exists": True}, [], False),
        ({"exists": True}, ["x"], True), ({"exists": False}, "", True), ({"exists": False}, None, True),
        ({"eq": "a"}, ["a"], False),
    ],
)  # fmt: skip
def test_what_a_condition_says_of_a_value(fields, value, holds):
    assert condition(pointer="/f", **fields).holds({"f": value}) is holds


@pytest.mark.parametrize(("fields", "holds"), [({"eq": None}, True), ({"ne": 1}, True), ({"exists": False}, True)])
def test_nothing_there_is_null(fields, holds):
    assert condition(pointer="/f", **fields).holds({}) is holds


def test_one_of_several_alternatives():
    either = condition(any=[{"pointer": "/validated", "eq": True}, {"pointer": "/errors", "exists": True}])
    assert either.holds({"validated": True})
    assert either.holds({"errors": ["bad"]})
    assert not either.holds({"errors": []})
    assert [pointer.text for pointer in either.pointers] == ["/validated", "/errors"]


def test_all_conditions_of_a_list_have_to_hold():
    both = condition(pointer="/a", eq=1), condition(pointer="/b", eq=2)
    assert all_hold(both, {"a": 1, "b": 2})
    assert not all_hold(both, {"a": 1})
    assert all_hold((), {})
