"""Regular expressions in CEL: Go's texts, Go's way to find all, and an end of every search."""

from __future__ import annotations

import pytest

from edged.kube.cel import declarations, programs, registry
from edged.kube.cel.errors import EvaluationError
from edged.kube.cel.library import functions
from edged.kube.cel.library.regexes import compiled

ENVIRONMENT = declarations.admission()
assert functions


@pytest.mark.parametrize(("pattern", "text"), [
    ("(a", "missing closing ): `(a`"), ("a)", "unexpected ): `a)`"), ("[a", "missing closing ]: `[a`"),
    ("[z-a]", "invalid character class range: `z-a`"), ("*", "missing argument to repetition operator: `*`"),
    ("a**", "invalid nested repetition operator: `**`"), ("a{1001}", "invalid repeat count: `{1001}`"),
    ("(a{100}){100}", "invalid repeat count: `{100}`"), ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
    ("(?<=a)b", "invalid named capture: `(?<=a)b`"), ("(?<=a>)", "invalid named capture: `(?<=a>`"),
    (r"\1", r"invalid escape sequence: `\1`"), (r"\C", r"invalid escape sequence: `\C`"),
    ("a\\", "trailing backslash at end of expression: ``"), (r"\p{Foo}", r"invalid character class range: `\p{Foo}`"),
    ("(?P=n)", "invalid or unsupported Perl syntax: `(?P`"), ("(?P<>a)", "invalid named capture: `(?P<>`"),
])  # fmt: skip
def test_bad_patterns_are_told_as_go_tells_them(pattern: str, text: str) -> None:
    """Asked of regexp.Compile of Go 1.25 and later."""
    with pytest.raises(EvaluationError) as refused:
        compiled(pattern)
    assert str(refused.value) == f"error parsing regexp: {text}"


@pytest.mark.parametrize("pattern", [r"\\C", "", "a|*b" * 0, "(?<n>a)", r"\Qa.b\E", "[[:alpha:]]", "{", "a{,3}"])
def test_good_ones_compile(pattern: str) -> None:
    compiled(pattern)


@pytest.mark.parametrize(("text", "pattern", "found"), [
    ("abc", "", ["", "", "", ""]), ("aXbX", "X*", ["", "X", "X"]), ("baaab", "a*", ["", "aaa", ""]),
    ("éa", "", ["", "", ""]), ("", "x*", [""]), ("abab", "(ab)*", ["abab"]), ("äöä", "ä", ["ä", "ä"]),
])  # fmt: skip
def test_all_is_found_as_go_finds_it(text: str, pattern: str, found: list[str]) -> None:
    find_all = registry.function("findAll")
    assert find_all(text, pattern) == found
    assert [find_all(text, pattern, count) for count in (0, 1, 2)] == [[], found[:1], found[:2]]
    assert registry.function("find")(text, pattern) == found[0]


@pytest.mark.parametrize("expression", [
    "object.items.all(i, object.text.matches('[a-z]{1000}$'))", "object.items.map(i, object.text.findAll('')) == []",
    "object.items.map(i, object.text.matches('([a-z]{500}x|.{900}y)z' + string(i))) == []",
])  # fmt: skip
def test_what_costs_little_and_takes_long_ends(expression: str) -> None:
    """The API server's costs know how long a pattern is, not how large it becomes."""
    program = programs.compiled(expression, ENVIRONMENT)
    outcome = programs.run(program, {"object": {"items": list(range(100)), "text": "a" * 9000}})
    assert outcome.exceeded and outcome.cost < 1_000_000
