"""The same unmodified guest of the scheduler in edged and in a kube-scheduler with upstream's extension."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench import peers
from tests.bench.scheduling import (
    NODES,
    PODS,
    Bound,
    UnwatchedKubeScheduler,
    cluster_with_nodes,
    configuration,
    fresh_pods,
)
from tests.bench.support import BenchError, Edged, median, say
from tests.cluster.api import Api
from tests.cluster.cluster import Cluster

SCHEDULER = "kube-scheduler-with-wasm"
GUEST = "nodenumber.wasm"
ROUNDS = 2


def run(*, quick: bool = False) -> dict[str, Any]:
    scheduler, guest = peers.find(SCHEDULER), peers.find(GUEST)
    if scheduler is None or guest is None:
        say(peers.absence(SCHEDULER if scheduler is None else GUEST))
        return {}
    rounds, pods = (1, PODS // 10) if quick else (ROUNDS, PODS)
    ours, theirs = [], []
    with tempfile.TemporaryDirectory(prefix="edged-bench-") as name, cluster_with_nodes(nodes=NODES) as (cluster, api):
        for number in range(rounds):
            say(f"{pods} Pods on {NODES} nodes with upstream's guest: round {number + 1} of {rounds}")
            theirs.append(upstream(cluster, api, scheduler, guest, pods))
            ours.append(edged(cluster, api, Path(name), guest, pods))
            say(f"  upstream {theirs[-1]}, edged {ours[-1]}")
    return figures(ours, theirs, pods)


def upstream(cluster: Cluster, api: Api, scheduler: Path, guest: Path, pods: int) -> Bound:
    watch = fresh_pods(cluster, api, "default-scheduler", pods)
    profile = {
        "schedulerName": "default-scheduler",
        "plugins": {"multiPoint": {"enabled": [{"name": "NodeNumber"}]}},
        "pluginConfig": [{"name": "NodeNumber", "args": {"guestURL": f"file://{guest}"}}],
    }
    process = UnwatchedKubeScheduler(cluster, profiles=[profile], verbosity=0, program=scheduler)
    begun = time.perf_counter()
    with process:
        try:
            return watch.wait(begun)
        except BenchError as error:
            raise BenchError(f"{error}\n{process.log.read_text()[-2000:]}") from None


def edged(cluster: Cluster, api: Api, folder: Path, guest: Path, pods: int) -> Bound:
    """The guest says nothing about what its verdicts depend on, so it is asked about every node for every Pod."""
    watch = fresh_pods(cluster, api, "edged", pods)
    plugin = f'[[scheduler.plugin]]\nname = "NodeNumber"\nmodule = "file://{guest}"\n'
    process = Edged(folder, configuration(cluster) + plugin)
    begun = time.perf_counter()
    process.start(sampled=False)
    try:
        return watch.wait(begun)
    except BenchError as error:
        raise BenchError(f"{error}\n{process.log.read_text()[-2000:]}") from None
    finally:
        process.stop()


def figures(ours: list[Bound], theirs: list[Bound], pods: int) -> dict[str, Any]:
    """Pods per second of both, from the start of the process and from the first Pod with a node to the last."""
    found: dict[str, Any] = {}
    for index, end in enumerate(("", "_first_to_last")):
        edged, peer = (median([bound.rates(pods)[index] for bound in bounds]) for bounds in (ours, theirs))
        found[f"sched_wasm{end}_pods_per_s"] = round(edged, 1)
        found[f"upstream_wasm{end}_pods_per_s"] = round(peer, 1)
        found[f"sched_wasm_over_upstream{end}_{NODES}"] = round(edged / peer, 3)
    return found
