"""Whatever bytes stand where Kubernetes protobuf should, the reader gives an object or refuses the request with 400."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given

from edged.sandbox.protocol.api_status import ApiStatus
from edged.sandbox.protocol.protobuf import decode
from tests.fuzzing import TELLING, bounded, broken
from tests.sandbox.protocol.test_protobuf import REGISTRY, TYPES, envelope, field

META = field(
    1,
    field(1, "a") + field(3, "default") + field(8, field(1, 1_700_000_000)) + field(11, field(1, "k") + field(2, "v")),
)
PROBE = field(1, field(2, field(1, "/z") + field(2, field(1, 1) + field(2, 0) + field(3, "web")))) + field(2, 7)
CONTAINER = field(1, "c") + field(8, field(1, field(1, "cpu") + field(2, field(1, "1")))) + field(10, PROBE)
POD = META + field(2, field(1, field(1, "v")) + field(2, CONTAINER) + field(25, 2**64 - 5))
ITEMS = field(24, field(1, field(5, "string") + field(8, field(1, b'"x"')) + field(9, b"\0" * 8)))
SCHEMA = field(5, "object") + field(29, field(1, "spec") + field(2, field(5, "array") + ITEMS)) + field(30, field(1, 1))
CRD = META + field(2, field(1, "g") + field(7, field(1, "v1") + field(4, field(1, SCHEMA))))
LEASE = META + field(2, field(1, "me") + field(4, field(1, 1_700_000_000) + field(2, 5)))
SAMPLES = [POD, CRD, LEASE, META]
BODIES = [
    envelope("v1", "Pod", POD), envelope("apiextensions.k8s.io/v1", "CustomResourceDefinition", CRD),
    envelope("coordination.k8s.io/v1", "Lease", LEASE),
    envelope("v1", "Secret", META + field(2, field(1, "k") + field(2, b"\0"))),
    envelope("meta/v1", "DeleteOptions", field(1, 5)),
]  # fmt: skip
KINDS = (
    ("v1", "Pod"), ("apiextensions.k8s.io/v1", "CustomResourceDefinition"), ("coordination.k8s.io/v1", "Lease"),
    ("v1", "Node"), ("v1", "Event"),
)  # fmt: skip
PIECES = (
    *TELLING,
    field(1, 7),
    field(2, "x"),
    field(4, field(1, 2**64 - 1)),
    b"\x09" + b"\xff" * 8,
    b"\x0d" + b"\xff" * 4,
)


def read(body: bytes) -> None:
    try:
        answer = decode(body, TYPES, REGISTRY)
    except ApiStatus as refused:
        assert refused.code == 400
    else:
        assert orjson.loads(orjson.dumps(answer)) == answer


@bounded
@given(broken(BODIES, PIECES))
def test_bodies(body: bytes) -> None:
    read(body)


@bounded
@given(broken(SAMPLES, PIECES))
def test_messages_in_a_whole_envelope(message: bytes) -> None:
    for api_version, kind in KINDS:
        read(envelope(api_version, kind, message))


def test_endless_nesting_is_refused() -> None:
    schema = b""
    for _ in range(5000):
        schema = field(28, schema)
    message = field(2, field(7, field(4, field(1, schema))))
    with pytest.raises(ApiStatus, match="nested too deeply"):
        decode(envelope("apiextensions.k8s.io/v1", "CustomResourceDefinition", message), TYPES, REGISTRY)
