"""What a scheduling cycle costs by itself: queue, cycle and plugins in this process, without an API server.

Made of the simulation's parts (edged/scheduling/simulation/simulation.py), which are the daemon's; guests are the
sample modules in the real host. Each figure is the median of rounds, in milliseconds of CPU per Pod, from the
snapshot's update to the choice of a node.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import trio

from edged.scheduling.core.binding import end_cycle
from edged.scheduling.core.cache import Cache
from edged.scheduling.core.classes import Classes
from edged.scheduling.core.cycle import Algorithm, run_now, score_nodes
from edged.scheduling.core.framework import CycleState
from edged.scheduling.core.nominator import Nominator
from edged.scheduling.core.profile import Profile, default_profile, with_guests
from edged.scheduling.core.snapshot import Snapshot
from edged.scheduling.guests.guest import GuestPlugin, load_guest
from edged.scheduling.guests.guest_template import companions_of
from edged.scheduling.guests.loaded_guest import GuestOptions
from edged.scheduling.objects.nodes import NodeParser
from edged.scheduling.objects.pods import PodInfo, PodParser
from edged.scheduling.simulation.cluster_state import ClusterState
from edged.scheduling.simulation.simulation import Simulation
from edged.wasm.bindings import wat2wasm
from edged.wasm.compile import Compiler
from edged.wasm.engine import Engine
from tests.bench.scheduling import node, pod
from tests.bench.support import median
from tests.guests.scheduler.build import wat

ROUNDS = 5
MODULES = Path(__file__).parents[2] / "modules" / "scheduling"


class Bench:
    """Nodes, and a profile that is run on them; `use` puts guests into it."""

    def __init__(self, nodes: int) -> None:
        objects = [node(number) for number in range(nodes)]
        self.snapshot, self.cache = Snapshot(), Cache()
        kept = {(obj["metadata"]["name"]): obj for obj in objects}
        parser = NodeParser(lambda key: kept.get(key.name))
        for obj in objects:
            self.cache.set_node(parser.parse(obj))
        self.cache.update_snapshot(self.snapshot)
        self.handle = Simulation(ClusterState())
        self.handle.snapshot = self.snapshot
        self.profile: Profile = default_profile("edged", self.handle)
        self.algorithm = Algorithm(self.snapshot, Nominator(), lambda count: 0)
        self.classes = Classes(self.algorithm)

    async def use(self, compiler: Compiler, module: str | Path, depends_on: set[str]) -> GuestPlugin:
        """`module`: the name of a sample, or a file."""
        path = module if isinstance(module, Path) else MODULES / module / f"{module}.wasm"
        module = path.stem
        loaded = await compiler.load(path)
        options = GuestOptions(name=module, depends_on=frozenset(depends_on))
        companions = await companions_of(compiler, loaded)
        plugin = await load_guest(compiler.engine, loaded, options, self.handle, companions=companions)
        self.profile = with_guests("edged", self.handle, [(plugin, 1)])
        return plugin

    async def place_with_guests(self, pods: list[PodInfo]) -> float:
        """As `place`, for a profile that awaits."""
        begun = time.process_time()
        for one in pods:
            self.cache.update_snapshot(self.snapshot)
            state = CycleState()
            evaluation = await self.classes.schedule(self.profile, state, one)
            self.cache.assume(one, evaluation.node_name)
            await end_cycle(self.profile, state, one)
        return (time.process_time() - begun) * 1000 / len(pods)

    def place(self, pods: list[PodInfo]) -> float:
        """Milliseconds of CPU per Pod; each takes its place before the next is looked at."""
        begun = time.process_time()
        for one in pods:
            self.cache.update_snapshot(self.snapshot)
            evaluation = run_now(self.classes.schedule(self.profile, CycleState(), one))
            self.cache.assume(one, evaluation.node_name)
        return (time.process_time() - begun) * 1000 / len(pods)


def pods(count: int, *, unique: bool = False, device: bool = False) -> list[PodInfo]:
    """Pods of one kind, or all with different requests; `device`: they ask device-fit for one."""
    kept: dict[str, Any] = {}
    parser = PodParser(lambda key: kept.get(key.name))
    found = []
    for number in range(count):
        obj = pod(number, "edged")
        obj["metadata"]["uid"] = f"uid-{number}"
        if unique:
            obj["spec"]["containers"][0]["resources"]["requests"]["cpu"] = f"{50 + number}m"
        if device:
            obj["metadata"]["labels"]["edged.dev/device"] = "camera"
        kept[obj["metadata"]["name"]] = obj
        found.append(parser.parse(obj))
    return found


def cycle_ms(nodes: int, count: int, *, unique: bool = False) -> float:
    return median([Bench(nodes).place(pods(count, unique=unique)) for _ in range(ROUNDS)])


def scored_single_node_ms(count: int) -> float:
    """One node, and PreScore and Score run on it all the same: what the mode for one node leaves out."""
    rounds = []
    for _ in range(ROUNDS):
        bench = Bench(1)
        every = pods(count, unique=True)
        begun = time.process_time()
        for one in every:
            bench.cache.update_snapshot(bench.snapshot)
            state = CycleState()
            evaluation = run_now(bench.classes.schedule(bench.profile, state, one))
            run_now(bench.algorithm._score(bench.profile, state, evaluation))
            bench.cache.assume(one, evaluation.node_name)
        rounds.append((time.process_time() - begun) * 1000 / count)
    return median(rounds)


async def guests(count: int) -> dict[str, float]:
    """One filtering and one scoring guest on 100 nodes, by what they say their verdicts depend on."""
    figures = {}
    with tempfile.TemporaryDirectory(prefix="edged-bench-") as folder:
        engine = Engine("native", 256)
        compiler = Compiler(engine, Path(folder))
        try:
            for word, depends_on in (("unknown", {"unknown"}), ("declared", {"pod", "node"})):
                for module in ("device-fit", "power-aware"):
                    rounds = []
                    for _ in range(ROUNDS):
                        bench = Bench(100)
                        plugin = await bench.use(compiler, module, depends_on)
                        rounds.append(await bench.place_with_guests(pods(count, device=True)))
                        plugin.close()
                    figures[f"cycle_{module.replace('-', '_')}_{word}_ms"] = median(rounds)
            named = Path(folder) / "node-name.wasm"
            named.write_bytes(wat2wasm(wat("node-name")))
            for key, guest in (("guest_score_us", named), ("guest_score_node_us", "power-aware")):
                figures[key] = median([await score_us(compiler, guest) for _ in range(ROUNDS)])
        finally:
            engine.close()
    return figures


async def score_us(compiler: Compiler, guest: str | Path) -> float:
    """One `score`: microseconds of CPU, over 100 nodes within a cycle."""
    bench = Bench(100)
    plugin = await bench.use(compiler, guest, {"unknown"})
    state, (one,), nodes = CycleState(), pods(1), bench.snapshot.nodes
    await plugin.pre_filter(state, one, nodes)
    await score_nodes(bench.profile.calls["score"][-1], state, one, nodes, range(100), [0] * 100)
    begun = time.process_time()
    await score_nodes(bench.profile.calls["score"][-1], state, one, nodes, range(100), [0] * 100)
    taken = time.process_time() - begun
    await plugin.end_cycle(state, one)
    plugin.close()
    return taken * 1e6 / 100


def run(*, quick: bool = False) -> dict[str, Any]:
    count = 300 if quick else 1000
    figures = {
        "cycle_like_ms": cycle_ms(100, count),
        "cycle_unique_ms": cycle_ms(100, count // 2, unique=True),
        "cycle_like_500_ms": cycle_ms(500, count),
        "cycle_single_node_ms": cycle_ms(1, 100, unique=True),
        "cycle_single_node_scored_ms": scored_single_node_ms(100),
    }
    figures |= trio.run(guests, count // 4)
    return {key: round(value, 4) for key, value in figures.items()}
