"""Reviews while the same daemon audits 1,000 Pods of a real API server, beside reviews while it does not.

Both take turns in one run, one connection each. The audit must be under way all the time: how many objects it looked
at while reviews were answered, and how many per second when it has the daemon to itself, are told beside the ratio,
so that an audit which merely stops would be seen.
"""

from __future__ import annotations

import json
import socket
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from tests.bench.admission import policy, post
from tests.bench.policies.generate import generate
from tests.bench.scheduling import cluster_with_nodes, create_all, pod
from tests.bench.support import ROOT, BenchError, Edged, Load, median, pod_review, rss_mib, say
from tests.cluster.cluster import Cluster

PODS = 1000
ROUNDS, SECONDS = 3, 5
PODS_PATH = "/api/v1/namespaces/default/pods"
CRDS = ROOT / "config" / "crds" / "reports" / "policyreports.yaml"
RULES = 'rules = [{ apiGroups = [""], apiVersions = ["v1"], resources = ["pods"], operations = ["CREATE"] }]'
CONFIG = """
[kubernetes]
kubeconfig = "KUBECONFIG"
[admission]
listen = "LISTEN"
register = "none"
audit_interval_s = 0
"""


class Audits(threading.Thread):
    """Audits one after the other, asked for over the status socket, until `stop`."""

    def __init__(self, edged: Edged) -> None:
        super().__init__(daemon=True)
        self.scanned = 0
        self.problems: list[str] = []
        self.last: dict[str, Any] = {}
        self._socket = str(edged.socket)
        self._connection: socket.socket | None = None
        self._going_on = True
        self.first = threading.Event()

    def run(self) -> None:
        while self._going_on:
            try:
                self.once()
            except OSError:
                return

    def once(self) -> dict[str, Any]:
        """One whole run; its summary."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            self._connection = connection
            connection.connect(self._socket)
            connection.sendall(b'{"operation": "audit", "details": "all"}\n')
            with connection.makefile("rb") as lines:
                for line in lines:
                    reply = json.loads(line)
                    if "report" in reply.get("progress", ()):
                        self.scanned += 1
                        self.first.set()
                    elif "result" in reply:
                        self.last = reply["result"]["audit"]
                        self.problems += self.last["problems"]
        return self.last

    def stop(self) -> None:
        """Hanging up ends the run."""
        self._going_on = False
        if self._connection is not None:
            self._connection.shutdown(socket.SHUT_RDWR)
        self.join(10)


def run(*, quick: bool = False) -> dict[str, Any]:
    module = generate(1)[0]
    rounds = 2 if quick else ROUNDS
    with tempfile.TemporaryDirectory(prefix="edged-bench-") as name, cluster_with_nodes(nodes=0) as (cluster, api):
        _install(cluster)
        say(f"creating {PODS} Pods to audit")
        create_all(cluster, PODS_PATH, [pod(number, "nobody") for number in range(PODS)])
        api.close()
        config = CONFIG.replace("KUBECONFIG", str(cluster.kubeconfig)) + policy("pods", module, RULES)
        with Edged(Path(name), config) as edged:
            post(edged.url("pods"), pod_review(), 100)
            before = rss_mib(edged.process.pid)
            alone = _alone(edged)
            return alone | _rounds(edged, rounds) | {
                "audit_added_rss_mib": round(rss_mib(edged.process.pid) - before, 1)
            }  # fmt: skip


def _install(cluster: Cluster) -> None:
    cluster.kubectl("apply", "-f", str(CRDS))
    cluster.kubectl("wait", "--for=condition=Established", "crd/policyreports.wgpolicyk8s.io", "--timeout=30s")


def _alone(edged: Edged) -> dict[str, Any]:
    """How fast one audit is when nobody else wants anything."""
    say("an audit on its own")
    begun = time.perf_counter()
    found = Audits(edged).once()
    seconds = time.perf_counter() - begun
    if found["problems"] or found["scanned"] < PODS or found["reports_written"] < PODS:
        raise BenchError(f"the audit is not whole: {found}")
    return {"audit_objects_per_s": round(found["scanned"] / seconds, 1)}


def _rounds(edged: Edged, rounds: int) -> dict[str, Any]:
    without: list[dict[str, float]] = []
    beside: list[dict[str, float]] = []
    objects = 0
    for number in range(rounds):
        say(f"reviews without and beside an audit: round {number + 1} of {rounds}")
        without.append(_load(edged))
        audits = Audits(edged)
        audits.start()
        if not audits.first.wait(30):
            raise BenchError("no audit begins")
        begun = audits.scanned
        beside.append(_load(edged))
        objects += audits.scanned - begun
        audits.stop()
        if audits.problems:
            raise BenchError(f"the audit had problems: {audits.problems}")
    if any(each["failed"] for each in without + beside):
        raise BenchError(f"requests failed: {without + beside}")
    ratios = [b["p99_ms"] / a["p99_ms"] for a, b in zip(without, beside, strict=True)]
    return {
        "audit_admission_p99_ratio": round(median(ratios), 2),
        "audit_admission_p99_ms": round(median([each["p99_ms"] for each in beside]), 3),
        "audit_admission_p50_ms": round(median([each["p50_ms"] for each in beside]), 3),
        "no_audit_admission_p99_ms": round(median([each["p99_ms"] for each in without]), 3),
        "no_audit_admission_p50_ms": round(median([each["p50_ms"] for each in without]), 3),
        "audit_objects_per_s_beside_reviews": round(objects / (rounds * SECONDS), 1),
    }


def _load(edged: Edged) -> dict[str, float]:
    return Load(edged.url("pods"), pod_review(), connections=1, seconds=SECONDS).result()
