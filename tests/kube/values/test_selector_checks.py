"""Label selectors as the API server checks them: types, keys, operators and their values."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from edged.json_text import dumps
from edged.kube.values.selector_checks import LONGEST_SHOWN, label_selector_problem, shown
from tests import hostile_values

GOOD: dict[str, Any] = {
    "matchLabels": {"a": "b", "example.com/c": ""},
    "matchExpressions": [
        {"key": "d", "operator": "In", "values": ["e", ""]}, {"key": "f", "operator": "Exists"},
        {"key": "g", "operator": "NotIn", "values": ["h"]}, {"key": "i", "operator": "DoesNotExist", "values": []},
    ],
}  # fmt: skip


@pytest.mark.parametrize("selector", [GOOD, {}, {"matchLabels": None, "matchExpressions": None}, {"matchLabels": {}}])
def test_what_the_api_server_takes(selector):
    assert label_selector_problem(selector) == ""


def requirement(**fields: object) -> dict[str, Any]:
    return {"matchExpressions": [{"key": "a", "operator": "Exists"}, {"key": "a", **fields}]}


@pytest.mark.parametrize(("selector", "complaint"), [
    ({"matchLabels": {"bad key!": "x"}}, "matchLabels['bad key!']: 'bad key!' is not a qualified name"),
    ({"matchLabels": {"a": "b c"}}, "matchLabels['a']: 'b c' is not a label value"),
    ({"matchLabels": {"a": None}}, "is not a label value"),
    ({"matchLabels": []}, "matchLabels: must be an object"),
    ({"matchExpressions": {}}, "matchExpressions: must be a list"),
    ({"foo": {}}, "has the unknown key 'foo'"),
    ([], "must be an object"),
    (None, "must be an object"),
    (requirement(operator="Gt", values=["1"]), "matchExpressions[1].operator: 'Gt' is none of In, NotIn"),
    (requirement(operator="in", values=["1"]), "matchExpressions[1].operator"),
    (requirement(), "matchExpressions[1].operator: None"),
    (requirement(operator="In"), "operator In needs values"),
    (requirement(operator="NotIn", values=[]), "operator NotIn needs values"),
    (requirement(operator="Exists", values=["a"]), "operator Exists takes no values"),
    (requirement(operator="DoesNotExist", values=[""]), "operator DoesNotExist takes no values"),
    (requirement(operator="In", values=["a", "b c"]), "matchExpressions[1].values[1]: 'b c' is not"),
    (requirement(operator="In", values=["a", 5]), "matchExpressions[1].values[1]: 5 is not"),
    (requirement(operator="In", values="a"), "values: must be a list"),
    (requirement(operator="Exists", other=1), "matchExpressions[1]: has the unknown key 'other'"),
    ({"matchExpressions": [{"operator": "Exists"}]}, "matchExpressions[0].key: None is not a qualified name"),
    ({"matchExpressions": ["a"]}, "matchExpressions[0]: must be an object"),
])
def test_what_the_api_server_refuses(selector, complaint):
    assert complaint in label_selector_problem(selector)


def test_nothing_raises_and_what_passes_can_be_written():
    passed = refused = 0
    for _, broken in hostile_values.mutations(GOOD, Random(12), each=30):
        problem = label_selector_problem(broken)
        if problem:
            refused += 1
            assert len(problem) < 400 and problem.isprintable()
        else:
            passed += 1
            dumps(broken)
    assert passed and refused > 300


@pytest.mark.parametrize("value", hostile_values.anything(yaml=True), ids=lambda value: type(value).__name__)
def test_what_is_shown_is_short_and_printable(value):
    text = shown(value)
    assert len(text) <= 4 * LONGEST_SHOWN + 40 and text.isprintable()
