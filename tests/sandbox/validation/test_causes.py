"""How findings show values: as Go quotes and writes them."""

from __future__ import annotations

import pytest

from edged.sandbox.validation import causes


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", '"a"'),
        ('a"\\', '"a\\"\\\\"'),
        ("a\n\x00\x7fä", '"a\\n\\x00\\x7fä"'),
        ("\u200b\U000e0001", '"\\u200b\\U000e0001"'),
        (5, "5"),
        (True, "true"),
        (None, "null"),
        ({"a": "<&>"}, '{"a":"\\u003c\\u0026\\u003e"}'),
    ],
)
def test_values_are_shown_as_go_shows_them(value: object, text: str) -> None:
    assert causes.invalid("f", value, "why").message == f"Invalid value: {text}: why"


def test_each_kind_of_finding_has_its_reason() -> None:
    found = [
        causes.required("f"), causes.not_supported("f", "x", ("a", "b")), causes.duplicate("f", 1),
        causes.forbidden("f", "why"), causes.too_long("f", 1), causes.too_many("f", 3, 2), causes.too_few("f", 0, 1),
        causes.too_short("f", 2), causes.not_found("f", "x"), causes.internal("f", "why"),
        causes.type_invalid("f", 1, "why"),
    ]  # fmt: skip
    assert [(each.reason, each.message) for each in found] == [
        ("FieldValueRequired", "Required value"),
        ("FieldValueNotSupported", 'Unsupported value: "x": supported values: "a", "b"'),
        ("FieldValueDuplicate", "Duplicate value: 1"),
        ("FieldValueForbidden", "Forbidden: why"),
        ("FieldValueTooLong", "Too long: may not be more than 1 byte"),
        ("FieldValueTooMany", "Too many: 3: must have at most 2 items"),
        ("FieldValueTooFew", "Too few: 0: must have at least 1 item"),
        ("FieldValueTooShort", "Too short: must be at least 2 characters"),
        ("FieldValueNotFound", 'Not found: "x"'),
        ("InternalError", "Internal error: why"),
        ("FieldValueTypeInvalid", "Invalid value: 1: why"),
    ]


def test_what_is_empty_and_what_is_missing_is_the_same() -> None:
    assert list(causes.unchanged("f", None, [])) == []
    assert [each.message for each in causes.unchanged("f", "a", "b")] == ['Invalid value: "b": field is immutable']
