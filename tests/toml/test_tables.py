"""What Python's TOML reader takes beyond TOML, and what it raises beyond its own error."""

from __future__ import annotations

import pytest

from edged.toml.tables import NotToml, read_tables


def test_tables() -> None:
    content = f"a = 1\n[t]\nb = [[{-(2**63)}], {{c = {2**63}}}]\n"
    assert read_tables(content) == {"a": 1, "t": {"b": [[-(2**63)], {"c": 2**63}]}}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a = ", "not valid TOML: Invalid value"),
        ("a = " + "9" * 5000, "beyond 64 bits"),
        ("a = 0x" + "f" * 5000, "a: a whole number is beyond 64 bits"),
        ("[t]\nb = [1, {c = " + "9" * 400 + "}]", "t.b.c: a whole number is beyond 64 bits"),
        ("a = " + "[" * 5000 + "]" * 5000, "nested too deeply"),
        ("a = " + "{a = " * 5000 + "1" + "}" * 5000, "nested too deeply"),
    ],
)
def test_what_is_no_toml(content: str, said: str) -> None:
    with pytest.raises(NotToml, match=said):
        read_tables(content)
