"""A bound on the age of what policies know of the cluster: refused with the reason, whatever the guest makes of it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from edged.admission.host.admission import Admission
from edged.admission.host.context import ClusterContext
from edged.admission.host.context_age import ContextTooOld, check_age
from tests.admission.host.support import Rig, request
from tests.kube.support import fake_server, informers_of, run


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
