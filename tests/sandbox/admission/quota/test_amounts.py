"""Amounts that are added and compared."""

from __future__ import annotations

from edged.sandbox.admission.quota.amounts import count, minus, plus, read, shown, texts


def test_the_first_that_is_not_0_says_the_form():
    assert texts(plus(read({"memory": "0"}), read({"memory": "1Gi"}))) == {"memory": "1Gi"}
    assert texts(plus(read({"memory": "1Gi"}), read({"memory": "1Gi"}))) == {"memory": "2Gi"}
    assert texts(plus(read({"cpu": "1"}), read({"cpu": "500m"}))) == {"cpu": "1500m"}


def test_differences_are_not_below_0():
    assert texts(minus(read({"cpu": "1", "pods": "2"}), read({"cpu": "2", "x": "1"}))) == {"cpu": "0", "pods": "2"}


def test_what_is_no_quantity_is_passed_over():
    assert shown(read({"b": "x", "c": None, "a": "2"}) | {"d": count(1)}) == "a=2,d=1"
