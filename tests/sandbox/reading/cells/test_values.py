from __future__ import annotations

from edged.sandbox.reading.cells.values import labels_text, quantity, selector_text, some_of


def test_a_selector_has_its_requirements_in_the_order_of_keys() -> None:
    expressions = [
        {"key": "z", "operator": "In", "values": ["b", "a"]}, {"key": "b", "operator": "NotIn", "values": ["c"]},
        {"key": "c", "operator": "Exists"}, {"key": "a", "operator": "DoesNotExist"},
    ]  # fmt: skip
    shown = selector_text({"matchLabels": {"y": "1", "d": ""}, "matchExpressions": expressions})
    assert shown == "!a,b notin (c),c,d=,y=1,z in (a,b)"
    assert selector_text({}) == selector_text(None) == ""


def test_labels_are_sorted_as_texts() -> None:
    assert labels_text({"a": "1", "a-b": "2"}) == "a-b=2,a=1"
    assert labels_text(None) == labels_text({}) == "<none>"


def test_quantities_are_canonical() -> None:
    assert [quantity(each) for each in ("1024Mi", "1000m", 5, None, "x")] == ["1Gi", "1", "5", "0", "x"]


def test_only_the_first_few_are_shown() -> None:
    assert some_of("abcd", 3, 4) == "a,b,c + 1 more..."
    assert some_of("ab", 3, 2) == "a,b"
    assert some_of("", 3, 0) == "<unset>"
