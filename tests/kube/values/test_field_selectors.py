"""Field selectors as texts: what they mean, and what is said of those that mean nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.kube.values.field_selectors import FieldSelector, Term, escaped, parse
from edged.kube.values.selectors import BadSelector


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", []), (",,", []), ("a=b", [Term("a", "b", True)]), ("a==b", [Term("a", "b", True)]),
        ("a!=b", [Term("a", "b", False)]), ("a=", [Term("a", "", True)]), ("a!=", [Term("a", "", False)]),
        ("b=1,a=2", [Term("a", "2", True), Term("b", "1", True)]), ("a!b=c", [Term("a!b", "c", True)]),
        ("a=!b", [Term("a", "!b", True)]), ("=b", [Term("", "b", True)]), ("=,!=,==", []),
        ("a= b ", [Term("a", " b ", True)]),
        (r"a=b\,c\=d\\", [Term("a", r"b,c=d" + "\\", True)]), (r"a\,b=c", [Term(r"a\,b", "c", True)]),
        ("a!==b", None), ("a===b", None), ("a=b=c", None),
    ],
)  # fmt: skip
def test_terms(text: str, terms: list[Term] | None) -> None:
    if terms is not None:
        assert parse(text) == FieldSelector(tuple(terms))
        return
    with pytest.raises(BadSelector) as caught:
        parse(text)
    assert str(caught.value) == "invalid field selector: unescaped character in value: 61"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonsense", "invalid selector: 'nonsense'; can't understand 'nonsense'"),
        ("a=b,c", "invalid selector: 'a=b,c'; can't understand 'c'"),
        (r"a=\b", r"invalid field selector: invalid escape sequence: \b"),
        ("a=b\\", "invalid field selector: invalid escape sequence: \\"),
    ],
)
def test_refusals(text: str, said: str) -> None:
    with pytest.raises(BadSelector) as caught:
        parse(text)
    assert str(caught.value) == said


def test_matches() -> None:
    fields = {"a": "1", "b": "", "n": "-9223372036854775808"}

    def read(field: str) -> str:
        return fields.get(field, "")

    for text in ("", "a=1", "a==1,b=", "c=", "c!=1", "b!=1", "n=-9223372036854775808", "a!=1.0"):
        assert parse(text).matches(read), text
    for text in ("a!=1", "a=", "b!=", "c!=", "a=1,c=1", "a=01", "n=-9223372036854775809"):
        assert not parse(text).matches(read), text


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_an_escaped_value_is_read_back(value: str) -> None:
    selector = parse(f"a!={escaped(value)}")
    assert selector.terms == (Term("a", value, False),)
    assert parse(str(selector)) == selector
