"""Guests about many nodes in one go, beside the same guests about one node after the other: nothing else may differ."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Mapping
from typing import Any

import pytest
import trio

from edged.scheduling.core.framework import CycleState
from edged.scheduling.core.plugin_status import Code, Status
from edged.scheduling.core.snapshot import Snapshot
from edged.scheduling.guests import node_loop, object_encoding
from edged.scheduling.guests.guest import GuestPlugin
from edged.scheduling.objects.nodes import NodeInfo
from edged.wasm import driver
from edged.wasm.account import Budget
from tests.guests.scheduler.build import wat
from tests.scheduling.guests.support import Bench, FakeWaitingPod, node, run

LETTERS = wat("letters")
HARMLESS, COMMON = "zzzzzzzzyijo", "abcdklmnopqstu"
BREAKING = "efghrv"
CLUSTERS = int(os.environ.get("EDGED_STATES", "60"))
SHORT = {"budget": Budget(cpu_s=0.03), "wall_timeout_s": 20.0}


def names(rng: random.Random, count: int, breaking: float) -> list[str]:
    kinds = [BREAKING if rng.random() < breaking else rng.choice((HARMLESS, COMMON)) for _ in range(count)]
    return [f"n{number}-{rng.choice(kind)}" for number, kind in enumerate(kinds)]


async def asked(bench: Bench, plugin: GuestPlugin, point: str, nodes: list[NodeInfo]) -> dict[str, Any]:
    """All that can be seen of it, from prefilter on."""
    waiting = FakeWaitingPod(bench.pods["p"])
    bench.lines.clear()
    bench.handle.events.clear()
    bench.handle.waiting = {"waiting": waiting}
    await bench.begin(plugin, bench.pods["p"])
    found = await getattr(plugin, f"{point}_all")(bench.state, bench.pods["p"], nodes)
    await plugin.end_cycle(bench.state, bench.pods["p"])
    return {"found": found, "lines": [*bench.lines], "events": [*bench.handle.events], "rejected": waiting.rejections}


async def both(bench: Bench, point: str, nodes: list[NodeInfo], plugins: list[GuestPlugin]) -> dict[str, Any]:
    single, looped = [await asked(bench, plugin, point, nodes) for plugin in plugins]
    assert looped == single
    return looped


async def pair(bench: Bench, guest: str = LETTERS, **options: Any) -> list[GuestPlugin]:
    return [await bench.load(guest, looped=looped, **options) for looped in (False, True)]


@pytest.fixture
def cpu_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Budgets by this thread's own time: on a busy machine others' would count."""
    monkeypatch.setattr(driver, "perf_counter", time.thread_time)


@pytest.mark.parametrize("part", range(4))
def test_random_clusters(part: int) -> None:
    for seed in range(part, CLUSTERS, 4):
        rng = random.Random(seed)
        nodes = [node(name, extra="x" * rng.randrange(300)) for name in names(rng, rng.choice([2, 9, 60]), 0.03)]

        async def main(bench: Bench, rng: random.Random = rng) -> None:
            plugins = await pair(bench)
            for _ in range(4):
                some = rng.sample(bench.nodes, rng.randrange(1, len(bench.nodes) + 1))
                await both(bench, rng.choice(("filter", "score")), some, plugins)
                changed = rng.choice(bench.nodes).object()
                changed["metadata"]["labels"]["changed"] = "y" * rng.randrange(400)
                changed["metadata"]["resourceVersion"] += "1"
                bench.change(changed)

        run(main, nodes=nodes)


@pytest.mark.parametrize("letter", sorted({*HARMLESS, *COMMON, *BREAKING}))
@pytest.mark.parametrize("point", ["filter", "score"])
def test_each_thing_that_a_guest_may_do(letter: str, point: str) -> None:
    """In the middle of nodes that pass, twice, since the second time more is in the window."""

    async def main(bench: Bench) -> None:
        plugins = await pair(bench)
        nodes = [bench.snapshot.get(name) for name in ("n0-z", f"n1-{letter}", "n2-o", "n3-i", f"n4-{letter}", "n5-z")]
        for _ in range(2):
            await both(bench, point, [each for each in nodes if each is not None], plugins)

    run(main, nodes=[node(name) for name in ("n0-z", f"n1-{letter}", "n2-o", "n3-i", f"n4-{letter}", "n5-z", "n1-o")])


def test_what_a_guest_printed_for_another_node_is_not_in_the_error() -> None:
    async def main(bench: Bench) -> None:
        for order in ((0, 1), (1, 0), (0, 2), (2, 0)):
            await both(bench, "filter", [bench.nodes[number] for number in order], await pair(bench))
        found = (await both(bench, "filter", bench.nodes[:2], await pair(bench)))["found"]
        assert found == [None, Status(Code.ERROR, ("wasm: filter error: wasm error: unreachable",))]

    run(main, nodes=[node("n-i"), node("n-h"), node("n-g")])


@pytest.mark.usefixtures("cpu_clock")
def test_each_node_has_the_budget_of_a_call() -> None:
    """Nodes that take a slice or more each are together more than one call may use."""

    async def main(bench: Bench) -> None:
        for plugin in await pair(bench, budget=Budget(cpu_s=0.25), wall_timeout_s=20.0):
            bench.state = CycleState()
            assert (await asked(bench, plugin, "filter", bench.nodes))["found"] == [None] * 120
            assert bench.state.spent.cpu_s > 0.25

    run(main, nodes=[node(f"n{number}-x") for number in range(120)])


@pytest.mark.usefixtures("cpu_clock")
def test_a_node_that_exhausts_the_budget_fails_alone_and_by_name() -> None:
    async def main(bench: Bench) -> None:
        plugins = await pair(bench, **SHORT)
        found = (await both(bench, "filter", bench.nodes, plugins))["found"]
        text = "wasm: filter error: the guest used its 30 ms of CPU time"
        assert found == [None, Status(Code.UNSCHEDULABLE, ("n1-aC",)), Status(Code.ERROR, (text,))]

    run(main, nodes=[node("n0-z"), node("n1-a"), node("n2-w"), node("n3-z")])


@pytest.mark.usefixtures("cpu_clock")
def test_the_cycles_time_ends_between_two_nodes() -> None:
    async def main(bench: Bench) -> None:
        for plugin in await pair(bench, budget=Budget(cpu_s=0.25), wall_timeout_s=20.0):
            bench.state = CycleState()
            bench.state.spent.cpu_s = 2.47
            found = (await asked(bench, plugin, "filter", bench.nodes))["found"]
            last = found[-1]
            assert last.message == "wasm: the guests' calls for this Pod took 2.5 s of CPU time"
            assert len(found) < len(bench.nodes)
            assert not any(found[:-1])

    run(main, nodes=[node(f"n{number:02}-x") for number in range(40)])


def test_a_cancelled_loop_gives_its_instance_up() -> None:
    async def main(bench: Bench) -> None:
        _, plugin = await pair(bench, budget=Budget(cpu_s=60.0), wall_timeout_s=60.0)
        with trio.move_on_after(0.05) as scope:
            await asked(bench, plugin, "filter", bench.nodes)
        assert scope.cancelled_caught
        assert (await asked(bench, plugin, "filter", bench.nodes[:1]))["found"] == [None]

    run(main, nodes=[node("n0-z"), node("n1-w")])


def test_other_tasks_have_their_turn_between_two_slices() -> None:
    turns = 0

    async def main(bench: Bench) -> None:
        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await trio.lowlevel.checkpoint()

        _, plugin = await pair(bench, budget=Budget(cpu_s=60.0), wall_timeout_s=60.0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(count)
            await asked(bench, plugin, "filter", bench.nodes)
            nursery.cancel_scope.cancel()

    run(main, nodes=[node(f"n{number:02}-x") for number in range(20)])
    assert turns > 20


def test_nodes_are_encoded_within_the_guests_slices_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a review would wait until all are: half a millisecond for each of them."""
    encoded, within = 0, 0

    async def main(bench: Bench) -> None:
        _, plugin = await pair(bench)

        def encode(message: str, obj: Mapping[str, Any]) -> bytes:
            nonlocal encoded, within
            encoded += 1
            within += bench.engine.running is not None
            return object_encoding.encode(message, obj)

        monkeypatch.setattr(object_encoding, "encode_what_can_be", encode)
        await asked(bench, plugin, "filter", bench.nodes[:2])  # from here on it is known to read Nodes
        found = [(await asked(bench, plugin, "filter", bench.nodes))["found"] for _ in range(3)]
        assert found[0] == found[1] == found[2]

    run(main, nodes=[node(f"n{number:02}-o") for number in range(40)])
    assert encoded == within == 40


def test_what_is_prepared_for_a_call_grows_with_what_a_slice_is_enough_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A guest that takes a slice for each node must not have all of them prepared for each."""
    looked_up = 0
    index = Snapshot.index

    def counted(self: Snapshot, name: str) -> int:
        nonlocal looked_up
        looked_up += 1
        return index(self, name)

    monkeypatch.setattr(Snapshot, "index", counted)

    async def main(bench: Bench) -> None:
        _, plugin = await pair(bench, budget=Budget(cpu_s=60.0), wall_timeout_s=60.0)
        assert (await asked(bench, plugin, "filter", bench.nodes))["found"] == [None] * 300

    run(main, nodes=[node(f"n{number:03}-x") for number in range(300)])
    assert looked_up <= node_loop.MOST_AT_ONCE + node_loop.LEAST_NODES * 300


def test_windows_have_a_limit_together() -> None:
    async def main(bench: Bench) -> None:
        memory = bench.engine.guests_memory
        memory.limit = 4 * (256 << 10)  # enough for one of them
        first, *plugins = [*await pair(bench), *await pair(bench)][1:]
        await both(bench, "filter", bench.nodes, [*plugins])
        assert 0 < memory.windows <= memory.limit // 4
        await both(bench, "filter", bench.nodes, [plugins[0], first])
        assert memory.windows <= memory.limit // 4
        for plugin in (first, *plugins):
            plugin.close()
        assert memory.windows == 0

    run(main, nodes=[node(f"n{number}-o", extra="x" * 900) for number in range(20)])


def test_nodes_that_have_no_room_in_the_window_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_loop, "MOST_WINDOW", 140 << 10)

    async def main(bench: Bench) -> None:
        plugins = await pair(bench)
        for _ in range(3):
            await both(bench, "filter", bench.nodes, plugins)

    run(main, nodes=[node(f"n{number}-o", extra="x" * 900) for number in range(20)])


def test_names_that_have_no_room_in_the_window_mean_single_calls() -> None:
    async def main(bench: Bench) -> None:
        plugins = await pair(bench, budget=Budget(memory_mib=1))
        found = (await both(bench, "filter", bench.nodes, plugins))["found"]
        assert len(found) == 9000

    long = "x" * 200
    run(main, nodes=[node(f"n{number}-{long}z") for number in range(9000)])
