"""Warning headers: which warnings are sent, and how they are written."""

from __future__ import annotations

from edged.sandbox.protocol.warning_headers import MAX_ITEM, MAX_TOTAL, warning_headers


def values(*texts: str) -> list[str]:
    return [value for _name, value in warning_headers(texts)]


def test_quotes_are_escaped_and_repetitions_dropped() -> None:
    assert values('a "b" \\c', 'a "b" \\c', "") == ['299 - "a \\"b\\" \\\\c"']


def test_utf8_is_kept_as_bytes() -> None:
    [value] = values("größer 漢")
    assert value.encode("latin-1").decode() == '299 - "größer 漢"'


def test_control_characters_are_not_sent() -> None:
    assert values("a\r\nSet-Cookie: b", "a\x7f", "\ud800", "good") == ['299 - "good"']


def test_too_much_is_cut() -> None:
    texts = [f"{number}{'x' * 999}" for number in range(100)]
    said = values(*texts)
    assert len(said) == MAX_TOTAL // MAX_ITEM
    assert all(len(value) == MAX_ITEM + len('299 - ""') for value in said)
