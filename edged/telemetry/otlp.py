"""Spans as OTLP's protobuf messages (opentelemetry.proto.collector.trace.v1, field numbers of release 1). Pure.

An attribute is a string, a boolean or an integer; None leaves it out. A library for this costs 5 MiB (RATIONALE.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from struct import pack

from edged.protobuf_wire import BYTES, VARINT, delimited, tag, varint

Attribute = str | bool | int | None
SERVER = 2  # SpanKind
ERROR = 2  # Status.StatusCode


@dataclass(frozen=True, slots=True)
class Span:
    """One finished span; times in nanoseconds since 1970. `error`: why it failed, or ""."""

    name: str
    trace_id: bytes
    span_id: bytes
    start_ns: int
    end_ns: int
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    error: str = ""


def encode_span(span: Span) -> bytes:
    """A Span message."""
    parts = [
        _bytes(1, span.trace_id),
        _bytes(2, span.span_id),
        _text(5, span.name),
        _integer(6, SERVER),
        b"\x39" + pack("<Q", span.start_ns),
        b"\x41" + pack("<Q", span.end_ns),
        *(_bytes(9, pair) for pair in _attributes(span.attributes.items())),
    ]
    if span.error:
        parts.append(_bytes(15, _text(2, span.error) + _integer(3, ERROR)))
    return b"".join(parts)


def encode_request(resource: Sequence[tuple[str, str]], scope: tuple[str, str], spans: Iterable[bytes]) -> bytes:
    """An ExportTraceServiceRequest of encoded spans. `scope`: name and version of who made them."""
    described = b"".join(_bytes(1, pair) for pair in _attributes(resource))
    scoped = _bytes(1, _text(1, scope[0]) + _text(2, scope[1])) + b"".join(_bytes(2, span) for span in spans)
    return _bytes(1, _bytes(1, described) + _bytes(2, scoped))


def _attributes(pairs: Iterable[tuple[str, Attribute]]) -> Iterable[bytes]:
    for name, value in pairs:
        if value is not None:
            yield _text(1, name) + _bytes(2, _value(value))


def _value(value: str | bool | int) -> bytes:
    if isinstance(value, bool):
        return _integer(2, int(value))
    return _integer(3, value & 0xFFFFFFFFFFFFFFFF) if isinstance(value, int) else _text(1, value)


def _text(number: int, value: str) -> bytes:
    return _bytes(number, value.encode(errors="replace"))


def _bytes(number: int, value: bytes) -> bytes:
    return delimited(tag(number, BYTES), value)


def _integer(number: int, value: int) -> bytes:
    return tag(number, VARINT) + varint(value)
