"""OpenAPI documents: indexes, hashes, media types, refusals."""

from __future__ import annotations

import hashlib

import orjson
import pytest
import trio

from tests.sandbox.harness import Caller

V2_PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"


def test_every_document_of_the_index_is_there_with_its_hash() -> None:
    async def body(call: Caller) -> None:
        index = orjson.loads((await call.response("GET", "/openapi/v3")).body)["paths"]
        assert "apis/apps/v1" in index
        for name, link in index.items():
            path, _, tag = link["serverRelativeURL"].partition("?hash=")
            answer = await call.response("GET", link["serverRelativeURL"])
            assert (path, answer.status) == (f"/openapi/v3/{name}", 200)
            assert hashlib.sha512(answer.body).hexdigest().upper() == tag
            assert orjson.loads(answer.body)["openapi"] == "3.0.0"

    trio.run(body, Caller())


@pytest.mark.parametrize(
    ("path", "accept", "status"),
    [("v3/version", "", 200), ("v3/version", "text/html", 406), ("v3/version?hash=x", "", 301), ("v3/nope", "", 404),
     ("v3/version/", "", 404), ("v3/v2", "", 404), ("v3/custom/cluster", "", 404), ("v2", "text/html", 406),
     ("v2", "x/y;q=1,*/*;q=0.1", 200), ("v2", V2_PROTOBUF, 200), ("v2/", "", 404), ("", "", 404), ("v4", "", 404)],
)  # fmt: skip
def test_paths(path: str, accept: str, status: int) -> None:
    async def body(call: Caller) -> None:
        assert (await call.response("GET", f"/openapi/{path}", accept=accept)).status == status

    trio.run(body, Caller())


def test_who_has_it_already_gets_304() -> None:
    async def body(call: Caller) -> None:
        tag = dict((await call.response("GET", "/openapi/v3/version")).headers)["ETag"]
        again = await call.response("GET", "/openapi/v3/version", if_none_match=tag)
        assert (again.status, again.body) == (304, b"")

    trio.run(body, Caller())


def test_protobuf_is_shorter_than_json() -> None:
    async def body(call: Caller) -> None:
        text = await call.response("GET", "/openapi/v2")
        binary = await call.response("GET", "/openapi/v2", accept=V2_PROTOBUF)
        assert text.content_type == "application/json" and binary.content_type == V2_PROTOBUF
        assert binary.body.startswith(b"\x0a\x032.0") and 1_000_000 < len(binary.body) < len(text.body)

    trio.run(body, Caller())
