"""Requests of every verb, kind, subresource, content type and query, with bodies nearly right: each gets an answer,
none a 500, and whatever was stored can be read in every way afterwards.

The same requests each time; EDGED_FUZZ=20000 makes that many rounds, others each time. A failure names its seed.
"""

from __future__ import annotations

import os
import random
from typing import Any
from urllib.parse import urlencode

import pytest
from trio.testing import trio_test

from edged.kube.values.names import key_of
from edged.sandbox.authorization.front import GuardedApi
from edged.sandbox.authorization.users import ADMINISTRATOR
from edged.sandbox.kinds.resources import Resource
from edged.sandbox.protocol.request import Request, Response, User
from tests.hostile_values import text_of
from tests.sandbox.harness import CRDS, Caller
from tests.sandbox.hostile_maker import Maker
from tests.sandbox.hostile_samples import DEFINITION, TABLE

Object = dict[str, Any]
ROUNDS = int(os.environ.get("EDGED_FUZZ", "0"))
SEEDS = range(3) if not ROUNDS else [random.SystemRandom().getrandbits(40) for _ in range(ROUNDS)]
REQUESTS = 60
"""Of one round, to one API."""

OF_KUBERNETES = (
    b"resourceVersion should not be set on objects to be created",
    b"no endpoints available for service",
    b"strconv.ParseUint",
    b"duplicate entries for key",
    b"failed to create typed patch object",
)
"""What kube-apiserver, too, calls an internal error."""


class Checker:
    """What must hold of each answer."""

    def __init__(self, caller: Caller, seed: int) -> None:
        self.caller, self.seed = caller, seed

    async def ask(self, api: Any, request: Request) -> Response:
        asked = f"{request.method} {request.path}?{_shown(request.query)} {request.headers} {request.body[:3000]!r}"
        said = f"seed {self.seed}: {asked}"
        try:
            response: Response = await api.handle(request)
            if response.stream is not None:
                await anext(response.stream, None)
                await response.stream.aclose()
        except Exception as error:
            raise AssertionError(f"{said}: {error!r}") from error
        assert response.status < 500 or any(text in response.body for text in OF_KUBERNETES), (
            f"{said}: {response.status} {response.body[:1000]!r}"
        )
        return response

    async def all_readable(self, api: Any) -> None:
        """Every list, in every form, and a watch."""
        for resource in list(self.caller.api.cluster.registry):
            if resource.bucket not in self.caller.storage.buckets() or "list" not in resource.verbs:
                continue
            forms = ["application/json", TABLE] + (["application/vnd.kubernetes.protobuf"] * (not resource.custom))
            path = f"{_root(resource)}/{resource.plural}"
            for accept in forms:
                answer = await self.ask(api, Request("GET", path, {}, {"accept": accept}, b""))
                assert answer.status == 200, (self.seed, path, accept, answer.body[:500])
            await self.ask(api, Request("GET", path, {"watch": "1", "timeoutSeconds": "1"}, {"accept": TABLE}, b""))

    async def each_object(self, api: Any) -> None:
        """Each can be got, applied to, and deleted."""
        for bucket in list(self.caller.storage.buckets()):
            of_bucket = (each for each in self.caller.api.cluster.registry if each.bucket == bucket)
            resource = next((each for each in of_bucket if "get" in each.verbs), None)
            if resource is not None:
                for obj in list(self.caller.storage.list(bucket)):
                    await self.one_object(api, resource, obj)

    async def one_object(self, api: Any, resource: Resource, obj: Object) -> None:
        metadata = obj["metadata"]
        name = metadata["name"]
        if self.caller.storage.get(resource.bucket, key_of(obj)) is None:
            return  # it went with another one
        at = f"/namespaces/{metadata['namespace']}" if metadata.get("namespace") else ""
        path = f"{_root(resource)}{at}/{resource.plural}/{name}"
        if "/" not in name:
            got = await self.ask(api, Request("GET", path, {}, {}, b""))
            assert got.status == 200, (self.seed, path, got.body[:300])
        body = text_of({
            "kind": resource.kind, "apiVersion": resource.api_version,
            "metadata": {"name": name, "labels": {"z": "z"}},
        })  # fmt: skip
        query, headers = {"fieldManager": "z", "force": "true"}, {"content-type": "application/apply-patch+yaml"}
        await self.ask(api, Request("PATCH", path, query, headers, body))
        await self.ask(api, Request("DELETE", path, {}, {}, b""))


def _root(resource: Resource) -> str:
    return f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"


def _shown(query: dict[str, str]) -> str:
    return urlencode({name: value.encode(errors="replace") for name, value in query.items()})


@pytest.mark.parametrize("seed", SEEDS)
@trio_test
async def test_every_request_gets_an_answer(seed: int) -> None:
    rng = random.Random(seed)
    caller = Caller()
    maker, checker = Maker(rng, caller), Checker(caller, seed)
    await caller.ok("POST", CRDS, DEFINITION)
    accepted = 0
    for _ in range(REQUESTS):
        response = await checker.ask(caller.api, maker.request())
        accepted += response.status < 300
    assert accepted, "nothing of it was right"
    await checker.all_readable(caller.api)
    await checker.each_object(caller.api)
    await checker.all_readable(caller.api)


_OF_EVERYBODY = ("selfsubjectreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews")


@pytest.mark.parametrize("seed", SEEDS)
@trio_test
async def test_nobody_without_rights_gets_anything(seed: int) -> None:
    rng = random.Random(seed)
    caller = Caller()
    await caller.ok("POST", CRDS, DEFINITION)
    users = {"sandbox": ADMINISTRATOR, "nobody": User("nobody", "", ("system:authenticated",))}
    guarded = GuardedApi(caller.api, users.get)
    maker, checker = Maker(rng, caller), Checker(caller, seed)
    for _ in range(REQUESTS):
        request = maker.request()
        request.headers["authorization"] = rng.choice(
            ("Bearer nobody", "bearer nobody", "Bearer  nobody", "Bearer x", "Basic YTpi", "")
        )
        if rng.random() < 0.3:
            name = rng.choice(("impersonate-user", "impersonate-group", "impersonate-uid", "impersonate-extra-a"))
            request.headers[name] = rng.choice(
                ("", "system:admin", "admin\nadmin", "system:masters", "\n", "system:serviceaccount:a:b")
            )
        before = caller.storage.version
        response = await checker.ask(guarded, request)
        assert caller.storage.version == before, (seed, request)
        if not any(plural in request.path for plural in _OF_EVERYBODY):
            assert response.status in (400, 401, 403, 404), (seed, response.status, response.body[:300], request)
