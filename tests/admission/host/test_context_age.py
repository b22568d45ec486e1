"""A bound on the age of what policies know of the cluster: refused with the reason, whatever the guest makes of it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from edged.admission.host.admission import Admission
from edged.admission.host.context import ClusterContext
from edged.admission.host.context_age import ContextTooOld, check_age
from edged.admission.host.rego_context import ContextFailure, RegoContext
from edged.admission.rules.capabilities import ListRequest
from edged.http.budget import Reservation
from edged.kube.values.names import GroupVersionResource, ServedKind
from tests.admission.host.support import Rig, request
from tests.kube.support import fake_server, informers_of, quiet, run


class Known:
    """As much of an informer as is asked."""

    def __init__(self, age_s: float, problem: str = "") -> None:
        self._age_s = age_s
        self.problem = problem
        self.proven_within: list[float] = []

    def age_s(self) -> float:
        return self._age_s

    def prove_within(self, seconds: float) -> None:
        self.proven_within.append(seconds)


def test_without_a_bound_nothing_is_asked_of_the_watch() -> None:
    known: Any = Known(1e9)
    check_age(known, "v1", "Pod", math.inf)
    assert known.proven_within == []


def test_a_watch_proves_itself_twice_within_a_bound() -> None:
    known: Any = Known(29.9)
    check_age(known, "v1", "Pod", 30.0)
    assert known.proven_within == [15.0]


@pytest.mark.parametrize("problem", ["", "watch lost: connection refused"])
def test_what_is_too_old_is_refused_with_the_reason(problem: str) -> None:
    known: Any = Known(47.2, problem)
    with pytest.raises(ContextTooOld) as raised:
        check_age(known, "v1", "Pod", 30.0)
    assert str(raised.value) == (
        "what is known of v1 Pod may be 47 s old, more than context_max_age_s = 30 of this policy: "
        + (problem or "the API server has not been heard of since")
    )


class Listed(Known):
    """An informer of nothing, in sync, whose API server was last heard of when it was made."""

    generation = 0
    synced = True

    def __init__(self) -> None:
        super().__init__(0.0)
        self._made_at = trio.current_time()

    def age_s(self) -> float:
        return trio.current_time() - self._made_at

    async def wait_synced(self) -> None:
        await trio.lowlevel.checkpoint()

    def keys(self) -> Iterator[Any]:
        return iter(())

    def size_bytes(self) -> int:
        return 0

    def __len__(self) -> int:
        return 0


PODS = ServedKind(GroupVersionResource("", "v1", "pods"), "Pod", True, ("list",))


def test_a_list_that_became_too_old_in_a_wait_for_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def served(_client: Any, _api_version: str, _kind: str) -> ServedKind:
        return PODS

    monkeypatch.setattr("edged.kube.discovery.discover", served)

    class Informers:
        def acquire(self, _resource: Any, **_which: Any) -> Any:
            return Listed()

    async def main() -> None:
        anything: Any = Informers()
        context = ClusterContext(anything, anything, quiet())
        budget, asked = context._replies.budget, ListRequest("v1", "Pod", None, "", "", ())
        others = budget.reserve_nowait(budget.total)
        held: list[Reservation] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(release_after, 9.0, others)
            with pytest.raises(ContextTooOld, match="may be 9 s old, more than context_max_age_s = 5 of this policy"):
                await context.list(asked, held.append, 5.0)
        assert json.loads(await context.list(asked, None, 10.0))["items"] == []
        for reserved in held:
            reserved.release()
        assert budget.used == 0

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


async def release_after(seconds: float, what: Reservation) -> None:
    await trio.sleep(seconds)
    what.release()


def test_a_document_that_became_too_old_while_others_were_built_is_refused() -> None:
    async def main() -> None:
        informer: Any = Listed()

        async def find(_api_version: str, _kind: str) -> Any:
            return PODS, informer

        rego = RegoContext(find)
        kinds = frozenset({("v1", "Pod")})

        async def build_others() -> None:
            async with rego._building:
                await trio.sleep(9)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(build_others)
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(ContextFailure, match="may be 9 s old"):
                await rego.document("opa", kinds, 5.0)
        assert json.loads(await rego.document("opa", kinds, 10.0)) is not None

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


PAYLOAD = '{"api_version":"v1","kind":"Pod"}'
CARELESS = f"""(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "host" "call" (func $call (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "{{\\"accepted\\":true,\\"valid\\":true}}")
  (data (i32.const 64) "\\00\\00\\00\\00\\1e\\00\\00\\00")
  (data (i32.const 128) "kubewarden")
  (data (i32.const 144) "kubernetes")
  (data (i32.const 160) "list_resources_all")
  (data (i32.const 192) "{PAYLOAD.replace('"', chr(92) + '"')}")
  (func (export "_start")
    (drop (call $call (i32.const 128) (i32.const 10) (i32.const 144) (i32.const 10) (i32.const 160) (i32.const 18)
      (i32.const 192) (i32.const {len(PAYLOAD)})))
    (drop (call $write (i32.const 1) (i32.const 64) (i32.const 1) (i32.const 96)))))"""
"""Asks for all Pods, looks at neither answer nor error, and accepts."""
WASI = {"protocolVersion": "Unknown", "executionMode": "wasi", "rules": [], "mutating": False}


def test_a_policy_that_ignores_the_refusal_still_rejects_with_the_reason(tmp_path: Path) -> None:
    rig = Rig(tmp_path, wall_timeout_s=5.0)
    careless = rig.wat("careless", CARELESS, WASI)
    reads = replace(
        careless,
        context_aware=({"apiVersion": "v1", "kind": "Pod"},),
        host_capabilities=("kubernetes/*",),
    )
    bounded = replace(reads, name="bounded", context_max_age_s=0.5)

    async def answers(name: str) -> Any:
        return await rig.admission.review(name, request({"metadata": {"name": "p"}}))

    async def main() -> None:
        async with fake_server() as server, informers_of(server) as informers:
            pods = {"name": "pods", "kind": "Pod", "namespaced": True, "verbs": ["list", "watch"]}
            server.answers["GET", "/api/v1"] = lambda _: (200, {"kind": "APIResourceList", "resources": [pods]})
            context = ClusterContext(informers._client, informers, rig.log)
            rig.admission = Admission(rig.log, rig.lines, context)
            await rig.load(reads, bounded)
            assert (await answers("careless")).allowed and (await answers("bounded")).allowed
            for _ in range(8):  # nothing happens in the cluster: the watch is renewed, and that proves it
                await trio.sleep(0.2)
                assert (await answers("bounded")).allowed
            server.stop()
            await trio.sleep(0.8)
            refused = await answers("bounded")
            assert not refused.allowed and refused.status["code"] == 500
            assert refused.status["message"].startswith("what is known of v1 Pod may be 1 s old, more than context_max")
            assert (await answers("careless")).allowed
            await server.start()
            with trio.fail_after(5):
                while not (await answers("bounded")).allowed:
                    await trio.sleep(0.02)

    try:
        run(main)
    finally:
        rig.close()
