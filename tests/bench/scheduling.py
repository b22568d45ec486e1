"""edged as a scheduler beside kube-scheduler: from process start to every Pod bound, on a real API server.

20 to 1,000 nodes, 1,000 Pods that are there before the scheduler starts, rounds taken in turn. The start is the
moment before the process is created, so imports, listing and the first watch count for both. What is bound is read from
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

from tests.bench.heartbeats import Heartbeats
from tests.bench.support import BenchError, Edged, cpu_s, median, memory_mib, say
from tests.cluster.api import Api
from tests.cluster.cluster import NO_SERVICE_ACCOUNTS, Cluster, KubeScheduler

NODES, PODS = 100, 1000
ROUNDS = {20: 2, NODES: 3, 500: 1, 1000: 1}
"""Nodes -> rounds. More of them would say little more: with many nodes a round is long."""
NAMESPACE = "bench"
PODS_PATH = f"/api/v1/namespaces/{NAMESPACE}/pods"
# Nodes are created ready, by hand: nobody would take the taint of a new node away again.
DISABLED_ADMISSION = (*NO_SERVICE_ACCOUNTS, "TaintNodesByCondition")
ALL_BOUND_WITHIN_S = 180.0
IDLE_S = 20
MODULES = Path(__file__).parents[2] / "modules" / "scheduling"

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

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid


@dataclass(frozen=True, slots=True)
class Kind:
    """A way to run edged. `unique`: no Pod asks for what another does. `depends_on`: with device-fit, which filters,
    and power-aware, which scores, declared so; "" without guests."""

    unique: bool = False
    depends_on: str = ""

    def plugins(self) -> str:
        if not self.depends_on:
            return ""
        return "".join(
            f'[[scheduler.plugin]]\nname = "{name}"\nmodule = "file://{MODULES}/{name}/{name}.wasm"\n'
            f"depends_on = {self.depends_on}\n"
            for name in ("device-fit", "power-aware")
        )


def node(number: int, *, cordoned: bool = False) -> dict[str, Any]:
    capacity = {"cpu": "32", "memory": "128Gi", "pods": "110", "ephemeral-storage": "100Gi"}
    name = f"node-{number:03}"
    labels = {"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": f"zone-{number % 3}"}
    labels["device.edged.dev/camera"] = "9999"
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


def pod(number: int, scheduler: str, kind: Kind | None = None) -> dict[str, Any]:
    kind = kind or Kind()
    labels = {"app": f"application-{number % 10}"}
    if kind.depends_on:
        labels["edged.dev/device"] = "camera"
    container = {
        "name": "main",
        "image": "registry.example/team/application:1.2.3",
        "resources": {"requests": {"cpu": f"{50 + number % 1000 if kind.unique else 100}m", "memory": "64Mi"}},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"pod-{number:04}", "labels": labels},
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


def fresh_pods(cluster: Cluster, api: Api, scheduler: str, count: int, kind: Kind | None = None) -> BoundWatch:
    """`count` Pods without a node and no others; a watch that tells when they have one."""
    api.delete(PODS_PATH, grace_period_s=0)
    create_all(cluster, PODS_PATH, [pod(number, scheduler, kind) for number in range(count)])
    revision = api.get(f"{PODS_PATH}?limit=1")["metadata"]["resourceVersion"]
    return BoundWatch(cluster, revision, count)


def configuration(cluster: Cluster) -> str:
    return SCHEDULER.replace("KUBECONFIG", str(cluster.kubeconfig))


def edged_round(
    cluster: Cluster, api: Api, folder: Path, pods: int, kind: Kind | None = None, *, idle: bool = False
) -> tuple[Bound, dict[str, float]]:
    """`idle`: look on for a while when all are bound, nodes heart-beating."""
    kind = kind or Kind()
    watch = fresh_pods(cluster, api, "edged", pods, kind)
    edged = Edged(folder, configuration(cluster) + kind.plugins())
    begun = time.perf_counter()
    edged.start(sampled=False)
    try:
        bound = watch.wait(begun)
        name = "scheduler_scheduling_algorithm_duration_seconds"
        cycles = edged.metric(f"{name}_count")
        rss, pss = edged.memory()
        algorithm_ms = edged.metric(f"{name}_sum") / cycles * 1000
        seen = {"algorithm_ms": algorithm_ms, "cycles": cycles, "rss": rss, "pss": pss}
        if idle:
            seen["idle_cpu_percent"] = idle_cpu_percent(cluster, edged)
        return bound, seen
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
        rss, pss = memory_mib(scheduler.pid)
        return bound, {"rss": rss, "pss": pss}


def idle_cpu_percent(cluster: Cluster, edged: Edged) -> float:
    """CPU of edged while nodes report and nothing else happens."""
    api = cluster.api()
    heartbeats = Heartbeats(api)
    time.sleep(3)  # what the last bindings caused is over
    before = cpu_s(edged.process.pid)
    seconds = heartbeats.go_on(IDLE_S)
    used = cpu_s(edged.process.pid) - before
    api.close()
    return 100 * used / seconds


def without_scheduler_mib(cluster: Cluster, folder: Path) -> float:
    """edged's memory with neither admission nor scheduling."""
    with Edged(folder, f'[kubernetes]\nkubeconfig = "{cluster.kubeconfig}"\n') as edged:
        return edged.memory()[0]


def compare(nodes: int, pods: int, rounds: int, folder: Path) -> dict[str, list[Any]]:
    """Both schedulers in turn; at 100 nodes edged also, once, with unlike Pods and with guests."""
    found: dict[str, list[Any]] = {"ours": [], "theirs": [], "unique": [], "unknown": [], "declared": [], "bare": []}
    kinds = {"unique": Kind(unique=True), "unknown": Kind(depends_on='["unknown"]'),
             "declared": Kind(depends_on='["pod", "node"]')}  # fmt: skip
    with cluster_with_nodes(nodes=nodes) as (cluster, api):
        for number in range(rounds):
            say(f"scheduling {pods} Pods on {nodes} nodes: round {number + 1} of {rounds}")
            found["theirs"].append(kube_round(cluster, api, pods))
            last = number + 1 == rounds and nodes == NODES
            found["ours"].append(edged_round(cluster, api, folder, pods, idle=last))
            if last:
                for name, kind in kinds.items():
                    found[name].append(edged_round(cluster, api, folder, pods, kind))
                found["bare"].append(without_scheduler_mib(cluster, folder))
            for name in ("theirs", "ours", *kinds):
                if found[name]:
                    bound, seen = found[name][-1]
                    say(f"  {name}: first {bound.first_s:.2f} s, last {bound.last_s:.2f} s, {seen}")
    return found


def rate(rounds: list[tuple[Bound, dict[str, float]]], pods: int, *, whole: bool = True) -> float:
    """Pods per second: median of rounds, from the start of the process or between first and last."""
    return median([bound.rates(pods)[0 if whole else 1] for bound, _ in rounds])


def seen(rounds: list[tuple[Bound, dict[str, float]]], key: str) -> float:
    return median([figures[key] for _, figures in rounds if key in figures])


def run(*, quick: bool = False) -> dict[str, Any]:
    sizes = {NODES: 1} if quick else ROUNDS
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="edged-bench-") as name:
        for nodes, rounds in sizes.items():
            found = compare(nodes, PODS, rounds, Path(name))
            figures[f"sched_ratio_{nodes}"] = round(rate(found["ours"], PODS) / rate(found["theirs"], PODS), 3)
            if nodes == NODES:
                figures |= at_100_nodes(found)
    return figures


def at_100_nodes(found: dict[str, list[Any]]) -> dict[str, Any]:
    ours, theirs = found["ours"], found["theirs"]
    between = rate(ours, PODS, whole=False)
    return {
        "sched_pods_per_s": round(rate(ours, PODS), 1),
        "kube_scheduler_pods_per_s": round(rate(theirs, PODS), 1),
        "sched_ratio": round(rate(ours, PODS) / rate(theirs, PODS), 3),
        "sched_first_to_last_pods_per_s": round(between, 1),
        "kube_scheduler_first_to_last_pods_per_s": round(rate(theirs, PODS, whole=False), 1),
        "sched_first_bound_s": round(median([bound.first_s for bound, _ in ours]), 2),
        "kube_scheduler_first_bound_s": round(median([bound.first_s for bound, _ in theirs]), 2),
        "sched_first_bound_over_kube_scheduler": round(
            median([bound.first_s for bound, _ in ours]) / median([bound.first_s for bound, _ in theirs]), 2
        ),
        "sched_algorithm_ms": round(seen(ours, "algorithm_ms"), 3),
        "sched_algorithm_unique_ms": round(seen(found["unique"], "algorithm_ms"), 3),
        "sched_wasm_ratio_100": round(rate(found["unknown"], PODS, whole=False) / between, 3),
        "sched_wasm_declared_ratio_100": round(rate(found["declared"], PODS, whole=False) / between, 3),
        "sched_rss_mib": round(seen(ours, "rss"), 1),
        "sched_pss_mib": round(seen(ours, "pss"), 1),
        "sched_added_rss_mib": round(seen(ours, "rss") - median(found["bare"]), 1),
        "sched_idle_cpu_percent": round(seen(ours, "idle_cpu_percent"), 2),
        "kube_scheduler_rss_mib": round(seen(theirs, "rss"), 1),
    }
