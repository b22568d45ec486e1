"""Texts as fmt prints them; the expected ones are what Go printed."""

from __future__ import annotations

import pytest

from edged.kube.values.go_texts import printed, quoted


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("", '""'), ("a b/ü", '"a b/ü"'), ('"\\', r'"\"\\"'), ("\0\a\n\x7f", r'"\x00\a\n\x7f"'),
        ("\u200b\u2028\ufeff\u00ad", r'"\u200b\u2028\ufeff\u00ad"'),
        ("\U0001f600\U000e0001", '"\U0001f600\\U000e0001"'), ("\ud800", '"\ufffd"'),
    ],
)  # fmt: skip
def test_quoted(value: str, text: str) -> None:
    assert quoted(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"), (True, "true"), (False, "false"), (0, "0"), (-1, "-1"), (2**63 - 1, "9223372036854775807"),
        (-(2**63), "-9223372036854775808"), (2**63, "9.223372036854776e+18"), (1.0, "1"), (1.5, "1.5"), (-0.0, "-0"),
        (999999.0, "999999"), (1e6, "1e+06"), (1234567.0, "1.234567e+06"), (123456.75, "123456.75"), (1e21, "1e+21"),
        (0.0001, "0.0001"), (0.00001, "1e-05"), (None, "<nil>"), ([], "[]"), ([None, "x", 1], "[<nil> x 1]"),
        ({"b": 1, "a": None, "c": ["x", True, 1.5]}, "map[a:<nil> b:1 c:[x true 1.5]]"),
    ],
)  # fmt: skip
def test_printed(value: object, text: str) -> None:
    assert printed(value) == text
