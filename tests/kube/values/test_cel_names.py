"""What CEL expressions read."""

from __future__ import annotations

import pytest

from edged.kube.values.cel_names import LONGEST, read, written_out
from edged.kube.values.cel_syntax import Unsure, Wrong


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("object.a.b == params.c", {"object", "params"}),
        ("{'a': x}[y] + [z][0]", {"x", "y", "z"}),
        ("a.all(b, b > c) && b", {"a", "b", "c"}),
        ("a.all(b, b > c)", {"a", "c"}),
        ("a.map(b, b in d, b + e)", {"a", "d", "e"}),
        ("a.exists(k, v, k == v)", {"a"}),
        ("a.method(b)", {"a", "b"}),
        ("has(a.b) ? c : -d", {"a", "c", "d"}),
        ("a.?b.orValue(c) == {'x': ?d}", {"a", "c", "d"}),
        ("a.?b.c.all(e, e == f)", {"a", "f"}),
        ("x ? y : z.?w", {"x", "y", "z"}),
        ("a. ?b.c[ ?'d'].e(f)", {"a", "f"}),
        ("'object' == \"params\" // namespaceObject", set()),
    ],
)
def test_free_names(expression: str, names: set[str]) -> None:
    assert read(expression).names == names


def test_macros_functions_and_comparisons() -> None:
    found = read("a.all(i, v, v == null) && size(b) > 1 && c != null && null == d.e")
    assert found.functions >= {"all/2", "size"}
    assert (found.bound, found.compared) == ({"i", "v"}, {"c"})


@pytest.mark.parametrize("expression", ["a.?b.exists(", "a.?b.exists(c", "a.?b.all(,", "a.?b.map"])
def test_macros_that_the_text_breaks_off(expression: str) -> None:
    assert read(expression).bound == set()


def test_variables_are_written_out() -> None:
    assert written_out("variables.a + variables . a", {"a": "1 + 2"}) == "(1 + 2) + (1 + 2)"
    assert written_out("object.variables.a == 'variables.a'", {}) == "object.variables.a == 'variables.a'"
    with pytest.raises(Wrong, match=r"variables\.b"):
        written_out("variables.b", {"a": "1"})
    with pytest.raises(Unsure, match="more than"):
        written_out("variables.a", {"a": "1" * LONGEST})
