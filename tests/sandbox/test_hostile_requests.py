"""Requests that once ended without an answer, each with the answer it has to get."""

from __future__ import annotations

from typing import Any

import h11
import pytest
from trio.testing import trio_test

from edged.sandbox.authorization.front import GuardedApi
from edged.sandbox.authorization.users import ADMINISTRATOR
from edged.sandbox.protocol.request import Request, User
from edged.sandbox.server import new_api, to_request
from tests.sandbox.harness import NS, Caller, config_map, crd

APPLY = "application/apply-patch+yaml"
_SERVICE = {"kind": "Service", "apiVersion": "v1", "metadata": {}, "spec": {"ports": [{"port": 80}]}}
_REVIEW = {"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1"}
_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"

_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

CASES: list[tuple[int, str, str, Any, str]] = [
    (400, "POST", NS + "/configmaps", b'{"kind":{"a":1,"a":2},"apiVersion":"v1"}', ""),
    (400, "POST", NS + "/configmaps", b'{"metadata":{"a":1,"a":2},"kind":"ConfigMap","apiVersion":["v1"]}', ""),
    (422, "POST", NS + "/services", _SERVICE, ""),
    (400, "PATCH", NS + "/configmaps/a?fieldManager=m", {"kind": "ConfigMap", "apiVersion": True}, APPLY),
    (400, "PATCH", NS + "/configmaps/a?fieldManager=m", {"kind": ["ConfigMap"], "apiVersion": "v1"}, APPLY),
    (400, "POST", _REVIEWS, {**_REVIEW, "metadata": " ", "spec": {"token": "x"}}, ""),
    (400, "POST", _REVIEWS, {**_REVIEW, "spec": {"token": {}}}, ""),
    (400, "POST", _REVIEWS, {**_REVIEW, "spec": []}, ""),
    *((400, "POST", _CRDS, crd(schema), "") for schema in (
        {"items": {"properties": {"b": 3}}}, {"items": {"allOf": "x"}}, {"items": [{"type": 5}]},
        {"additionalProperties": {"properties": {"b": 3}}}, {"items": {"x-kubernetes-validations": ["x"]}},
        {"dependencies": {"a": [1]}},
    )),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[1]} {case[2]} {str(case[3])[:60]}")
@trio_test
async def test_it_is_refused(case: tuple[int, str, str, Any, str]) -> None:
    code, method, path, body, content_type = case
    await Caller().refused(code, method, path, body, content_type=content_type or "application/json")


@pytest.mark.parametrize("header", ["Bearer  nobody", "Basic nobody", "Bearer", "", "Bearer\tnobody"])
@trio_test
async def test_what_is_no_bearer_token_is_anonymous(header: str) -> None:
    guarded = GuardedApi(Caller().api, {"nobody": ADMINISTRATOR}.get)
    answer = await guarded.handle(Request("GET", NS + "/secrets", {}, {"authorization": header}, b""))
    assert answer.status == 403 and b"system:anonymous" in answer.body


@trio_test
async def test_the_first_of_several_names_is_impersonated() -> None:
    caller = Caller()
    users = {"sandbox": ADMINISTRATOR, "nobody": User("nobody", "", ("system:authenticated",))}
    guarded = GuardedApi(caller.api, users.get)
    headers = {"authorization": "Bearer sandbox", "impersonate-user": "jane\nkubernetes-admin"}
    answer = await guarded.handle(Request("GET", NS + "/secrets", {}, headers, b""))
    assert answer.status == 403 and b'User \\"jane\\" cannot list' in answer.body


def _deeper(levels: int) -> list[dict[str, Any]]:
    """Puts data into an object of its own, again and again."""
    operations: list[dict[str, Any]] = []
    for _ in range(levels):
        operations += [
            {"op": "add", "path": "/x", "value": {}},
            {"op": "move", "from": "/data", "path": "/x/d"},
            {"op": "move", "from": "/x", "path": "/data"},
        ]
    return operations


_INTO_ITSELF = [{"op": "copy", "from": "/data", "path": f"/data/k{number}"} for number in range(9_000)]
_COPIES = [{"op": "copy", "from": "/data/a", "path": f"/data/k{number}"} for number in range(400)]


@pytest.mark.parametrize("operations", [_INTO_ITSELF, _COPIES, _deeper(3_000)], ids=["doubling", "copies", "deep"])
@trio_test
async def test_a_json_patch_does_not_grow_without_bound(operations: list[dict[str, Any]]) -> None:
    caller = Caller()
    await caller.ok("POST", NS + "/configmaps", config_map("a", a="b" * 10_000))
    status, _ = await caller("PATCH", NS + "/configmaps/a", operations, content_type="application/json-patch+json")
    assert status == 422 or (status == 400 and operations[0]["op"] == "add")
    assert (await caller.ok("GET", NS + "/configmaps/a"))["data"] == {"a": "b" * 10_000}


@pytest.mark.parametrize("target", [b"//[", b"http://[x/", b"/%"])
def test_a_target_that_is_no_url_is_a_path_that_is_refused(target: bytes) -> None:
    request = to_request(h11.Request(method="GET", target=target, headers=[("Host", "a")]), b"")
    assert request.path == "/\udcff"


@trio_test
async def test_times_after_the_year_9999_are_its_end() -> None:
    api = new_api(now=lambda: 253_402_300_000.0)
    body = b'{"kind":"TokenRequest","apiVersion":"authentication.k8s.io/v1","spec":{"expirationSeconds":4294967296}}'
    answer = await api.handle(Request("POST", NS + "/serviceaccounts/default/token", {}, {}, body))
    assert answer.status == 201 and b'"expirationTimestamp":"9999-12-31T23:59:59Z"' in answer.body
