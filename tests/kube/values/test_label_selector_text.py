"""Label selectors as texts: what they mean, and what is said of those that mean nothing."""

from __future__ import annotations

import pytest

from edged.kube.values.label_selector_text import parse
from edged.kube.values.selectors import BadSelector, Requirement


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
        ("\ta\r\n=\nb ", [Requirement("a", "In", ("b",))]),
    ],
)
def test_requirements(text: str, expected: list[Requirement]) -> None:
    assert list(parse(text).requirements) == expected


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
    with pytest.raises(BadSelector) as caught:
        parse(text)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True), ("a=1", True), ("a==1,b!=2", True), ("a in (1,2)", True), ("a notin (1)", False), ("a", True),
        ("!a", False), ("!c", True), ("c!=1", True), ("c notin (1)", True), ("c in (,1)", False), ("a=", False),
        ("e=", True), ("e!=", False), ("n>4", True), ("n<4", False), ("a>0,a<2", True), ("c>0", False), ("x/y=z", True),
    ],
)  # fmt: skip
def test_matches(text: str, expected: bool) -> None:
    assert parse(text).matches({"a": "1", "b": "1", "e": "", "n": "5", "x/y": "z"}) is expected


def test_a_nul_ends_a_word_and_between_words_the_text() -> None:
    assert parse("a\0=b").requirements == (Requirement("a", "In", ("b",)),)
    assert parse("a \0,b").requirements == (Requirement("a", "Exists"),)
    with pytest.raises(BadSelector, match="name part must consist of"):
        parse("a\u00a0")  # no white space for the server
