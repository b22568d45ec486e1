"""Conditions of several modules in one: true where any member's list is, with the same errors."""

from __future__ import annotations

from itertools import product

import pytest

from edged.admission.rules.joined_conditions import NAME, joined_conditions
from edged.admission.rules.module_conditions import MOST_CHARACTERS
from edged.kube.cel.conditions import decide
from edged.kube.values.cel_types import judge

TRUE, FALSE, ERROR = "object.t", "object.f", "object.absent"
OBJECT = {"t": True, "f": False}


def member(*expressions: str) -> list[dict[str, str]]:
    return [{"name": f"module.edged.dev/{n}", "expression": text} for n, text in enumerate(expressions)]


def outcome(conditions: list[dict[str, str]]) -> str:
    """As the API server decides on a webhook's conditions: call, skip, or the failure policy's."""
    verdict = decide(conditions, {"object": OBJECT})
    return "call" if verdict.holds else "failure policy" if verdict.false is None else "skip"


def expected(members: list[list[dict[str, str]]]) -> str:
    alone = [outcome(each) for each in members]
    return next((each for each in ("call", "failure policy") if each in alone), "skip")


def test_it_is_called_where_any_member_would_be_with_errors_as_in_a_list():
    lists = [member(*(f"{each} == true" for each in texts)) for length in (1, 2)
             for texts in product((TRUE, FALSE, ERROR), repeat=length)]  # fmt: skip
    for members in product(lists, repeat=2):
        joined = joined_conditions(members)
        assert joined is not None and len(joined) <= 2
        assert outcome(joined) == expected(list(members)), members


def test_order_and_repetition_change_nothing():
    one, other = member("object.a == 1", "object.b == 2 || object.c == 3"), member("object.d == 4 // a comment")
    joined = joined_conditions([one, other])
    assert joined == joined_conditions([other, one, other]) and joined is not None
    assert joined[0]["name"] == NAME and judge(joined[0]["expression"]).kind == "fine"
    assert joined_conditions([one, member(*(each["expression"] for each in one))]) == one


def test_a_member_without_conditions_is_asked_about_everything():
    assert joined_conditions([member("true"), []]) == []


@pytest.mark.parametrize(
    "members",
    [
        [member("object.a == '" + "x" * (MOST_CHARACTERS // 2) + "'"), member("object.b == '" + "y" * 2048 + "'")],
        [member(f"object.a{n}.all(a, object.b.all(b, a.c == 1 && b.c == 1))") for n in range(3)],
    ],
    ids=["length", "cost"],
)
def test_what_is_too_much_for_one_expression_is_not_joined(members: list[list[dict[str, str]]]):
    assert joined_conditions(members) is None
