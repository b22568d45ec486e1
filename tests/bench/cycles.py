"""What a scheduling cycle costs by itself: queue, cycle and plugins in this process, without an API server.

Made of the simulation's parts (edged/scheduling/simulation.py), which are the daemon's. Each figure is the median of
rounds, in milliseconds of CPU per Pod, from the snapshot's update to the choice of a node.
"""

from __future__ import annotations

import time
from typing import Any

from edged.scheduling.cache import Cache
from edged.scheduling.classes import Classes
from edged.scheduling.cluster_state import ClusterState
from edged.scheduling.cycle import Algorithm, run_now
from edged.scheduling.framework import CycleState
from edged.scheduling.nodes import NodeParser
from edged.scheduling.nominator import Nominator
from edged.scheduling.pods import PodInfo, PodParser
from edged.scheduling.profile import Profile, default_profile
from edged.scheduling.simulation import Simulation
from edged.scheduling.snapshot import Snapshot
from tests.bench.scheduling import node, pod
from tests.bench.support import median, say

ROUNDS = 5


class Bench:
    """Nodes, and a profile that is run on them."""

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

    def place(self, pods: list[PodInfo]) -> float:
        """Milliseconds of CPU per Pod; each takes its place before the next is looked at."""
        begun = time.process_time()
        for one in pods:
            self.cache.update_snapshot(self.snapshot)
            evaluation = run_now(self.classes.schedule(self.profile, CycleState(), one))
            self.cache.assume(one, evaluation.node_name)
        return (time.process_time() - begun) * 1000 / len(pods)


def pods(count: int, *, unique: bool = False) -> list[PodInfo]:
    """Pods of one kind, or all with different requests."""
    parser = PodParser(lambda key: None)
    found = []
    for number in range(count):
        obj = pod(number, "edged")
        obj["metadata"]["uid"] = f"uid-{number}"
        if unique:
            obj["spec"]["containers"][0]["resources"]["requests"]["cpu"] = f"{50 + number}m"
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


def run(*, quick: bool = False) -> dict[str, Any]:
    count = 300 if quick else 1000
    figures = {
        "cycle_like_ms": cycle_ms(100, count),
        "cycle_unique_ms": cycle_ms(100, count // 2, unique=True),
        "cycle_like_500_ms": cycle_ms(500, count),
        "cycle_single_node_ms": cycle_ms(1, 100, unique=True),
        "cycle_single_node_scored_ms": scored_single_node_ms(100),
    }
    say(f"cycles: {figures}")
    return {key: round(value, 4) for key, value in figures.items()}
