"""Owners and dependents, through the API: what goes, what stays, what waits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

from tests.sandbox.harness import NS, Caller

CM = f"{NS}/configmaps"
NOBODY = "0d2f4c52-7f0c-4a8c-9d43-111111111111"


def scenario(body: Callable[[Caller], Awaitable[None]]) -> None:
    trio.run(body, Caller())


def owner(obj: Any, **more: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "name": obj["metadata"]["name"], "uid": obj["metadata"]["uid"],
            **more}  # fmt: skip


async def make(call: Caller, name: str, *owners: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return await call.ok("POST", CM, {"metadata": {"name": name, "ownerReferences": list(owners), **metadata}})


async def is_there(call: Caller, name: str) -> bool:
    return (await call("GET", f"{CM}/{name}"))[0] == 200


def test_dependents_go_with_their_last_owner():
    async def body(call: Caller) -> None:
        one, two = await make(call, "one"), await make(call, "two")
        child = await make(call, "child", owner(one), owner(two))
        await make(call, "grandchild", owner(child))
        await call.ok("DELETE", f"{CM}/one")
        left = await call.ok("GET", f"{CM}/child")
        assert [each["name"] for each in left["metadata"]["ownerReferences"]] == ["two"]
        await call.ok("DELETE", f"{CM}/two")
        assert not await is_there(call, "child") and not await is_there(call, "grandchild")

    scenario(body)


@pytest.mark.parametrize(
    ("reference", "stays"),
    [
        ({"kind": "ConfigMap", "apiVersion": "v1", "name": "x", "uid": NOBODY}, False),
        ({"kind": "Nothing", "apiVersion": "a.b/v1", "name": "x", "uid": NOBODY}, True),
        ({"kind": "Namespace", "apiVersion": "v1", "name": "default", "uid": NOBODY}, False),
    ],
)
def test_an_object_that_is_made_after_its_owner_went(reference, stays):
    async def body(call: Caller) -> None:
        await make(call, "late", reference)
        assert await is_there(call, "late") is stays

    scenario(body)


def test_foreground_waits_for_those_that_block():
    async def body(call: Caller) -> None:
        one = await make(call, "one")
        await make(call, "held", owner(one, blockOwnerDeletion=True), finalizers=["a.b/c"])
        await make(call, "free", owner(one))
        marked = await call.ok("DELETE", f"{CM}/one?propagationPolicy=Foreground")
        assert marked["metadata"]["finalizers"] == ["foregroundDeletion"]
        assert await is_there(call, "one") and not await is_there(call, "free")
        await call.merge(f"{CM}/held", {"metadata": {"finalizers": None}})
        assert not await is_there(call, "one")

    scenario(body)


def test_orphans_lose_their_owner_and_stay():
    async def body(call: Caller) -> None:
        one = await make(call, "one")
        await make(call, "child", owner(one))
        await call.ok("DELETE", f"{CM}/one", {"propagationPolicy": "Orphan"})
        assert not await is_there(call, "one")
        assert "ownerReferences" not in (await call.ok("GET", f"{CM}/child"))["metadata"]

    scenario(body)


def test_two_that_own_each_other_do_not_hang():
    async def body(call: Caller) -> None:
        one = await make(call, "one")
        two = await make(call, "two", owner(one, blockOwnerDeletion=True))
        await call.merge(f"{CM}/one", {"metadata": {"ownerReferences": [owner(two, blockOwnerDeletion=True)]}})
        await call.ok("DELETE", f"{CM}/one?propagationPolicy=Foreground")
        assert not await is_there(call, "one") and not await is_there(call, "two")

    scenario(body)
