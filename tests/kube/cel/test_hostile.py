"""Expressions of a hostile author: every one ends, within bounds of work and memory, and as an outcome."""

from __future__ import annotations

import pytest

from edged.kube.cel import declarations, programs
from edged.kube.cel.errors import CompileError, EvaluationError
from edged.kube.cel.weights import weight

ENVIRONMENT = declarations.admission()
NAMES = {
    "object": {
        "big": list(range(100_000)), "text": "a" * 1_000_000, "map": {f"k{index}": index for index in range(100_000)},
        "huge": 10**400, "nan": float("nan"), "mixed": [1, "a", None, True, 2.0, [], {}],
    }
}  # fmt: skip
EXCEEDED = "operation cancelled: actual cost limit exceeded"


@pytest.mark.parametrize("expression", [
    "object.big.all(x, x in object.big)", "lists.range(10000).all(x, object.big == object.big)",
    "lists.range(10000).all(x, object.map == object.map)", "lists.range(10000).all(x, '%s'.format([object.big]) != '')",
    "lists.range(3000).map(x, object.big + [x]) == []", "lists.range(5000).map(x, object.big).flatten() == []",
    "lists.range(5000).map(x, object.big).sum() == 1", "lists.range(1000).map(x, object.text).join(',') == ''",
    "lists.range(200).map(x, object.big).distinct() == []", "lists.range(30000).map(x, bytes(object.text)) == []",
    "lists.range(30000).map(x, object.text + object.text) == []",
    "lists.range(30000).all(x, !object.map[?1].hasValue())",
    "lists.range(5000).map(x, object.text.substring(0, 999).replace('a', object.text.substring(0, 9999))) == []",
    "sets.contains(lists.range(1000).map(x, object.big), lists.range(1000).map(x, object.big))",
    "lists.range(20).map(x, lists.range(1000).map(y, object.big)) == []",
])  # fmt: skip
def test_what_is_cheap_for_the_api_server_and_not_for_us_ends(expression: str) -> None:
    outcome = programs.run(programs.compiled(expression, ENVIRONMENT), NAMES)
    assert (outcome.error, outcome.exceeded) == (EXCEEDED, True)


@pytest.mark.parametrize(("expression", "error"), [
    ("double(object.huge) > 1.0", "type conversion error from 'int' to 'double'"),
    ("object.huge + 1 > 1", "integer overflow"), ("int(object.nan) == 1", "integer overflow"),
    ("-(-9223372036854775807 - 1) > 0", "integer overflow"),
    ("(-9223372036854775807 - 1) / -1 > 0", "integer overflow"),
    ("timestamp('9999-12-31T23:59:59Z') + duration('1s') == null", "timestamp overflow"),
    ("timestamp('0001-01-01T00:00:00Z').getFullYear('-14:00') == 0", "timestamp overflow"),
    ("timestamp('2024-01-01T00:00:00Z').getHours('../../etc/passwd') == 0", "unknown time zone ../../etc/passwd"),
    ("object.mixed[object.nan] == 1", "unsupported index type 'double' in list"),
    ("object.mixed.sort() == []", "list elements must have the same type"),
])  # fmt: skip
def test_values_at_their_limits_are_errors(expression: str, error: str) -> None:
    assert programs.run(programs.compiled(expression, ENVIRONMENT), NAMES).error == error


@pytest.mark.parametrize("text", [
    "9" * 99_999, "0x" + "f" * 90_000, "9" * 99_998 + "u", "-" + "9" * 9_999, "1e" + "9" * 9_000, "(" * 30_000,
    "[" * 3_000,
    "!" * 50_000 + "true", "1" + "+1" * 20_000, "object" + ".a" * 20_000, "true ? " * 3_000, "[1].map(x, " * 60,
    "{'a':" * 2_000, "'" + "\\" * 9_999, "\ud800", "'\ud800'", "\ufeff1", "\x00", "has(" * 300, "`" * 99, "a?b" * 9_000,
])  # fmt: skip
def test_texts_of_any_form_are_refused_or_compile(text: str) -> None:
    try:
        programs.run(programs.compiled(text, ENVIRONMENT), NAMES)
    except (CompileError, EvaluationError) as refused:
        assert str(refused)


def test_zeros_before_a_number_do_not_count() -> None:
    assert programs.run(programs.compiled("0" * 9_000 + "7", ENVIRONMENT), NAMES).value == 7


def test_a_weight_counts_what_lies_deep_and_stops() -> None:
    assert weight(1, 100) == 1 and weight([1, [2, 3], {"a": [4]}], 100) == 1 + 3 + 2 + 1 + 1
    shared = [0] * 1000
    for _ in range(50):
        shared = [shared] * 1000
    assert weight(shared, 10_000) > 10_000
