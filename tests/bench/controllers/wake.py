"""How long a parked module takes to its first reconcile, and what a reconcile costs the host."""

from __future__ import annotations

import tempfile
import time
from itertools import count
from pathlib import Path
from typing import Any, Final

from tests.bench.controllers import modules, objects
from tests.bench.controllers.memory import INSTANCES, RECONCILES, WITHIN_S
from tests.bench.support import BenchError, Edged, median, say
from tests.cluster.cluster import Cluster

ROUNDS = 100
SPIN_S = 5.0
SIDES: Final = ("zig", "zig_parked", "go", "go_parked")
"""Each has a namespace of its own: 0, 2, 4, 6; it writes into the next one."""


def run(*, quick: bool = False) -> dict[str, Any]:
    rounds, spin_s = (10, 1.0) if quick else (ROUNDS, SPIN_S)
    built = {"zig": modules.zig(), "go": modules.go()}
    with tempfile.TemporaryDirectory(prefix="edged-bench-") as name, Cluster() as cluster:
        api = cluster.api()
        objects.create_ring(api, 2 * len(SIDES))
        found = hops(cluster, Path(name), built, rounds)
        spins = {key: reconciles_us(cluster, Path(name), built[key], spin_s) for key in built}
        api.close()
    return figures(found, {key: path.stat().st_size for key, path in built.items()}) | {
        "ctl_reconcile_overhead_us": spins["zig"][0],
        "ctl_reconcile_overhead_cpu_us": spins["zig"][1],
        "ctl_reconcile_overhead_go_us": spins["go"][0],
        "ctl_reconcile_overhead_go_cpu_us": spins["go"][1],
    }


def hops(cluster: Cluster, folder: Path, built: dict[str, Path], rounds: int) -> dict[str, list[float]]:
    """Seconds from a write of a nonce until the controller's write of it, of each side by turns."""
    config = f'[kubernetes]\nkubeconfig = "{cluster.kubeconfig}"\n'
    for number, side in enumerate(SIDES):
        language, _, parked = side.partition("_")
        idle_s = 0.0 if parked else modules.STAYS_S
        config += modules.ring_table(2 * number, built[language], idle_s=idle_s, more=modules.go_memory())
    stamps = objects.Stamps(cluster, objects.EVERYWHERE, lambda obj: obj["spec"].get("nonce"))
    found: dict[str, list[float]] = {side: [] for side in SIDES}
    api, numbers = cluster.api(), count()
    with Edged(folder, config) as edged:
        for number in range(rounds + 3):
            for place, side in enumerate(SIDES):
                nonce = f"nonce-{next(numbers)}"
                begun = time.perf_counter()
                objects.set_nonce(api, 2 * place, nonce)
                took = stamps.wait(f"{objects.namespace(2 * place + 1)}/{objects.NAME}", nonce) - begun
                if number >= 3:
                    found[side].append(took)
                wait_parked(edged)
    stamps.close()
    api.close()
    say(f"hops: {({side: round(median(each) * 1000, 2) for side, each in found.items()})} ms")
    return found


def wait_parked(edged: Edged) -> None:
    """Until those that do not stay are gone. Raises BenchError."""
    stay = sum(not side.endswith("_parked") for side in SIDES)
    deadline = time.monotonic() + WITHIN_S
    while edged.metric(INSTANCES) > stay:
        if time.monotonic() > deadline:
            raise BenchError("instances that should go stay")
        time.sleep(0.005)


def reconciles_us(cluster: Cluster, folder: Path, module: Path, seconds: float) -> tuple[float, float]:
    """Of a module that reads its object from the cache and asks for its key again: microseconds of time and of CPU for
    each, all of the queue and the instance included."""
    more = f"{modules.go_memory()}api_calls_per_s = 10000\n"
    config = f'[kubernetes]\nkubeconfig = "{cluster.kubeconfig}"\n'
    config += modules.ring_table(0, module, spin=True, more=more)
    with Edged(folder, config) as edged:
        deadline = time.monotonic() + WITHIN_S
        while edged.metric(RECONCILES) < 1000:
            if time.monotonic() > deadline:
                raise BenchError("a module that asks for its own key again is not reconciled")
            time.sleep(0.1)
        begun, cpu, before = time.perf_counter(), edged.cpu_s(), edged.metric(RECONCILES)
        time.sleep(seconds)
        done = edged.metric(RECONCILES) - before
        took, used = time.perf_counter() - begun, edged.cpu_s() - cpu
    say(f"{module.name}: {done / took:.0f} reconciles per second, {100 * used / took:.0f} % of a core")
    return round(took / done * 1e6, 1), round(used / done * 1e6, 1)


def figures(found: dict[str, list[float]], sizes: dict[str, int]) -> dict[str, Any]:
    """A wake is what a hop takes longer where the instance is gone: medians of both, which took turns."""
    p50 = {side: median(each) * 1000 for side, each in found.items()}
    return {
        "ctl_wake_ms": round(p50["zig_parked"] - p50["zig"], 2),
        "ctl_wake_go_ms": round(p50["go_parked"] - p50["go"], 2),
        "ctl_hop_ms": round(p50["zig"], 2),
        "ctl_hop_go_ms": round(p50["go"], 2),
        "ctl_wake_small_module_kb": round(sizes["zig"] / 1000, 1),
        "ctl_wake_go_module_kb": round(sizes["go"] / 1000, 1),
    }
