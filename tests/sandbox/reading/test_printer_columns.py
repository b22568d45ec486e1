from __future__ import annotations

from typing import Any

import pytest

from edged.sandbox.reading.printer_columns import cell, definitions, readable

NOW = 1_700_000_000.0
SPEC = {
    "text": "a", "n": 12, "share": 1.5, "whole": 2.0, "large": 1e6, "small": 0.00001, "on": True, "null": None,
    "list": ["<b>", 1], "since": "2023-11-14T22:13:15Z", "empty": "",
}  # fmt: skip


@pytest.mark.parametrize(("kind", "field", "shown"), [
    ("string", "text", "a"), ("string", "n", "12"), ("string", "share", "1.5"), ("string", "large", "1e+06"),
    ("string", "small", "1e-05"), ("string", "on", "true"), ("string", "null", "<no value>"),
    ("string", "list", '["\\u003cb\\u003e",1]'), ("string", "none", None), ("integer", "n", 12),
    ("integer", "share", 1), ("integer", "text", None), ("integer", "on", None), ("number", "share", 1.5),
    ("number", "n", 12), ("boolean", "on", True), ("boolean", "text", None), ("date", "since", "5s"),
    ("date", "text", "<invalid>"), ("date", "empty", "<unknown>"), ("date", "n", None),
])  # fmt: skip
def test_a_cell_has_the_type_of_its_column(kind: str, field: str, shown: Any) -> None:
    found = cell({"type": kind, "jsonPath": f".spec.{field}"}, {"spec": SPEC}, NOW)
    assert (found, type(found)) == (shown, type(shown))


def test_the_first_unreadable_path_ends_the_columns() -> None:
    paths = (".a", ".b[x]", ".c")
    columns = tuple({"name": path, "type": "string", "jsonPath": path} for path in paths)
    assert [each["jsonPath"] for each in readable(columns)] == [".a"]
    assert definitions(columns) == [{
        "name": ".a", "type": "string", "format": "", "priority": 0,
        "description": "Custom resource definition column (in JSONPath format): .a",
    }]  # fmt: skip


def test_a_column_that_lacks_what_it_must_have_shows_nothing() -> None:
    assert cell({}, {"spec": SPEC}, NOW) is None
    assert [each["name"] for each in definitions(({"name": "a", "jsonPath": ".a"}, {"jsonPath": "."}))] == ["a", ""]
