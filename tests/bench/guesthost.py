"""The guest host by itself: one call, one host call, a fresh instance, trio's thread hop for scale, the loop's lag."""

from __future__ import annotations

import time
from typing import Any

import trio

from edged.wasm.account import Budget
from edged.wasm.engine import Engine
from edged.wasm.hostcalls import HostFunction
from edged.wasm.instance import Template
from tests.bench.support import median
from tests.wasm.support import module

WAT = """(module
  (import "h" "host" (func $host (param i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "add") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
  (func (export "host") (param i32) (result i32) (call $host (local.get 0)))
  (func (export "many") (param $n i32) (result i32)
    (loop $l
      (drop (call $host (local.get $n)))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $l (local.get $n)))
    (i32.const 0))
  (func (export "spin") (param i32) (result i32) (loop $l (br $l)) (i32.const 0)))"""

ROUNDS, CALLS = 7, 3000


async def _measure(rounds: int) -> dict[str, Any]:
    engine = Engine()
    hosts = {("h", "host"): HostFunction("i", "i", lambda _instance, n: n)}
    template = Template(engine, module(engine, WAT), hosts)
    budget = Budget(cpu_s=60)
    instance = await template.instantiate(None, budget)
    call, fresh, host, hop = [], [], [], []
    for _ in range(rounds):
        begun = time.perf_counter()
        for _ in range(CALLS):
            await instance.call("add", 1)
        call.append((time.perf_counter() - begun) / CALLS)
        begun = time.perf_counter()
        await instance.call("many", CALLS)
        host.append((time.perf_counter() - begun) / CALLS)
        begun = time.perf_counter()
        for _ in range(CALLS):
            (await template.instantiate(None, budget)).close()
        fresh.append((time.perf_counter() - begun) / CALLS)
        begun = time.perf_counter()
        for _ in range(CALLS // 10):
            await trio.to_thread.run_sync(int)
        hop.append((time.perf_counter() - begun) / (CALLS // 10))
    lag: list[float] = []
    async with trio.open_nursery() as nursery:

        async def endless() -> None:
            guest = await template.instantiate(None, budget)
            try:
                await guest.call("spin", 1)
            finally:
                guest.close()

        for _ in range(50):
            nursery.start_soon(endless)
        await trio.sleep(0.3)
        for _ in range(600):
            begun = time.perf_counter()
            await trio.sleep(0.005)
            lag.append(time.perf_counter() - begun - 0.005)
        nursery.cancel_scope.cancel()
    engine.close()
    return {
        "guest_call_us": round(median(call) * 1e6, 2),
        "host_call_us": round(median(host) * 1e6, 2),
        "fresh_instance_us": round(median(fresh) * 1e6, 1),
        "to_thread_us": round(median(hop) * 1e6, 1),
        "loop_lag_p99_ms": round(sorted(lag)[int(len(lag) * 0.99)] * 1000, 2),
    }


def run(*, quick: bool = False) -> dict[str, Any]:
    return trio.run(_measure, 2 if quick else ROUNDS)
