"""Single values that Go's decoder does not take."""

from __future__ import annotations

import pytest

from edged.sandbox.protocol.scalars import out_of_range, scalar_problem


@pytest.mark.parametrize(
    ("go_type", "value", "problem"),
    [
        ("Quantity", "1Gi", ""), ("Quantity", 5, ""), ("bytes", "eA==", ""), ("bytes", "e\nA==", ""), ("bytes", "",
        ""),
        ("Time", "2020-01-01T00:00:00Z", ""), ("MicroTime", "2020-01-01T00:00:00.5+01:00", ""), ("string", "?", ""),
        ("bytes", "?", "illegal base64 data at input byte 0"), ("bytes", "no base64!",
        "illegal base64 data at input byte 2"),
        ("bytes", "eA=", "illegal base64 data at input byte 3"), ("bytes", "eA",
        "illegal base64 data at input byte 0"),
        ("Time", "yesterday",
         'parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": cannot parse "yesterday" as "2006"'),
    ],
)  # fmt: skip
def test_scalars(go_type: str, value: object, problem: str) -> None:
    assert scalar_problem(go_type, value) == problem


def test_a_quantity_that_is_none() -> None:
    assert scalar_problem("Quantity", "1gb").startswith("quantities must match the regular expression")


def test_numbers_have_a_size() -> None:
    assert out_of_range("int32", 1 << 31) and not out_of_range("int32", (1 << 31) - 1)
    assert out_of_range("uint8", -1) and not out_of_range("string", 1 << 99)
