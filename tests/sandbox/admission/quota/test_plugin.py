"""ResourceQuotas through the API: refusals in the API server's words, status, writes at the same time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

from tests.sandbox.harness import CRDS, NS, WIDGETS, Caller, crd, pod, widget

PODS, SECRETS, QUOTAS = f"{NS}/pods", f"{NS}/secrets", f"{NS}/resourcequotas"


def scenario(body: Callable[[Caller], Awaitable[None]]) -> None:
    trio.run(body, Caller())


async def limit(call: Caller, hard: dict[str, str], **spec: Any) -> None:
    await call.ok("POST", QUOTAS, {"metadata": {"name": "q"}, "spec": {"hard": hard, **spec}})


async def used(call: Caller) -> dict[str, str]:
    found: dict[str, str] = (await call.ok("GET", f"{QUOTAS}/q"))["status"]["used"]
    return found


def asking(name: str, **spec: Any) -> dict[str, Any]:
    made = pod(name, **spec)
    made["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "600m", "memory": "100Mi"}}
    return made


def test_compute():
    async def body(call: Caller) -> None:
        await limit(call, {"requests.cpu": "1", "pods": "9"})
        status = await call.refused(403, "POST", PODS, pod("a"))
        assert status["message"] == 'pods "a" is forbidden: failed quota: q: must specify requests.cpu for: c'
        await call.ok("POST", f"{PODS}?dryRun=All", asking("a"))
        assert await used(call) == {"pods": "0", "requests.cpu": "0"}
        await call.ok("POST", PODS, asking("a"))
        assert await used(call) == {"pods": "1", "requests.cpu": "600m"}
        status = await call.refused(403, "POST", PODS, asking("b"))
        assert status["message"] == (
            'pods "b" is forbidden: exceeded quota: q, requested: requests.cpu=600m, used: requests.cpu=600m, '
            "limited: requests.cpu=1"
        )
        await call.merge(f"{PODS}/a/status", {"status": {"phase": "Succeeded"}})
        assert await used(call) == {"pods": "0", "requests.cpu": "0"}

    scenario(body)


def test_writes_at_the_same_time_do_not_pass_the_limit():
    async def body(call: Caller) -> None:
        await limit(call, {"secrets": "3"})
        codes: list[int] = []

        async def make(number: int) -> None:
            codes.append((await call("POST", SECRETS, {"metadata": {"name": f"s{number}"}}))[0])

        async with trio.open_nursery() as nursery:
            for number in range(10):
                nursery.start_soon(make, number)
        assert sorted(codes) == [201] * 3 + [403] * 7 and await used(call) == {"secrets": "3"}
        await call.ok("DELETE", SECRETS)
        assert await used(call) == {"secrets": "0"}

    scenario(body)


def test_custom_resources_are_counted():
    async def body(call: Caller) -> None:
        await call.ok("POST", CRDS, crd({"type": "object"}))
        await limit(call, {"count/widgets.demo.example": "1"})
        await call.ok("POST", WIDGETS, widget("a"))
        status = await call.refused(403, "POST", WIDGETS, widget("b"))
        assert "limited: count/widgets.demo.example=1" in status["message"]

    scenario(body)


@pytest.mark.parametrize(
    ("scope", "spec", "refused"),
    [
        ("NotTerminating", {}, True), ("NotTerminating", {"activeDeadlineSeconds": 5}, False),
        ("Terminating", {"activeDeadlineSeconds": 5}, True), ("BestEffort", {}, False), ("NotBestEffort", {}, True),
    ],
)  # fmt: skip
def test_scopes(scope, spec, refused):
    async def body(call: Caller) -> None:
        await limit(call, {"pods": "0"}, scopes=[scope])
        assert (await call("POST", PODS, asking("a", **spec)))[0] == (403 if refused else 201)

    scenario(body)


def test_claims_by_class():
    async def body(call: Caller) -> None:
        await limit(call, {"fast.storageclass.storage.k8s.io/requests.storage": "2Gi", "requests.storage": "9Gi"})

        def claim(name: str, size: str, storage_class: str) -> dict[str, Any]:
            resources = {"requests": {"storage": size}}
            spec = {"accessModes": ["ReadWriteOnce"], "resources": resources, "storageClassName": storage_class}
            return {"metadata": {"name": name}, "spec": spec}

        claims = f"{NS}/persistentvolumeclaims"
        await call.ok("POST", claims, claim("a", "2Gi", "fast"))
        await call.refused(403, "POST", claims, claim("b", "1Gi", "fast"))
        await call.ok("POST", claims, claim("b", "4Gi", "slow"))
        assert (await used(call))["requests.storage"] == "6Gi"

    scenario(body)
