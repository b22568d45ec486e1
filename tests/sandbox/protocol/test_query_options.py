"""Options in the query: numbers, booleans, what contradicts itself."""

from __future__ import annotations

import pytest

from edged.sandbox.protocol.api_status import ApiStatus
from edged.sandbox.protocol.query_options import check_list, check_write, flag, number


def refusal(kind: str, query: dict[str, str], **more: bool) -> str:
    with pytest.raises(ApiStatus) as caught:
        check_write(kind, query, **more)
    assert caught.value.code == 422
    return caught.value.message.partition(" is invalid: ")[2]


def test_booleans_are_as_gos() -> None:
    texts = {"": True, "true": True, "nope": True, "FALSE": False, "0": False}
    assert {text: flag({"watch": text}, "watch") for text in texts} == texts
    assert flag({}, "watch") is None


@pytest.mark.parametrize(
    ("text", "why"),
    [("", "invalid syntax"), ("x", "invalid syntax"), ("1_0", "invalid syntax"), ("9" * 19, "value out of range"),
     ("9" * 100_000, "value out of range")],
)  # fmt: skip
def test_what_is_no_number(text: str, why: str) -> None:
    with pytest.raises(ApiStatus, match=why):
        number({"limit": text}, "limit")


def test_numbers() -> None:
    assert number({"limit": "-000000000000000000000000012"}, "limit") == -12
    assert number({}, "limit") is None


def test_field_managers() -> None:
    check_write("CreateOptions", {"fieldManager": "été"})
    assert "Too long: may not be more than 128 bytes" in refusal("CreateOptions", {"fieldManager": "é" * 65})
    said = refusal("UpdateOptions", {"fieldManager": "a\x01"})
    assert said == 'fieldManager: Invalid value: "a\\x01": invalid character U+0001 (at position 1)'


def test_patches() -> None:
    assert refusal("PatchOptions", {}, apply=True).startswith("fieldManager: Required value")
    assert refusal("PatchOptions", {"force": "false"}).startswith("force: Forbidden")
    check_write("PatchOptions", {"force": "true", "fieldManager": "m"}, apply=True)


def test_several_causes_are_listed() -> None:
    said = refusal("CreateOptions", {"dryRun": "", "fieldValidation": "x"})
    assert said.startswith('[dryRun: Unsupported value: [""]: supported values: "All", fieldValidation: ')


@pytest.mark.parametrize(
    ("query", "watch"),
    [
        ({"resourceVersionMatch": "Exact"}, False),
        ({"resourceVersionMatch": "Exact", "resourceVersion": "0"}, False),
        ({"resourceVersionMatch": "Exact", "resourceVersion": "5", "continue": "x"}, False),
        ({"sendInitialEvents": "true"}, False),
        ({"sendInitialEvents": "true"}, True),
        ({"resourceVersionMatch": "NotOlderThan"}, True),
    ],
)
def test_lists_that_contradict_themselves(query: dict[str, str], watch: bool) -> None:
    with pytest.raises(ApiStatus, match="ListOptions"):
        check_list(query, watch=watch)
