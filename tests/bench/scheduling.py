"""edged as a scheduler beside kube-scheduler: from process start to every Pod bound, on a real API server.

100 nodes, 1,000 Pods that are there before the scheduler starts, rounds taken in turn. The start is the moment
before the process is created, so imports, listing and the first watch count for both. What is bound is read from
one watch of this process, with the same cost for both.
"""

from __future__ import annotations

import http.client
import ssl
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from tests.bench.support import BenchError, Edged, median, memory_mib, say
from tests.kube.api import Api
from tests.kube.cluster import NO_SERVICE_ACCOUNTS, Cluster, KubeScheduler

NODES, PODS, ROUNDS = 100, 1000, 3
NAMESPACE = "bench"
PODS_PATH = f"/api/v1/namespaces/{NAMESPACE}/pods"
# Nodes are created ready, by hand: nobody would take the taint of a new node away again.
DISABLED_ADMISSION = (*NO_SERVICE_ACCOUNTS, "TaintNodesByCondition")
ALL_BOUND_WITHIN_S = 180.0

SCHEDULER = """
[kubernetes]
kubeconfig = "KUBECONFIG"

[scheduler]
names = ["edged"]
"""


@dataclass(frozen=True, slots=True)
class Bound:
    """Seconds since the start of the process: when the first and the last Pod was bound."""

    first_s: float
    last_s: float

    def rates(self, pods: int) -> tuple[float, float]:
        """Pods per second, from the start and between first and last."""
        return pods / self.last_s, (pods - 1) / max(self.last_s - self.first_s, 1e-6)


class BoundWatch:
    """Counts Pods of the namespace that get a node, from a revision on, in a thread of its own."""

    def __init__(self, cluster: Cluster, revision: str, pods: int) -> None:
        self._cluster, self._pods = cluster, pods
        self._times: dict[str, float] = {}
        self._done = threading.Event()
        self._lines = self._open(revision)
        threading.Thread(target=self._read, daemon=True).start()

    def wait(self, begun: float) -> Bound:
        """Raises BenchError when they are not all bound in time."""
        if not self._done.wait(ALL_BOUND_WITHIN_S):
            raise BenchError(f"only {len(self._times)} of {self._pods} Pods bound in {ALL_BOUND_WITHIN_S:g} s")
        times = self._times.values()
        return Bound(min(times) - begun, max(times) - begun)

    def _open(self, revision: str) -> http.client.HTTPResponse:
        context = ssl.create_default_context(cafile=str(self._cluster.certificates.authority))
        address = self._cluster.url.removeprefix("https://")
        connection = http.client.HTTPSConnection(address, context=context, timeout=ALL_BOUND_WITHIN_S)
        headers = {"Authorization": f"Bearer {self._cluster.token}", "Accept": "application/json"}
        connection.request("GET", f"{PODS_PATH}?watch=true&resourceVersion={revision}", headers=headers)
        return connection.getresponse()

    def _read(self) -> None:
        while len(self._times) < self._pods:
            if line := self._lines.readline():
                if b'"nodeName":"' in line:
                    self._is_bound(orjson.loads(line)["object"])
            else:
                self._resume()
        self._lines.close()
        self._done.set()

    def _is_bound(self, obj: dict[str, Any]) -> None:
        self._times.setdefault(obj["metadata"]["name"], time.perf_counter())

    def _resume(self) -> None:
        """An API server that is very busy ends watches that it could not serve in time."""
        api = self._cluster.api()
        found = api.get(PODS_PATH)
        api.close()
        for obj in found["items"]:
            if obj["spec"].get("nodeName"):
                self._is_bound(obj)
        self._lines = self._open(found["metadata"]["resourceVersion"])


class UnwatchedKubeScheduler(KubeScheduler):
    """One that is not asked whether it is ready: the questions would cost it time that is measured."""

    def _is_ready(self) -> bool:
        return True

    def memory(self) -> tuple[float, float]:
        assert self._process is not None
        return memory_mib(self._process.pid)


def node(number: int, *, cordoned: bool = False) -> dict[str, Any]:
    capacity = {"cpu": "32", "memory": "128Gi", "pods": "110", "ephemeral-storage": "100Gi"}
    name = f"node-{number:03}"
    labels = {"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": f"zone-{number % 3}"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": {"unschedulable": True} if cordoned else {},
        "status": {
            "capacity": capacity,
            "allocatable": capacity,
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "ready"}],
        },
    }


def pod(number: int, scheduler: str) -> dict[str, Any]:
    container = {
        "name": "main",
        "image": "registry.example/team/application:1.2.3",
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"pod-{number:04}", "labels": {"app": f"application-{number % 10}"}},
        "spec": {"schedulerName": scheduler, "containers": [container], "terminationGracePeriodSeconds": 0},
    }


def create_all(cluster: Cluster, path: str, objects: list[dict[str, Any]]) -> None:
    """On four connections."""

    def some(part: list[dict[str, Any]]) -> None:
        api = cluster.api()
        for obj in part:
            api.create(path, obj)
        api.close()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(some, [objects[n::4] for n in range(4)]))


@contextmanager
def cluster_with_nodes(*, cordoned: bool = False, nodes: int = NODES) -> Iterator[tuple[Cluster, Api]]:
    with Cluster(disable_admission=DISABLED_ADMISSION) as cluster:
        api = cluster.api()
        api.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        create_all(cluster, "/api/v1/nodes", [node(number, cordoned=cordoned) for number in range(nodes)])
        yield cluster, api


def fresh_pods(cluster: Cluster, api: Api, scheduler: str, count: int) -> BoundWatch:
    """`count` Pods without a node and no others; a watch that tells when they have one."""
    api.delete(PODS_PATH, grace_period_s=0)
    create_all(cluster, PODS_PATH, [pod(number, scheduler) for number in range(count)])
    revision = api.get(f"{PODS_PATH}?limit=1")["metadata"]["resourceVersion"]
    return BoundWatch(cluster, revision, count)


def configuration(cluster: Cluster) -> str:
    return SCHEDULER.replace("KUBECONFIG", str(cluster.kubeconfig))


def edged_round(cluster: Cluster, api: Api, folder: Path, pods: int) -> tuple[Bound, dict[str, float]]:
    watch = fresh_pods(cluster, api, "edged", pods)
    edged = Edged(folder, configuration(cluster))
    begun = time.perf_counter()
    edged.start(sampled=False)
    try:
        bound = watch.wait(begun)
        name = "scheduler_scheduling_algorithm_duration_seconds"
        cycles = edged.metric(f"{name}_count")
        rss, pss = edged.memory()
        algorithm_ms = edged.metric(f"{name}_sum") / cycles * 1000
        return bound, {"algorithm_ms": algorithm_ms, "cycles": cycles, "rss": rss, "pss": pss}
    except BenchError as error:
        raise BenchError(f"{error}\n{edged.log.read_text()[-2000:]}") from None
    finally:
        edged.stop()


def kube_round(cluster: Cluster, api: Api, pods: int) -> tuple[Bound, dict[str, float]]:
    watch = fresh_pods(cluster, api, "default-scheduler", pods)
    scheduler = UnwatchedKubeScheduler(cluster, verbosity=0)
    begun = time.perf_counter()
    with scheduler:
        bound = watch.wait(begun)
        rss, pss = scheduler.memory()
        return bound, {"rss": rss, "pss": pss}


def run(*, quick: bool = False) -> dict[str, Any]:
    rounds, pods = (1, PODS) if quick else (ROUNDS, PODS)
    ours, theirs, more, their_more = [], [], [], []
    with cluster_with_nodes() as (cluster, api), tempfile.TemporaryDirectory(prefix="edged-bench-") as name:
        for number in range(rounds):
            say(f"scheduling {pods} Pods: round {number + 1} of {rounds}")
            bound, seen = kube_round(cluster, api, pods)
            theirs.append(bound)
            their_more.append(seen)
            say(f"  kube-scheduler: first {bound.first_s:.2f} s, last {bound.last_s:.2f} s")
            bound, seen = edged_round(cluster, api, Path(name), pods)
            ours.append(bound)
            more.append(seen)
            say(f"  edged: first {bound.first_s:.2f} s, last {bound.last_s:.2f} s, {seen}")
    our_rates, their_rates = [b.rates(pods) for b in ours], [b.rates(pods) for b in theirs]
    whole, between = median([r[0] for r in our_rates]), median([r[1] for r in our_rates])
    kube_whole, kube_between = median([r[0] for r in their_rates]), median([r[1] for r in their_rates])
    return {
        "sched_pods_per_s": round(whole, 1),
        "kube_scheduler_pods_per_s": round(kube_whole, 1),
        "sched_ratio": round(whole / kube_whole, 3),
        "sched_first_to_last_pods_per_s": round(between, 1),
        "kube_scheduler_first_to_last_pods_per_s": round(kube_between, 1),
        "sched_first_bound_s": round(median([b.first_s for b in ours]), 2),
        "kube_scheduler_first_bound_s": round(median([b.first_s for b in theirs]), 2),
        "sched_algorithm_ms": round(median([m["algorithm_ms"] for m in more]), 3),
        "sched_rss_mib": round(median([m["rss"] for m in more]), 1),
        "sched_pss_mib": round(median([m["pss"] for m in more]), 1),
        "kube_scheduler_rss_mib": round(median([m["rss"] for m in their_more]), 1),
    }
