"""Regular expressions that Go's regexp surely compiles."""

from __future__ import annotations

import pytest

from edged.kube.values.cel_regex import MAX_SIZE, check
from edged.kube.values.cel_syntax import Unsure


@pytest.mark.parametrize("pattern", [
    "", "^a+$", "a|b|", "(a|b)*", "(?:a)+?", "[a-z0-9-]+", "[^/]+/[a-z]", "a{2}", "a{2,}", "a{2,30}?", r"\d+\.\w*",
    r"[\]\-a]",
    r"^system:serviceaccount:[a-z0-9-]+:.*$", "[.+*?]", "(a{1,5}){3}", "a" * (MAX_SIZE - 1),
])  # fmt: skip
def test_it_compiles(pattern):
    check(pattern)


@pytest.mark.parametrize("pattern", [
    "(", ")", "a)", "(a", "[", "[]", "[a", "[z-a]", "*", "+a", "a**", "a{3,1}", "a{1001}", "a{,2}", "a{", "{", "}",
    "]", "\\",
    r"\1", r"\p{L}", r"\b", r"\x41", "(?i)a", "(?P<a>b)", "(?=a)", "^*", "$+", "[[:alpha:]]", r"[\d-z]", "é", "\n",
    "a" * 1001,
    "((a{30}){30}){30}", "(" * 50 + ")" * 50, "[a]-b]",
])  # fmt: skip
def test_it_may_not_compile(pattern):
    with pytest.raises(Unsure, match="regular expression"):
        check(pattern)
