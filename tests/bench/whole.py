"""A whole small control plane's admission and scheduling: one edged that does both, beside policy-server and
kube-scheduler."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from tests.bench import creations
from tests.bench.added import POLICY
from tests.bench.heartbeats import Heartbeats
from tests.bench.peers import absence, find
from tests.bench.policies.generate import generate
from tests.bench.policy_server import NAME as POLICY_SERVER
from tests.bench.policy_server import Policy, PolicyServer
from tests.bench.scheduling import (
    NAMESPACE,
    PODS_PATH,
    SCHEDULER,
    UnwatchedKubeScheduler,
    cluster_with_nodes,
    pod,
)
from tests.bench.support import Edged, cpu_s, median, memory_mib, say
from tests.cluster.api import Api
from tests.cluster.cluster import Cluster

ROUNDS, SECONDS, PODS_PER_S = 2, 10, 5
SETTLED_S = 5.0
POLICIES = 10
EDGED, PEERS, NOTHING = "edged", "peers", "nothing"
RATIOS = {
    "memory": "rss_mib", "pss": "pss_mib", "cpu_idle": "cpu_idle_percent", "cpu_load": "cpu_load_percent"
}  # fmt: skip
Start = Callable[[Cluster, Api], AbstractContextManager[tuple[str, list[int]]]]
"""Runs a side: the name of its scheduler, "" for none, and its processes."""


def run(*, quick: bool = False) -> dict[str, Any]:
    say("building ten policies with the Rust SDK (once)")
    modules = generate(POLICIES)
    rounds, seconds = (1, 5) if quick else (ROUNDS, SECONDS)
    found: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory(prefix="edged-bench-") as name, cluster_with_nodes() as (cluster, api):
        folder = Path(name)
        sides: dict[str, Start] = {NOTHING: nothing, EDGED: partial(edged, folder, modules)}
        if find(POLICY_SERVER) is None:
            say(absence(POLICY_SERVER))
        else:
            sides[PEERS] = partial(peers, folder, modules)
        for number in range(rounds):
            for side, start in sides.items():
                if number and side == NOTHING:
                    continue
                say(f"{side}: idle, and {PODS_PER_S} Pods per second: round {number + 1} of {rounds}")
                found.setdefault(side, []).append(one_round(cluster, api, start, seconds))
    return figures(found)


# --- the sides


@contextmanager
def nothing(cluster: Cluster, api: Api) -> Iterator[tuple[str, list[int]]]:
    yield "", []


@contextmanager
def peers(folder: Path, modules: list[Path], cluster: Cluster, api: Api) -> Iterator[tuple[str, list[int]]]:
    """Without Kubewarden's controller, which would run as well."""
    policies = [Policy(f"p{number}", path) for number, path in enumerate(modules)]
    with (
        PolicyServer(folder, cluster.certificates, policies, kubeconfig=cluster.kubeconfig) as server,
        UnwatchedKubeScheduler(cluster, verbosity=0) as scheduler,
    ):
        urls = [server.url(each.name) for each in policies]
        creations.webhooks(api, NAMESPACE, urls, cluster.certificates.authority)
        yield "default-scheduler", [server.pid, scheduler.pid]


@contextmanager
def edged(folder: Path, modules: list[Path], cluster: Cluster, api: Api) -> Iterator[tuple[str, list[int]]]:
    config = SCHEDULER.replace("KUBECONFIG", str(cluster.kubeconfig))
    config += '[admission]\nlisten = "LISTEN"\nregister = "dynamic"\n'
    for number, path in enumerate(modules):
        config += POLICY.replace("NAME", f"p{number}").replace("MODULE", str(path)).replace("SIDE", NAMESPACE)
    with Edged(folder, config) as process:
        yield "edged", [process.process.pid]


# --- measuring


def one_round(cluster: Cluster, api: Api, start: Start, seconds: int) -> dict[str, float]:
    """RSS and PSS of a side together, in MiB; CPU of the side and the API server, idle and under load, in percent of a
    core."""
    api.delete(PODS_PATH, grace_period_s=0)
    api.delete(f"{creations.REGISTRATION}/validatingwebhookconfigurations")
    with start(cluster, api) as (scheduler, pids):
        if scheduler:
            creations.wait("a bad Pod is refused", lambda: creations.refusal(api, NAMESPACE))
            api.create(PODS_PATH, pod(9999, scheduler))
            creations.wait("a Pod is bound", lambda: bound(api) == 1)
        time.sleep(SETTLED_S)
        heartbeats = Heartbeats(api)
        found = cpu_percent(cluster, pids, "idle", lambda: heartbeats.go_on(seconds))
        create = partial(create_some, api, scheduler or "nobody")
        found |= cpu_percent(cluster, pids, "load", lambda: heartbeats.go_on(seconds, create))
        if scheduler:
            creations.wait("all Pods are bound", lambda: bound(api) == 1 + seconds * PODS_PER_S)
        each = [memory_mib(pid) for pid in pids]
        return found | {"rss": sum(rss for rss, _ in each), "pss": sum(pss for _, pss in each)}


def create_some(api: Api, scheduler: str, second: int) -> None:
    """A second's Pods, evenly."""
    begun = time.monotonic()
    for number in range(PODS_PER_S):
        api.create(PODS_PATH, pod(second * PODS_PER_S + number, scheduler))
        time.sleep(max(0.0, begun + (number + 1) * 0.9 / PODS_PER_S - time.monotonic()))


def bound(api: Api) -> int:
    return sum(bool(obj["spec"].get("nodeName")) for obj in api.get(PODS_PATH)["items"])


def cpu_percent(cluster: Cluster, pids: list[int], when: str, work: Callable[[], float]) -> dict[str, float]:
    """`work` says how many seconds it took."""
    counted = {f"cpu_{when}": pids, f"apiserver_{when}": [cluster.apiserver_pid]}
    before = {key: sum(map(cpu_s, of)) for key, of in counted.items()}
    seconds = work()
    return {key: 100 * (sum(map(cpu_s, of)) - before[key]) / seconds for key, of in counted.items()}


def figures(found: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Medians of the rounds; ratios where the peers were there. A side's CPU includes what the API server spends more
    than without any of them. null: edged's is lost in the noise."""

    def mid(side: str, key: str) -> float:
        return median([each[key] for each in found[side]])

    figures: dict[str, Any] = {}
    for side in found:
        if side == NOTHING:
            continue
        for key in ("rss", "pss"):
            figures[f"whole_{side}_{key}_mib"] = round(mid(side, key), 1)
        for when in ("idle", "load"):
            more = mid(side, f"apiserver_{when}") - mid(NOTHING, f"apiserver_{when}")
            figures[f"whole_{side}_cpu_{when}_percent"] = round(mid(side, f"cpu_{when}") + more, 2)
            figures[f"whole_{side}_apiserver_{when}_percent"] = round(more, 2)
    if PEERS in found:
        for name, key in RATIOS.items():
            ours, theirs = (figures[f"whole_{side}_{key}"] for side in (EDGED, PEERS))
            figures[f"whole_{name}_over_edged"] = round(theirs / ours, 2) if ours > 0 else None
    return figures
