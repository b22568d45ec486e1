"""Numbers and bytes on protobuf's wire."""

from __future__ import annotations

from edged.protobuf_wire import BYTES, VARINT, delimited, tag, varint


def test_varints() -> None:
    assert [varint(n) for n in (0, 127, 128, 300)] == [b"\0", b"\x7f", b"\x80\x01", b"\xac\x02"]


def test_a_field_with_a_length() -> None:
    assert tag(1, VARINT) == b"\x08" and tag(16, BYTES) == b"\x82\x01"
    assert delimited(tag(1, BYTES), b"ab") == b"\x0a\x02ab"
    assert delimited(tag(1, BYTES), bytes(128)) == b"\x0a\x80\x01" + bytes(128)
