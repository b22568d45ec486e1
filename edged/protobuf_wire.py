"""How protobuf writes numbers and bytes, whatever the message. Pure.

Who writes messages: scheduling/guests/object_encoding.py (Pods and Nodes for guests), telemetry/otlp.py (spans).
"""

from __future__ import annotations

from typing import Final

VARINT: Final = 0
"""Wire type of a number."""
BYTES: Final = 2
"""Wire type of whatever has a length: strings, bytes, messages."""

_SMALL: Final = [bytes((number,)) for number in range(128)]


def varint(number: int) -> bytes:
    """Base-128 form of a number from 0 to 2^64-1."""
    if number < 128:
        return _SMALL[number]
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def tag(number: int, wire_type: int) -> bytes:
    """What stands before the value of field `number`."""
    return varint(number << 3 | wire_type)


def delimited(tag: bytes, body: bytes) -> bytes:
    """A field that has a length."""
    size = len(body)
    return tag + (_SMALL[size] if size < 128 else varint(size)) + body
