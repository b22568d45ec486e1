"""The daemon with a real API server: what admission adds to a request, and reviews while Pods are scheduled or listed
again by the same process."""

from __future__ import annotations

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from tests.bench import creations
from tests.bench.admission import post
from tests.bench.creations import wait
from tests.bench.policies.generate import generate
from tests.bench.scheduling import (
    DISABLED_ADMISSION,
    NODES,
    PODS,
    PODS_PATH,
    SCHEDULER,
    UnwatchedKubeScheduler,
    cluster_with_nodes,
    create_all,
    fresh_pods,
    node,
    pod,
)
from tests.bench.support import BenchError, Edged, Load, median, pod_review, say
from tests.cluster.api import Api
from tests.cluster.cluster import Cluster

ROUNDS, SECONDS, BESIDE_ROUNDS = 3, 2, 2
RELISTED = 3000
RELIST_ATTEMPTS = 4
OUTAGE_S = 5.0
RELIST_SAID = "watch expired, listing again"

ADMISSION = """
[admission]
listen = "LISTEN"
register = "REGISTER"

[[admission.policy]]
name = "pods"
module = "file://MODULE"
rules = [{ apiGroups = [""], apiVersions = ["v1"], resources = ["pods"], operations = ["CREATE"] }]
namespace_selector = { matchLabels = { "kubernetes.io/metadata.name" = "webhook" } }
"""
KUBERNETES = """
[kubernetes]
kubeconfig = "KUBECONFIG"
"""


def run(*, quick: bool = False) -> dict[str, Any]:
    policy = generate(1)[0]
    with tempfile.TemporaryDirectory(prefix="edged-bench-") as name:
        folder = Path(name)
        return added(folder, policy, 2 if quick else ROUNDS) | beside(folder, policy, 1 if quick else BESIDE_ROUNDS)


# --- what admission adds


def added(folder: Path, policy: Path, rounds: int) -> dict[str, Any]:
    """Dry-run creation of one Pod in three namespaces in turn: without admission, with edged, with an equal
    ValidatingAdmissionPolicy."""
    kinds = ("none", "webhook", "vap")
    latencies: dict[str, list[dict[str, float]]] = {kind: [] for kind in kinds}
    with Cluster(disable_admission=DISABLED_ADMISSION) as cluster:
        api = cluster.api()
        for kind in kinds:
            creations.namespace(api, kind)
        creations.cel_policy(api, "bench", "vap")
        with Edged(folder, _configuration(cluster, policy, KUBERNETES, "dynamic")):
            for kind in ("webhook", "vap"):
                wait("admission is in effect", partial(creations.refusal, api, kind))
            if creations.refusal(api, "none"):
                raise BenchError("a privileged Pod was rejected in the namespace without admission")
            for number in range(rounds + 1):
                say(f"creating Pods with and without admission: round {number} of {rounds}, 0 to warm up")
                for kind in kinds:
                    measured = creations.load(cluster, kind, seconds=SECONDS)
                    if number:
                        latencies[kind].append(measured)
    return _added_figures(latencies)


def _added_figures(latencies: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    if any(each["failed"] for rounds in latencies.values() for each in rounds):
        raise BenchError(f"requests failed: {latencies}")
    p50 = {kind: [each["p50_ms"] for each in rounds] for kind, rounds in latencies.items()}
    edged = [webhook - none for webhook, none in zip(p50["webhook"], p50["none"], strict=True)]
    vap = [webhook - none for webhook, none in zip(p50["vap"], p50["none"], strict=True)]
    return {
        "create_p50_ms": round(median(p50["none"]), 3),
        "added_ms_p50": round(median(edged), 3),
        "vap_added_ms_p50": round(median(vap), 3),
        "added_ratio": round(median(edged) / median(vap), 2),
    }


# --- reviews while the same process schedules, or lists again


def beside(folder: Path, policy: Path, rounds: int) -> dict[str, Any]:
    with cluster_with_nodes(nodes=0) as (cluster, api):
        configuration = _configuration(cluster, policy, SCHEDULER, "none")
        with Edged(folder, configuration, log_level="info") as edged:
            if post(edged.url("pods"), pod_review())["allowed"] is not True:
                raise BenchError("the policy rejects the Pod of the measurement")
            return while_scheduling(cluster, api, edged, rounds) | while_relisting(cluster, api, edged)


def while_scheduling(cluster: Cluster, api: Api, edged: Edged, rounds: int) -> dict[str, Any]:
    """1,000 Pods that fit nowhere until nodes come. kube-scheduler places them, so that it is seen what the load of the
    machine alone does, and then edged, by turns."""
    beside_kube, beside_own, seconds = [], [], []
    for number in range(rounds):
        say(f"reviews while kube-scheduler, and while edged places {PODS} Pods: round {number + 1} of {rounds}")
        with UnwatchedKubeScheduler(cluster, verbosity=0):
            beside_kube.append(_reviews_while_nodes_come(cluster, api, edged, "default-scheduler")[0])
        measured, took = _reviews_while_nodes_come(cluster, api, edged, "edged")
        beside_own.append(measured)
        seconds.append(took)
    own, kube = (median([each["p99_ms"] for each in side]) for side in (beside_own, beside_kube))
    return {
        "review_p99_while_scheduling_ms": round(own, 3),
        "review_max_while_scheduling_ms": round(max(each["max_ms"] for each in beside_own), 1),
        "reviews_per_s_while_scheduling": round(median([each["per_s"] for each in beside_own])),
        "while_scheduling_pods_per_s": round(PODS / median(seconds), 1),
        "review_p99_beside_kube_scheduler_ms": round(kube, 3),
        "review_p99_while_scheduling_over_kube_scheduler": round(own / kube, 2),
    }


def _reviews_while_nodes_come(
    cluster: Cluster, api: Api, edged: Edged, scheduler: str
) -> tuple[dict[str, float], float]:
    """-> what wrk measured, seconds until all were bound."""
    api.delete("/api/v1/nodes")
    watch = fresh_pods(cluster, api, scheduler, PODS)
    conditions = f"{PODS_PATH}?limit=1&fieldSelector=metadata.name=pod-{PODS - 1:04}"
    wait("the last Pod was tried", lambda: api.get(conditions)["items"][0]["status"].get("conditions"))
    time.sleep(2.0)  # the Pods' first backoff: afterwards a new node makes them all schedulable at once
    load = Load(edged.url("pods"), pod_review(), connections=1, seconds=120)
    begun = time.perf_counter()
    create_all(cluster, "/api/v1/nodes", [node(number) for number in range(NODES)])
    bound = watch.wait(begun)
    return load.stop(), bound.last_s


def while_relisting(cluster: Cluster, api: Api, edged: Edged) -> dict[str, Any]:
    """kube-apiserver dies and comes back having forgotten the watches' revisions. wrk runs for one second at a time;
    the worst second counts, of those from when edged says that it lists again until it knows all Pods."""
    api.delete(PODS_PATH, grace_period_s=0)
    pods = [pod(number, "edged") for number in range(RELISTED)]
    for number, obj in enumerate(pods):
        obj["spec"]["nodeName"] = f"node-{number % NODES:03}"
    say(f"creating {RELISTED} Pods to be listed again")
    create_all(cluster, PODS_PATH, pods)
    api.close()
    for attempt in range(1, RELIST_ATTEMPTS + 1):
        say(f"reviews while {RELISTED} Pods are listed again: attempt {attempt}")
        measured = _one_relist(cluster, edged, attempt)
        if measured is not None:
            return measured
    raise BenchError(f"no new list of Pods was seen in {RELIST_ATTEMPTS} restarts of kube-apiserver")


def _one_relist(cluster: Cluster, edged: Edged, attempt: int) -> dict[str, Any] | None:
    """None when the list was not made anew: the watch went on where it was."""
    known = RELISTED + attempt
    wait("edged knows the Pods", lambda: _known_pods(edged) == known - 1)
    _write_something(cluster, attempt)
    said = _relists_said(edged)
    cluster.stop_apiserver()
    time.sleep(OUTAGE_S)
    windows = []
    with ThreadPoolExecutor(1) as thread:
        restarted = thread.submit(_restart, cluster, attempt)
        while _known_pods(edged) < known and not (restarted.done() and restarted.exception()):
            window = Load(edged.url("pods"), pod_review(), connections=1, seconds=1).result()
            if _relists_said(edged) > said:
                windows.append(window)
        restarted.result()
    if not windows:
        return None
    say(f"  p99 of each second: {[each['p99_ms'] for each in windows]} ms")
    return {
        "review_p99_while_relisting_ms": round(max(each["p99_ms"] for each in windows), 3),
        "review_max_while_relisting_ms": round(max(each["max_ms"] for each in windows), 1),
        "relist_windows": len(windows),
    }


def _write_something(cluster: Cluster, attempt: int) -> None:
    """Revisions that no watch of edged has seen: after its restart the server remembers none before them."""
    api = cluster.api()
    for number in range(3):
        api.create("/api/v1/namespaces/default/configmaps", {"metadata": {"name": f"other-{attempt}-{number}"}})
    api.close()


def _restart(cluster: Cluster, attempt: int) -> None:
    cluster.start_apiserver()
    last = pod(0, "edged")
    last["metadata"]["name"] = f"zz-last-{attempt}"  # lists are sorted by name: this comes last
    last["spec"]["nodeName"] = "node-000"
    api = cluster.api()
    api.create(PODS_PATH, last)
    api.close()


def _relists_said(edged: Edged) -> int:
    lines = edged.log.read_text().splitlines()
    return sum(RELIST_SAID in line and "pods" in line for line in lines)


def _known_pods(edged: Edged) -> int:
    for line in edged.get("/metrics").splitlines():
        if line.startswith("scheduler_cache_size{") and 'type="pods"' in line:
            return int(float(line.rsplit(" ", 1)[1]))
    raise BenchError("edged has no metric scheduler_cache_size of Pods")


# --- shared


def _configuration(cluster: Cluster, policy: Path, more: str, register: str) -> str:
    text = more.replace("KUBECONFIG", str(cluster.kubeconfig)) + ADMISSION
    return text.replace("REGISTER", register).replace("MODULE", str(policy))
