"""Which tolerations cover which."""

from __future__ import annotations

import pytest

from edged.kube.defaults.toleration_sets import covers, merged

ALL = {"operator": "Exists"}
KEY = {"key": "a", "operator": "Exists"}
VALUE = {"key": "a", "operator": "Equal", "value": "1"}


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        (ALL, KEY, True),
        (KEY, ALL, False),
        (KEY, VALUE, True),
        (VALUE, KEY, False),
        (VALUE, {**VALUE, "value": "2"}, False),
        (KEY, {**KEY, "effect": "NoSchedule"}, True),
        ({**KEY, "effect": "NoSchedule"}, KEY, False),
        ({**KEY, "effect": "NoExecute", "tolerationSeconds": 5}, {**KEY, "effect": "NoExecute"}, False),
        (
            {**KEY, "effect": "NoExecute", "tolerationSeconds": 5},
            {**KEY, "effect": "NoExecute", "tolerationSeconds": 3},
            True,
        ),
        ({"key": "a", "operator": "Lt", "value": "5"}, VALUE, False),
    ],
)
def test_covering(wide: dict[str, object], narrow: dict[str, object], expected: bool) -> None:
    assert covers(wide, narrow) is expected


def test_what_is_covered_goes_and_of_equals_the_first_stays() -> None:
    other = {"key": "b", "operator": "Exists"}
    assert merged([VALUE, other, KEY, dict(other)]) == [other, KEY]
    assert merged([]) == []
