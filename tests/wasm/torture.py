"""Random abuse of the guest host: `python -m tests.wasm.torture --seconds 600 [--seed N]`.

Calls, traps, cancellations at every await, host calls that wait, fail or collect garbage inside the callback,
floods of endless guests, modules swapped under running calls, and trio.run torn down with calls in flight. It must end
without a crash, a leak or a wrong answer. Prints one JSON object; exit code 1 when something was wrong.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import json
import random
import sys
import time
import types
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

import trio

from edged.errors import GuestError
from edged.wasm.account import Budget
from edged.wasm.engine import Engine
from edged.wasm.errors import GuestBudget, GuestTimeout, GuestTrap, HostFailure, MemoryFault
from edged.wasm.hostcalls import HostFunction
from edged.wasm.instance import Instance, Template
from tests.wasm import opa_guest
from tests.wasm.support import module, rss_mib

WAT = """(module
  (import "h" "wait" (func $wait (param i32) (result i32)))
  (import "h" "wait_long" (func $wait_long (param i64) (result i64)))
  (import "h" "never" (func $never (param i32) (result i32)))
  (import "h" "quick" (func $quick (param i32) (result i32)))
  (import "h" "fail" (func $fail (param i32) (result i32)))
  (import "h" "wait_fail" (func $wait_fail (param i32) (result i32)))
  (import "h" "collect" (func $collect (param i32) (result i32)))
  (import "h" "read" (func $read (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (table 1 funcref) (elem (i32.const 0) $busy)
  (type $busy_t (func (param i32) (result i32)))
  (func $busy (export "busy") (param $n i32) (result i32) (local $i i32)
    (loop $l (local.set $i (i32.add (local.get $i) (i32.const 1)))
             (br_if $l (i32.lt_u (local.get $i) (local.get $n))))
    (local.get $i))
  (func (export "add") (param i32) (result i32) (i32.add (local.get 0) (i32.const SALT)))
  (func (export "spin") (param i32) (result i32) (loop $l (br $l)) (i32.const 0))
  (func (export "never") (param i32) (result i32) (call $never (local.get 0)))
  (func (export "trap") (param i32) (result i32) unreachable)
  (func $deep (export "deep") (param i32) (result i32) (i32.add (call $deep (local.get 0)) (i32.const 1)))
  (func (export "divide") (param i32) (result i32) (i32.div_u (i32.const 1) (i32.const 0)))
  (func (export "quick") (param i32) (result i32) (call $quick (local.get 0)))
  (func (export "wait") (param i32) (result i32)
    (i32.add (call $wait (local.get 0)) (call $wait (call $quick (local.get 0)))))
  (func (export "wait_long") (param i64) (result i64) (call $wait_long (local.get 0)))
  (func (export "fail") (param i32) (result i32) (call $fail (local.get 0)))
  (func (export "wait_fail") (param i32) (result i32) (call $wait_fail (local.get 0)))
  (func (export "collect") (param i32) (result i32) (call $collect (call $wait (local.get 0))))
  (func (export "lie") (param i32) (result i32) (call $read (i32.const -8) (local.get 0)))
  (func (export "around") (param i32) (result i32)
    (call_indirect (type $busy_t) (call $wait (local.get 0)) (i32.const 0))))"""


class Boom(Exception):
    """A host function's own failure."""


class Freed:
    """Freed in a callback; weak references tell when."""


class Never:
    """Suspends without trio's knowledge, so that an abandoned coroutine leaves nothing in trio's queues."""

    def __await__(self) -> Generator[None, None, None]:
        yield


@types.coroutine
def until_lost(coroutine: Coroutine[Any, Any, object]) -> Generator[Any, Any, bool]:
    """Runs a coroutine as part of this task, up to where it suspends without trio's knowledge; False where it ends.

    Only there may it be left: anywhere else trio would wake this task for what the coroutine waited for."""
    answer = None
    while True:
        try:
            request = coroutine.send(answer)
        except StopIteration:
            return False
        if request is None:  # that of Never
            return True
        answer = yield request


class Torture:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.engine = Engine()
        self.wrong: list[str] = []
        self.counts: dict[str, int] = {}
        self.dropped: list[object] = []
        self.hosts = {
            ("h", "wait"): HostFunction("i", "i", self._wait, waits=True),
            ("h", "wait_long"): HostFunction("I", "I", self._wait_long, waits=True),
            ("h", "never"): HostFunction("i", "i", self._never, waits=True),
            ("h", "quick"): HostFunction("i", "i", lambda _instance, n: n + 1),
            ("h", "fail"): HostFunction("i", "i", self._fail),
            ("h", "wait_fail"): HostFunction("i", "i", self._wait_fail, waits=True),
            ("h", "collect"): HostFunction("i", "i", self._collect),
            ("h", "read"): HostFunction("ii", "i", lambda instance, at, n: len(instance.read(at, n))),
        }
        self.templates: list[tuple[int, Template]] = []
        self.policies: Template
        self.swap()

    def swap(self) -> None:
        """Replace the module under running calls; the old one goes when its last call does."""
        salt = self.random.randrange(1, 1000)
        fresh = Template(self.engine, module(self.engine, WAT.replace("SALT", str(salt))), self.hosts)
        self.templates = [*self.templates[-1:], (salt, fresh)]
        self.policies = opa_guest.template(self.engine)

    def _wait(self, _instance: Instance, n: int) -> Callable[[], Awaitable[int]]:
        async def work() -> int:
            kind = n % 3
            if kind == 1:
                await trio.lowlevel.checkpoint()
            elif kind == 2:
                await trio.sleep(self.random.random() * 0.004)
            return n * 2

        return work

    def _wait_long(self, _instance: Instance, n: int) -> Callable[[], Awaitable[int]]:
        async def work() -> int:
            await trio.sleep(0.001)
            return n ^ 0xFFFFFFFFFFFFFFFF

        return work

    def _never(self, _instance: Instance, n: int) -> Callable[[], Awaitable[int]]:
        async def work() -> int:
            await Never()
            return n

        return work

    def _fail(self, _instance: Instance, n: int) -> int:
        raise Boom(n)

    def _wait_fail(self, _instance: Instance, n: int) -> Callable[[], Awaitable[int]]:
        self.free()

        async def work() -> int:
            await trio.sleep(0)
            raise Boom(n)

        return work

    def _collect(self, _instance: Instance, n: int) -> int:
        # Instances and suspended coroutines of other guests die inside this one's callback.
        self.dropped.clear()
        gc.collect()
        self.free()
        return n

    def free(self) -> None:
        """What a callback frees is gone at once (edged/wasm/stack_check.py)."""
        one = Freed()
        reference = weakref.ref(one)
        del one
        if reference() is not None:
            self.wrong.append("a weak reference hands out what was freed")

    def note(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

    def expect(self, what: str, got: object, wanted: object) -> None:
        self.note(what)
        if got != wanted:
            self.wrong.append(f"{what}: {got!r} instead of {wanted!r}")

    async def one(self) -> None:
        """One guest, one or several calls, perhaps cancelled."""
        salt, template = self.random.choice(self.templates)
        n = self.random.randrange(1, 2000)
        budget = Budget(cpu_s=self.random.choice([0.005, 0.03, 5.0]), memory_mib=8)
        with trio.move_on_after(self.random.choice([0.0005, 0.003, 0.01, 0.05, 5.0])) as scope:
            try:
                instance = await template.instantiate(None, budget)
            except GuestBudget:
                return
            if self.random.random() < 0.3:
                instance.deadline = trio.current_time() + self.random.choice([0.0, 0.002, 0.02])
            try:
                for _ in range(self.random.randrange(1, 4)):
                    await self.call(instance, salt, n)
                    if instance.dead:
                        break
            except GuestBudget:
                self.note("budget")
            except GuestTimeout:
                self.note("timeout")
            finally:
                if self.random.random() < 0.7:
                    instance.close()
                elif self.random.random() < 0.5:
                    self.dropped.append(instance)
        if scope.cancelled_caught:
            self.note("cancelled")

    async def call(self, instance: Instance, salt: int, n: int) -> None:
        honest = ["add", "busy", "quick", "wait", "wait_long", "collect", "around"]
        faulty = ["trap", "deep", "divide", "fail", "wait_fail", "lie"]
        kind = self.random.choice(["spin"] if self.random.random() < 0.02 else honest * 2 + faulty)
        try:
            result = await instance.call(kind, n)
        except GuestTrap as error:
            kinds = {"trap": "unreachable", "deep": "stack overflow", "divide": "integer divide by zero"}
            self.expect(kind, error.kind, kinds.get(kind))
        except MemoryFault:
            self.expect(kind, kind, "lie")
        except HostFailure as error:
            self.expect(kind, (kind in ("fail", "wait_fail"), str(error.__cause__)), (True, str(n)))
        else:
            wanted = {
                "add": n + salt,
                "busy": n,
                "quick": n + 1,
                "wait": n * 2 + (n + 1) * 2,
                "wait_long": ~n,
                "collect": n * 2,
                "around": n * 2,
            }
            self.expect(kind, result, wanted.get(kind))

    async def policy(self) -> None:
        """A guest with a companion, whose builtin answers at once, later, never, badly, or collects garbage."""
        n = self.random.randrange(1, 3000)
        kind = self.random.choice(["quick", "beside", "fail", "collect", "abort"])

        def answer(text: bytes) -> bytes:
            if kind == "fail":
                raise Boom(n)
            if kind == "collect":
                self._collect(None, 0)  # type: ignore[arg-type]
            return text + b"!"

        async def beside(work: Callable[[], bytes], size: int) -> bytes:
            await trio.sleep(self.random.random() * 0.003)
            return work()

        builtin = opa_guest.text_builtin("slow", 1, answer, 0 if kind == "beside" else 1 << 20)
        question = b"abort" if kind == "abort" else str(n).encode() + b"."
        state = opa_guest.call(str(n).encode(), question, {7: builtin}, beside=beside)
        budget = Budget(cpu_s=self.random.choice([0.005, 0.03, 5.0]), memory_mib=8)
        with trio.move_on_after(self.random.choice([0.0005, 0.003, 0.01, 0.05, 5.0])) as scope:
            instance = None
            try:
                instance = await self.policies.instantiate(state, budget)
                await instance.call("evaluate", len(state.data), len(question))
                self.expect(f"policy {kind}", state.result, question + b"!")
            except GuestTrap:
                self.expect("policy abort", (kind, state.aborted), ("abort", "it gave up"))
            except HostFailure as error:
                self.expect("policy fail", (kind, str(error.__cause__)), ("fail", str(n)))
            except GuestBudget:
                self.note("budget")
            finally:
                if instance is not None and self.random.random() < 0.7:
                    instance.close()
                elif self.random.random() < 0.5:
                    self.dropped.append(instance)
        if scope.cancelled_caught:
            self.note("policy cancelled")

    async def flood(self) -> None:
        """Endless guests at once, gone when their scope ends."""
        _, template = self.templates[-1]

        async def endless() -> None:
            instance = await template.instantiate(None, Budget(cpu_s=60))
            try:
                await instance.call("spin", 1)
            finally:
                instance.close()

        with trio.move_on_after(0.1):
            async with trio.open_nursery() as nursery:
                for _ in range(50):
                    nursery.start_soon(endless)
        self.note("flood")

    async def abandon(self) -> None:
        """A coroutine that was begun and is never finished: the garbage collector ends it."""
        _, template = self.templates[-1]
        instance = await template.instantiate(None, Budget(cpu_s=5))

        async def as_callers_do() -> None:
            try:
                await instance.call("never", 2)
            finally:
                instance.close()

        coroutine = as_callers_do() if self.random.random() < 0.5 else instance.call("never", 2)
        try:
            if not await until_lost(coroutine):
                return
        except GuestError:
            return
        self.dropped.append((coroutine, instance))
        self.note("abandoned")

    async def round(self, deadline: float) -> None:
        """A trio.run's worth: ends by cancellation with calls in flight."""
        async with trio.open_nursery() as nursery:
            nursery.cancel_scope.deadline = trio.current_time() + min(deadline - time.monotonic(), 2.0)

            async def worker() -> None:
                while True:
                    await (self.policy() if self.random.random() < 0.3 else self.one())
                    await trio.lowlevel.checkpoint()

            for _ in range(12):
                nursery.start_soon(worker)
            while True:
                await trio.sleep(0.05)
                chance = self.random.random()
                if chance < 0.1:
                    await self.flood()
                elif chance < 0.2:
                    self.swap()
                elif chance < 0.4:
                    await self.abandon()


def main() -> int:
    faulthandler.enable()
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torture = Torture(options.seed)
    deadline = time.monotonic() + options.seconds
    memory: list[float] = []
    while time.monotonic() < deadline:
        trio.run(torture.round, deadline)
        torture.dropped.clear()
        gc.collect()
        torture.engine.handles.bury()
        memory.append(round(rss_mib(), 1))
    settled = memory[len(memory) // 3] if len(memory) > 3 else memory[0]
    grown = memory[-1] - settled
    if grown > 16:
        torture.wrong.append(f"memory grew by {grown:.1f} MiB")
    print(
        json.dumps(
            {
                "calls": torture.counts,
                "rss_mib": memory[:: max(1, len(memory) // 20)],
                "wrong": torture.wrong[:20],
            }
        )
    )
    return 1 if torture.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
