"""How a scheduling cycle grows with the cluster: nodes, and Pods that run already. In this process's children, without
an API server: `python -m tests.bench --only growth`.

One child per size, so that its memory is that size's alone. The start is CPU from decoded objects to the first
snapshot; a Pod's figure is CPU from the snapshot's update to the choice of a node, as in cycles.py.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from typing import Any

import orjson

from edged.scheduling.core.cache import Cache
from edged.scheduling.core.classes import Classes
from edged.scheduling.core.cycle import Algorithm, run_now
from edged.scheduling.core.framework import CycleState
from edged.scheduling.core.nominator import Nominator
from edged.scheduling.core.profile import default_profile
from edged.scheduling.core.snapshot import Snapshot
from edged.scheduling.objects.nodes import NodeParser
from edged.scheduling.objects.pods import PodInfo, PodParser
from edged.scheduling.simulation.cluster_state import ClusterState
from edged.scheduling.simulation.simulation import Simulation
from tests.bench.scheduling import node, pod
from tests.bench.support import BenchError, memory_mib, say

SIZES = ((100, 1_000), (1_000, 10_000), (5_000, 50_000))
KINDS = ("like", "unique", "spread", "apart")
ZONE, HOST = "topology.kubernetes.io/zone", "kubernetes.io/hostname"


class Grown:
    """A cluster of that size, its Pods spread evenly over its nodes. `apart`: each tenth of them keeps others away."""

    def __init__(self, nodes: int, running: int, *, apart: bool) -> None:
        self._kept: dict[str, Any] = {}
        self.parser = PodParser(lambda key: self._kept.get(key.name))
        self.snapshot, self.cache = Snapshot(), Cache()
        parser = NodeParser(lambda key: self._kept.get(key.name))
        for number in range(nodes):
            self._kept[f"node-{number:03}"] = obj = node(number)
            self.cache.set_node(parser.parse(obj))
        for number in range(running):
            kind = "apart" if apart and number % 10 == 0 else "like"
            obj = waiting(number, kind, f"running-{number}")
            obj["spec"]["nodeName"] = f"node-{number % nodes:03}"
            self.cache.set_pod(self.parser.parse(obj))
        self.cache.update_snapshot(self.snapshot)
        handle = Simulation(ClusterState())
        handle.snapshot = self.snapshot
        self._profile = default_profile("edged", handle)
        self._classes = Classes(Algorithm(self.snapshot, Nominator(), lambda count: 0))

    def ms_per_pod(self, pods: list[PodInfo]) -> float:
        begun = time.process_time()
        for one in pods:
            self.cache.update_snapshot(self.snapshot)
            found = run_now(self._classes.schedule(self._profile, CycleState(), one))
            self.cache.assume(one, found.node_name)
        return (time.process_time() - begun) * 1000 / len(pods)


def waiting(number: int, kind: str, name: str) -> dict[str, Any]:
    """Like many others; unlike all others; spread over zones; with anti-affinity to its own application."""
    obj = pod(number, "edged")
    obj["metadata"] |= {"name": name, "namespace": "default", "uid": f"uid-{name}"}
    selector = {"labelSelector": {"matchLabels": {"app": obj["metadata"]["labels"]["app"]}}}
    if kind == "unique":
        obj["spec"]["containers"][0]["resources"]["requests"]["cpu"] = f"{50 + number}m"
    elif kind == "spread":
        constraint = {"maxSkew": 5, "topologyKey": ZONE, "whenUnsatisfiable": "DoNotSchedule", **selector}
        obj["spec"]["topologySpreadConstraints"] = [constraint]
    elif kind == "apart":
        term = {"weight": 10, "podAffinityTerm": {"topologyKey": HOST, **selector}}
        obj["spec"]["affinity"] = {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [term]}}
    return obj


def measure(nodes: int, running: int, count: int) -> dict[str, float]:
    """What a child prints."""
    begun = time.process_time()
    grown = Grown(nodes, running, apart=False)
    figures = {"start_s": time.process_time() - begun, "rss_mib": memory_mib(os.getpid())[0]}
    for kind in KINDS:
        if kind == "apart":
            grown = Grown(nodes, running, apart=True)
        pods = [grown.parser.parse(waiting(number, kind, f"{kind}-{number}")) for number in range(count)]
        grown.ms_per_pod(pods[:2])  # what the first of a kind costs is not what each costs
        figures[f"{kind}_ms"] = grown.ms_per_pod(pods[2:])
    return figures


def run(*, quick: bool = False) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for nodes, running in SIZES[:2] if quick else SIZES:
        say(f"growth: {nodes} nodes, {running} Pods that run")
        command = [sys.executable, "-m", "tests.bench.growth", str(nodes), str(running), "30" if quick else "100"]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode:
            raise BenchError(done.stderr.decode()[-2000:])
        found = orjson.loads(done.stdout)
        figures |= {f"growth_{nodes}_{key}": round(value, 3) for key, value in found.items()}
    return figures


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("nodes", "running", "count"):
        parser.add_argument(name, type=int)
    options = parser.parse_args()
    print(orjson.dumps(measure(options.nodes, options.running, options.count)).decode())


if __name__ == "__main__":
    main()
