"""`pattern` in schemas, by RE2."""

from __future__ import annotations

from edged.sandbox.custom.patterns import matches, problem


def test_patterns_are_found_anywhere_in_a_text() -> None:
    assert matches("^a+$", "aaa") and matches("b", "abc") and not matches("^b", "abc") and matches("ü", "für")


def test_one_that_is_none_is_told_and_never_found() -> None:
    assert problem("^a+$") == "" and problem("(?!a)").startswith("error parsing regexp: ")
    assert not matches("(?!a)", "b")
