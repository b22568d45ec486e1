"""Guests in the scheduler's loop: each point's answer has the effect that kube-scheduler's plugins have.

Real guests burn real time, so these tests run on the real clock; they wait for what is to happen, not for time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import contextmanager

import pytest
import trio

from edged.kube.values.names import NamespacedName
from edged.scheduling.core.profile import with_guests
from edged.scheduling.guests.guest import load_guest
from edged.scheduling.guests.loaded_guest import GuestLog, GuestOptions
from edged.wasm.engine import Engine
from tests.guests.scheduler import build
from tests.scheduling.makers import node, pod
from tests.scheduling.run.test_scheduler_loop import World
from tests.wasm.support import module


class GuestWorld(World):
    """A World whose profile has guests: (source, options) each, in order."""

    def __init__(self, engine, nodes, pods, *guests):
        super().__init__(nodes, pods)
        self.engine = engine
        self.guests = guests
        self.plugins = []
        self.failures = []

    async def load(self):
        log = GuestLog(failure=lambda message, error: self.failures.append((message, error)))
        for number, (source, options) in enumerate(self.guests):
            wanted = GuestOptions(**{"name": f"guest{number}", **options})
            made = module(self.engine, build.wat(source) if source.isidentifier() else source)
            self.plugins.append(await load_guest(self.engine, made, wanted, self.scheduler.handle, log))
        self.scheduler.use([with_guests("edged", self.scheduler.handle, [(plugin, 1) for plugin in self.plugins])])

    def message(self, name):
        found = self.condition(name)
        return found["message"] if found else ""


@contextmanager
def engine():
    made = Engine()
    try:
        yield made
    finally:
        made.close()


def play(script: Callable[[GuestWorld], Awaitable[None]], nodes, pods, *guests) -> GuestWorld:
    with engine() as made:
        world = GuestWorld(made, nodes, pods, *guests)

        async def main():
            with trio.fail_after(20):
                await world.load()
                async with trio.open_nursery() as nursery:
                    await nursery.start(world.scheduler.run)
                    await script(world)
                    nursery.cancel_scope.cancel()
                for plugin in world.plugins:
                    plugin.close()

        trio.run(main)
        return world


async def until(ready):
    while not ready():
        await trio.sleep(0.005)


def wat(*functions: str, imports: str = "", data: str = "") -> str:
    return f'(module {imports} (memory (export "memory") 1 1) {data} {" ".join(functions)})'


def i32(name: str, code: int) -> str:
    return f'(func (export "{name}") (result i32) (i32.const {code}))'


def i64(name: str, value: int) -> str:
    return f'(func (export "{name}") (result i64) (i64.const {value}))'


def trap(name: str, result: str = "i32") -> str:
    results = f"(result {result})" if result else ""
    return f'(func (export "{name}") {results} unreachable)'


def test_what_a_guest_counts_goes_along_in_preemption_and_is_as_before_on_the_next_node():
    async def script(world):
        await until(lambda: world.writes.deleted)
        first = next(note for reason, note in world.writes.notes() if reason == "FailedScheduling")
        assert first.startswith(
            "0/2 nodes are available: 2 no seat is free. preemption: found a potential placement for pod on node "
        )

    victims = [pod(f"low-{name}", node=name, requests={"cpu": "1"}) for name in ("a", "b")]
    incoming = pod("p", priority=10, requests={"cpu": "1"})
    guest = ("seats", {"config": "22"})  # two Pods are there, and no more than two may be
    world = play(script, [node("a"), node("b")], [*victims, incoming], guest)
    assert len(world.writes.deleted) == 1


def test_pods_that_are_nominated_count_on_their_node_and_nowhere_else():
    async def script(world):
        await until(lambda: "default/p" in world.writes.bound)

    # One seat is taken and there are two; an equal will come to node a.
    nominated = pod("n", priority=10, nominated="a", schedulingGates=[{"name": "later"}])
    world = play(
        script, [node("a"), node("b")], [nominated, pod("p", priority=10)], ("seats", {"config": "12"})
    )
    assert world.writes.bound["default/p"] == "b"


def test_a_nomination_by_postfilter_is_written():
    nominate = """(import "k8s.io/scheduler" "result.nominated_node_name" (func $nominate (param i32 i32)))"""
    post = """(func (export "postfilter") (result i64)
      (call $nominate (i32.const 0) (i32.const 1)) (i64.const 4294967296))"""
    source = wat(i32("filter", 2), post, imports=nominate, data='(data (i32.const 0) "b")')

    async def script(world):
        key = NamespacedName("default", "p")
        await until(lambda: world.pods.objects[key]["status"].get("nominatedNodeName") == "b")
        assert world.scheduler.state.nominator.node_of("uid-p") == "b"
        assert world.writes.deleted == []

    play(script, [node("a"), node("b")], [pod("p")], (source, {}))


def test_a_pod_waits_for_permit_and_is_turned_down_when_its_time_is_over():
    waits = wat(i64("permit", 4 << 32 | 300))

    async def script(world):
        await until(lambda: world.scheduler.handle.waiting_pod("uid-p"))
        assert world.writes.bound == {}
        await until(lambda: world.condition("p"))

    world = play(script, [node("a")], [pod("p")], (waits, {}))
    text = "0/1 nodes are available: 1 rejected due to timeout after waiting 300ms at plugin guest0."
    assert world.message("p") == text


def test_one_guest_rejects_a_pod_that_another_holds_back():
    waits = wat(i64("permit", 4 << 32 | 60_000))
    reject = """(import "k8s.io/scheduler" "handle.reject_waiting_pod" (func $reject (param i32 i32 i32 i32)))"""
    filters = """(func (export "filter") (result i32)
      (call $reject (i32.const 0) (i32.const 5) (i32.const 64) (i32.const 8)) (i32.const 0))"""
    source = wat(filters, imports=reject, data='(data (i32.const 0) "uid-p")')

    async def script(world):
        await until(lambda: world.scheduler.handle.waiting_pod("uid-p"))
        world.pods.put(pod("q"))
        await until(lambda: world.condition("p"))

    world = play(script, [node("a")], [pod("p")], (waits, {}), (source, {}))
    assert world.message("p") == "0/1 nodes are available: 1 removed."


def test_events_that_a_guest_asked_for_bring_its_pods_back():
    """`enqueue`: Node, label changes only. Others leave the Pod where it is."""
    ask = """(import "k8s.io/scheduler" "result.cluster_events" (func $events (param i32 i32)))"""
    enqueue = '(func (export "enqueue") (call $events (i32.const 0) (i32.const 8)))'
    data = r'(data (i32.const 0) "\01\00\00\00\08\00\00\00")'
    source = wat(i32("filter", 2), enqueue, imports=ask, data=data)

    async def script(world):
        await until(lambda: world.condition("p"))
        world.nodes.put(node("b"))
        await trio.testing.wait_all_tasks_blocked()
        assert len(world.writes.events) == 1
        world.nodes.put(node("a", labels={"x": "y"}))
        await until(lambda: len(world.writes.events) == 2)

    play(script, [node("a")], [pod("p")], (source, {}))


TRAPS = {
    "prefilter": (
        [trap("prefilter"), i32("filter", 0)],
        'running PreFilter plugin "guest0": wasm: prefilter error: wasm error: unreachable',
    ),
    "filter": (
        [trap("filter")],
        'running "guest0" filter plugin: wasm: filter error: wasm error: unreachable',
    ),
    "postfilter": (
        [i32("filter", 2), trap("postfilter", "i64")],
        "0/2 nodes are available: wasm: postfilter error: wasm error: unreachable",
    ),
    "prescore": (
        [trap("prescore"), i64("score", 0)],
        'running PreScore plugin "guest0": wasm: prescore error: wasm error: unreachable',
    ),
    "score": (
        [trap("score", "i64")],
        'running Score plugins: plugin "guest0" failed with: wasm: score error: wasm error: unreachable',
    ),
    "normalizescore": (
        [i64("score", 0), trap("normalizescore")],
        'running Normalize on Score plugins: plugin "guest0" failed with: '
        "wasm: normalizescore error: wasm error: unreachable",
    ),
    "reserve": (
        [trap("reserve")],
        'running Reserve plugin "guest0": wasm: reserve error: wasm error: unreachable',
    ),
    "permit": (
        [trap("permit", "i64")],
        'running Permit plugin "guest0": wasm: permit error: wasm error: unreachable',
    ),
    "prebind": (
        [i32("bind", 5), trap("prebind")],
        'running PreBind plugin "guest0": wasm: prebind error: wasm error: unreachable',
    ),
    "bind": (
        [trap("bind")],
        'running Bind plugin "guest0": wasm: bind error: wasm error: unreachable',
    ),
}


@pytest.mark.parametrize("point", TRAPS)
def test_a_trap_costs_its_own_verdict_and_nothing_else(point):
    functions, expected = TRAPS[point]
    points = (point, "filter", "score", "bind") if point in ("bind", "prebind") else ()
    wired = tuple(p for p in points if any(f'"{p}"' in f for f in functions))

    async def script(world):
        await until(lambda: world.condition("p"))
        assert world.message("p") == expected
        assert world.writes.bound == {}
        assert not world.scheduler.state.cache.assumed
        assert [plugin._leases.guest.pool.in_use for plugin in world.plugins] == [0]

    play(script, [node("a"), node("b")], [pod("p")], (wat(*functions), {"points": wired}))


def test_traps_without_a_verdict_are_only_told():
    functions = [i32("bind", 5), trap("postbind", ""), trap("unreserve", ""), i32("reserve", 0)]

    async def script(world):
        await until(lambda: world.writes.bound and world.failures)

    points = ("bind", "postbind", "reserve")
    world = play(script, [node("a")], [pod("p")], (wat(*functions), {"points": points}))
    assert world.writes.bound == {"default/p": "a"}
    assert world.failures[0][0] == "failed postbind"


def test_a_guest_that_binds_itself_keeps_the_default_binder_out():
    """Opt-in: it says success, and nobody else binds. Who does that without binding has lost the Pod; so a
    bind export counts only where the configuration names it."""

    async def script(world):
        await until(lambda: any(event["reason"] == "Scheduled" for event in world.writes.events))

    world = play(script, [node("a")], [pod("p")], (wat(i32("bind", 0)), {"points": ("bind",)}))
    assert world.writes.bound == {}

    async def bound(world):
        await until(lambda: world.writes.bound)

    play(bound, [node("a")], [pod("p")], (wat(i32("bind", 0), i32("filter", 0)), {}))
