"""Node selectors and label selectors."""

import time

import pytest

from edged.kube.values.selectors import parse_label_selector, parse_node_selector, parse_preferred


def term(*expressions, fields=()):
    keys = ("key", "operator", "values")
    return {
        "matchExpressions": [dict(zip(keys, e, strict=False)) for e in expressions],
        "matchFields": [dict(zip(keys, f, strict=False)) for f in fields],
    }


def matches(labels, *terms, name="n1"):
    return parse_node_selector({"nodeSelectorTerms": list(terms)}).matches(name, labels)


@pytest.mark.parametrize(
    ("expression", "labels", "expected"),
    [
        (("a", "In", ["1", "2"]), {"a": "2"}, True),
        (("a", "In", ["1"]), {}, False),
        (("a", "NotIn", ["1"]), {}, True),
        (("a", "NotIn", ["1"]), {"a": "1"}, False),
        (("a", "Exists"), {"a": ""}, True),
        (("a", "DoesNotExist"), {"a": ""}, False),
        (("a", "Gt", ["5"]), {"a": "6"}, True),
        (("a", "Gt", ["5"]), {"a": "5"}, False),
        (("a", "Lt", ["5"]), {"a": "-7"}, True),
        (("a", "Lt", ["5"]), {"a": "1_0"}, False),
        (("a", "Lt", ["5"]), {"a": "9999999999999999999"}, False),
        (("a", "Lt", ["5"]), {}, False),
        (("a", "Gt", ["x"]), {"a": "1"}, False),
        (("a", "Near", ["1"]), {"a": "1"}, False),
    ],
)
def test_operators(expression, labels, expected):
    assert matches(labels, term(expression)) is expected


def test_terms_are_alternatives_and_empty_ones_match_nothing():
    assert matches({"a": "1"}, term(("a", "In", ["2"])), term(("a", "In", ["1"])))
    assert not matches({}, {})
    assert not matches({})


def test_fields_know_only_the_name():
    assert matches({}, term(fields=[("metadata.name", "In", ["n1"])]))
    assert matches({}, term(fields=[("metadata.name", "NotIn", ["n2"])]))
    assert not matches({}, term(fields=[("metadata.uid", "In", ["n1"])]))


def test_names_only_when_every_term_has_some():
    by_name = term(fields=[("metadata.name", "In", ["n1"])])
    assert parse_node_selector({"nodeSelectorTerms": [by_name]}).names() == {"n1"}
    assert parse_node_selector({"nodeSelectorTerms": [by_name, term(("a", "Exists"))]}).names() is None
    twice = term(fields=[("metadata.name", "In", ["n1"]), ("metadata.name", "In", ["n2"])])
    assert parse_node_selector({"nodeSelectorTerms": [twice]}).names() == frozenset()


def test_preferred_terms_without_weight_are_left_out():
    terms = parse_preferred(
        [{"weight": 0, "preference": term(("a", "Exists"))}, {"weight": 3, "preference": {}}]
    )
    assert [t.weight for t in terms] == [3]
    assert not terms[0].term.matches("n", {})


def test_label_selectors():
    assert parse_label_selector(None) is None
    assert parse_label_selector({}).matches({"x": "y"})
    selector = {"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "b", "operator": "Exists"}]}
    assert parse_label_selector(selector).matches({"a": "1", "b": ""})
    assert not parse_label_selector(selector).matches({"a": "1"})


def test_one_of_many_values_is_found_as_soon_as_one_of_few():
    values = [f"v{number}" for number in range(50_000)]
    wanted = parse_node_selector({"nodeSelectorTerms": [term(("a", "In", values))]})
    began = time.process_time()
    assert not any(wanted.matches("n", {"a": f"w{number}"}) for number in range(5000))
    assert wanted.matches("n", {"a": "v49999"})
    assert time.process_time() - began < 2  # one after the other: a quarter of an hour
    same = parse_node_selector({"nodeSelectorTerms": [term(("a", "In", values))]})
    assert wanted == same and hash(wanted) == hash(same)
