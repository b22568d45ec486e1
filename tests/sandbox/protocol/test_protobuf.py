"""edged/sandbox/protocol/protobuf.py: bodies as kubectl encodes them, written here byte by byte."""

from __future__ import annotations

import struct

import pytest

from edged.sandbox.kinds.go_types import GoTypes
from edged.sandbox.kinds.resources import builtin_registry
from edged.sandbox.protocol.api_status import ApiStatus
from edged.sandbox.protocol.protobuf import MAGIC, decode

TYPES = GoTypes.load()
REGISTRY = builtin_registry(TYPES)


def field(number: int, value: bytes | str | int) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def envelope(api_version: str, kind: str, body: bytes) -> bytes:
    return MAGIC + field(1, field(1, api_version) + field(2, kind)) + field(2, body) + field(3, "") + field(4, "")


def read(api_version: str, kind: str, body: bytes):
    return decode(envelope(api_version, kind, body), TYPES, REGISTRY)


def test_empty_strings_and_zeros_are_absent():
    meta = field(1, "a") + field(2, "") + field(3, "") + field(5, "") + field(7, 0) + field(8, b"")
    data = field(2, field(1, "k") + field(2, "v")) + field(2, field(1, "e") + field(2, ""))
    assert read("v1", "ConfigMap", field(1, meta) + data) == {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v", "e": ""},
    }  # fmt: skip


def test_embedded_structs_numbers_and_unions():
    volume = field(1, "v") + field(2, field(6, field(1, "s")))
    probe = field(1, field(2, field(1, "/z") + field(2, field(1, 1) + field(2, 0) + field(3, "web")))) + field(2, 7)
    container = field(1, "c") + field(10, probe)
    body = field(2, field(1, volume) + field(2, container) + field(25, 2**64 - 5))
    spec = read("v1", "Pod", body)["spec"]
    assert spec["volumes"] == [{"name": "v", "secret": {"secretName": "s"}}] and spec["priority"] == -5
    expected = {"httpGet": {"path": "/z", "port": "web"}, "initialDelaySeconds": 7}
    assert spec["containers"][0]["livenessProbe"] == expected


def test_secrets_quantities_and_times():
    secret = read("v1", "Secret", field(2, field(1, "k") + field(2, b"\x00\x01")))
    assert secret["data"] == {"k": "AAE="}
    quota = read("v1", "ResourceQuota", field(2, field(1, field(1, "cpu") + field(2, field(1, "500m")))))
    assert quota["spec"] == {"hard": {"cpu": "500m"}}
    lease = read("coordination.k8s.io/v1", "Lease", field(2, field(3, field(1, 1_700_000_000) + field(2, 5_000))))
    assert lease["spec"] == {"acquireTime": "2023-11-14T22:13:20.000005Z"}


def test_schemas_that_are_one_of_two_things():
    number = varint(9 << 3 | 1) + struct.pack("<d", 2.5)
    properties = field(29, field(1, "a") + field(2, field(5, "number") + number))
    schema = field(5, "object") + properties + field(30, field(1, 0)) + field(24, field(1, field(5, "string")))
    version = field(1, "v1") + field(4, field(1, schema))
    crd = read("apiextensions.k8s.io/v1", "CustomResourceDefinition", field(2, field(7, version)))
    root = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert root["properties"] == {"a": {"type": "number", "maximum": 2.5}}
    assert root["additionalProperties"] is False and root["items"] == {"type": "string"}


@pytest.mark.parametrize("body", [b"{}", MAGIC + b"\x0a\xff", envelope("v1", "ConfigMap", b"\x0a\x7f")])
def test_nonsense_is_refused(body):
    with pytest.raises(ApiStatus) as caught:
        decode(body, TYPES, REGISTRY)
    assert caught.value.code == 400


def test_unknown_kinds_are_refused():
    with pytest.raises(ApiStatus, match='no kind "Nope" is registered for version "v1"'):
        read("v1", "Nope", b"")
