"""Label selectors as texts: what they mean, and what is said of those that mean nothing."""

from __future__ import annotations

import pytest

from edged.sandbox.protocol.api_status import ApiStatus
from edged.sandbox.reading.label_selectors import Requirement, parse_labels


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("a", [Requirement("a", "Exists")]),
        ("!a,b", [Requirement("a", "DoesNotExist"), Requirement("b", "Exists")]),
        ("a==b,c!=", [Requirement("a", "In", ("b",)), Requirement("c", "NotIn", ("",))]),
        ("a in (c, b,)", [Requirement("a", "In", ("", "b", "c"))]),
        ("a notin ()", [Requirement("a", "NotIn", ("",))]),
        ("in in (in)", [Requirement("in", "In", ("in",))]),
        ("a>5", [Requirement("a", "Gt", ("5",))]),
    ],
)
def test_requirements(text: str, expected: list[Requirement]) -> None:
    assert parse_labels(text) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (",", "found ',', expected: !, identifier, or 'end of string'"),
        ("a,", "found '', expected: identifier after ','"),
        ("a,=", "found '=', expected: identifier after ','"),
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("a===1", "unable to parse requirement: found '=', expected: identifier"),
        ("a=1 2", "found '2', expected: ',' or 'end of string'"),
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
        ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("a in (=)", "unable to parse requirement: found '=', expected: ',', ')' or identifier"),
        ("!", "unable to parse requirement: found '', expected: identifier"),
        ("a>x", 'unable to parse requirement: values[0]: Invalid value: "x": for \'Gt\', \'Lt\' operators, the value'),
        ("-x", 'unable to parse requirement: <nil>: Invalid value: "-x": name part must consist of'),
        ("x=_", 'unable to parse requirement: values[0][x]: Invalid value: "_": a valid label must be an empty'),
    ],
)
def test_refusals(text: str, said: str) -> None:
    with pytest.raises(ApiStatus) as caught:
        parse_labels(text)
    assert caught.value.message.startswith(said)
