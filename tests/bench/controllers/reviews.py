"""Reviews of one connection while the network gives 100 addresses per second: in the same process, in another one, and
while nothing happens."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from tests.bench.admission import post
from tests.bench.controllers import network
from tests.bench.controllers.addressed import CONCURRENCY, RATE, SUBNETS
from tests.bench.creations import wait
from tests.bench.policies.generate import generate
from tests.bench.support import BenchError, Edged, Load, median, pod_review, say
from tests.cluster.api import Api
from tests.cluster.cluster import Cluster

ROUNDS, SECONDS, PER_S = 3, 8, 100
QUIET, APART, SAME = "quiet", "apart", "same"
ADMISSION = """
[admission]
listen = "LISTEN"
register = "none"

[[admission.policy]]
name = "pods"
module = "file://MODULE"
rules = [{ apiGroups = [""], apiVersions = ["v1"], resources = ["pods"], operations = ["CREATE"] }]
"""


def run(*, quick: bool = False) -> dict[str, Any]:
    policy = generate(1)[0]
    rounds, seconds = (1, 2) if quick else (ROUNDS, SECONDS)
    found: dict[str, list[dict[str, float]]] = {QUIET: [], APART: [], SAME: []}
    with tempfile.TemporaryDirectory(prefix="edged-bench-") as name, Cluster() as cluster:
        api = cluster.api()
        network.define(cluster, api)
        namespaces = count()
        for number in range(rounds):
            for side in found:
                with running(cluster, Path(name), policy, side) as edged:
                    found[side].append(one_round(cluster, api, edged, side, next(namespaces), seconds))
                say(f"reviews, {side}, round {number + 1} of {rounds}: {found[side][-1]}")
        api.close()
    return figures(found)


@contextmanager
def running(cluster: Cluster, folder: Path, policy: Path, side: str) -> Iterator[Edged]:
    """The edged that is asked for reviews; the controllers are in it or in another one."""
    kubernetes = f'[kubernetes]\nkubeconfig = "{cluster.kubeconfig}"\n'
    controllers = network.subnets_table() + network.ipam_table(RATE, concurrency=CONCURRENCY)
    admission = ADMISSION.replace("MODULE", str(policy))
    if side != APART:
        with Edged(folder, kubernetes + admission + controllers) as edged:
            yield edged
        return
    with Edged(folder, kubernetes + controllers), Edged(folder, kubernetes + admission) as edged:
        yield edged


def one_round(
    cluster: Cluster, api: Api, edged: Edged, side: str, number: int, seconds: int
) -> dict[str, float]:
    namespace = f"round-{number}"
    api.create("/api/v1/namespaces", {"metadata": {"name": namespace}})
    for index, (cidr, vni) in enumerate(SUBNETS):
        api.create(network.path(namespace, "subnets"), network.subnet(f"subnet-{index}", cidr, vni + 10 * number))
    wait("the Subnets are validated", lambda: validated(api, namespace) == len(SUBNETS))
    if post(edged.url("pods"), pod_review())["allowed"] is not True:
        raise BenchError("the policy rejects the Pod of the measurement")
    attachments = seconds * PER_S if side != QUIET else 0
    creating = threading.Thread(target=create_evenly, args=(cluster, namespace, attachments))
    load = Load(edged.url("pods"), pod_review(), connections=1, seconds=seconds)
    creating.start()
    measured = load.result()
    creating.join()
    wait("all have addresses", lambda: addressed(api, namespace) == attachments)
    api.delete(network.path(namespace, "networkattachments"))
    if measured["failed"]:
        raise BenchError(f"reviews failed: {measured}")
    return measured


def create_evenly(cluster: Cluster, namespace: str, attachments: int) -> None:
    api, begun = cluster.api(), time.monotonic()
    for number in range(attachments):
        time.sleep(max(0.0, begun + number / PER_S - time.monotonic()))
        wanted = network.attachment(f"na-{number:04}", "node-a", f"subnet-{number % len(SUBNETS)}")
        api.create(network.path(namespace, "networkattachments"), wanted)
    api.close()


def validated(api: Api, namespace: str) -> int:
    found = api.get(network.path(namespace, "subnets"))["items"]
    return sum(bool(obj.get("status", {}).get("validated")) for obj in found)


def addressed(api: Api, namespace: str) -> int:
    found = api.get(network.path(namespace, "networkattachments"))["items"]
    return sum(bool(obj.get("status", {}).get("ipv4")) for obj in found)


def figures(found: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """`review_p99_beside_controllers` compares with the same load on the same machine, given by another process."""
    p99 = {side: median([each["p99_ms"] for each in rounds]) for side, rounds in found.items()}
    return {
        "review_p99_beside_controllers": round(p99[SAME] / p99[APART], 2),
        "review_p99_beside_controllers_over_quiet": round(p99[SAME] / p99[QUIET], 2),
        **{f"review_p99_controllers_{side}_ms": round(value, 3) for side, value in p99.items()},
        **{f"reviews_per_s_controllers_{side}": round(median([each["per_s"] for each in rounds]))
           for side, rounds in found.items()},
    }  # fmt: skip
