"""What an expression is estimated to cost the API server."""

from __future__ import annotations

import pytest

from edged.kube.values.cel_cost import LENGTH, PER_EXPRESSION, PER_WEBHOOK, estimate
from edged.kube.values.cel_syntax import Wrong


def test_a_step_costs_one_and_a_constant_nothing():
    assert estimate("true") == 0
    assert estimate("object.spec.hostNetwork") == 3
    assert estimate("has(object.spec) && object.spec != null") == 1 + 2 + 1 + 2 + 1


def test_a_macro_costs_its_condition_for_each_element():
    one = estimate("object.a.all(x, x.b)")
    assert one == 2 + LENGTH * (4 + 2)
    assert estimate("['a', 'b', 'c'].all(x, x.b)") < one
    assert estimate("object.a.all(x, object.b.all(y, x.c))") > LENGTH * LENGTH
    assert estimate("object.a.all(x, object.b.all(y, object.c.all(z, x.c)))") > PER_EXPRESSION


def test_texts_and_lists_cost_more_the_longer_they_are():
    assert estimate("object.a == object.b") > estimate("object.a == 'xxxxxxxxxxxx'") > estimate("object.a == null")
    assert estimate("object.a.contains(object.b)") > estimate("object.a.contains('xxxxxxxx')")
    assert estimate("'x' in object.a") == LENGTH + 2
    assert estimate("object.a.matches('^a')") > estimate("object.a.startsWith('a')") - 1


def test_the_limits_are_those_of_the_api_server():
    assert (PER_EXPRESSION, PER_WEBHOOK) == (1_000_000, 2_500_000)


def test_what_is_no_cel_has_no_cost():
    with pytest.raises(Wrong):
        estimate("object.a ==")
