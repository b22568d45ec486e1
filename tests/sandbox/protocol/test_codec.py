"""Bodies of requests: YAML as the API server reads it, JSON where YAML is named."""

from __future__ import annotations

import pytest

from edged.sandbox.protocol.api_status import ApiStatus
from edged.sandbox.protocol.codec import read_text


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"data: {8080: http, mac: 52:54:00:12:34:56}\n", {"data": {"8080": "http", "mac": "52:54:00:12:34:56"}}),
        (b"at: 2024-01-02\ncount: 1e3\nwith: y\n", {"at": "2024-01-02", "count": 1000, "with": True}),
        (b'{"a": "\xf0\x9f\x98\x80"}', {"a": "\U0001f600"}),
        (b"{a: =}", {"a": "="}),
    ],
)
def test_bodies_of_yaml(body: bytes, value: object) -> None:
    assert read_text(body, "ConfigMap", yaml=True).value == value


@pytest.mark.parametrize(
    "body", [b"a: [", b"- a", b"5", b"~: 1", b"[" * 100_000, b'{"a": "\\/"}', b'{"a": "\\ud83d\\ude00"}']
)
def test_bodies_that_are_no_object(body: bytes) -> None:
    with pytest.raises(ApiStatus, match="the object provided is unrecognized"):
        read_text(body, "ConfigMap", yaml=True)
