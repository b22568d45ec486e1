"""Addresses for 1,000 attachments at once, by the network's own modules on a real API server."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.bench.controllers import network, objects
from tests.bench.creations import wait
from tests.bench.support import Edged, median, say
from tests.cluster.api import Api
from tests.cluster.cluster import Cluster

ATTACHMENTS, ROUNDS = 1000, 3
SUBNETS = (("10.1.0.0/23", 1), ("10.1.2.0/23", 1), ("10.2.0.0/23", 2), ("10.3.0.0/23", 3))
"""Room for twice as many."""
WITHIN_S = 120.0
RATE = "api_calls_per_s = 1000\n"
CONCURRENCY = 8
"""Instances of kos-ipam that work at the same time: an address is three requests, one after the other."""


def run(*, quick: bool = False) -> dict[str, Any]:
    attachments, rounds = (100, 1) if quick else (ATTACHMENTS, ROUNDS)
    found: dict[int, list[dict[str, float]]] = {1: [], CONCURRENCY: []}
    with tempfile.TemporaryDirectory(prefix="edged-bench-") as name, Cluster() as cluster:
        api = cluster.api()
        network.define(cluster, api)
        api.close()
        for number in range(rounds):
            for concurrency in (1, CONCURRENCY):
                place = f"round-{number}-{concurrency}"
                vnis = 10 * (2 * number + (concurrency > 1))
                found[concurrency].append(one_round(cluster, Path(name), place, vnis, attachments, concurrency))
                say(f"addresses, {place} of {rounds}: {found[concurrency][-1]}")
    return figures(found)


def one_round(
    cluster: Cluster, folder: Path, namespace: str, vnis: int, attachments: int, concurrency: int
) -> dict[str, float]:
    """The attachments are there and wait for their Subnets, which come last: so all are due at once. Counted is from
    the first Subnet's creation to the last address, as a watch of its own sees it."""
    api = cluster.api()
    api.create("/api/v1/namespaces", {"metadata": {"name": namespace}})
    wanted = [
        network.attachment(f"na-{n:04}", "node-a", f"subnet-{n % len(SUBNETS)}") for n in range(attachments)
    ]
    network.create_all(cluster, network.path(namespace, "networkattachments"), wanted)
    stamps = objects.Stamps(cluster, network.path(namespace, "networkattachments"), address_of)
    config = f'[kubernetes]\nkubeconfig = "{cluster.kubeconfig}"\n'
    config += network.subnets_table() + network.ipam_table(RATE, concurrency=concurrency)
    with Edged(folder, config) as edged:
        warm_up(edged, attachments)
        begun, cpu = time.perf_counter(), edged.cpu_s()
        for index, (cidr, vni) in enumerate(SUBNETS):
            body = network.subnet(f"subnet-{index}", cidr, vni + vnis)
            api.create(network.path(namespace, "subnets"), body)
        times = stamps.wait_count(attachments, WITHIN_S)
        used, (rss, pss) = edged.cpu_s() - cpu, edged.memory()
        locks = count_locks(api, namespace)
        api.delete(network.path(namespace, "networkattachments"))
        wait("all locks are given up", lambda: count_locks(api, namespace) == 0)
    stamps.close()
    api.close()
    took = times[-1] - begun
    return {
        "per_s": attachments / took, "between_per_s": attachments / (times[-1] - times[0]),
        "locks": locks - attachments,
        "twice": given_twice(stamps.all()), "cpu_percent": 100 * used / took, "rss": rss, "pss": pss,
    }  # fmt: skip


def count_locks(api: Api, namespace: str) -> int:
    return len(api.get(network.path(namespace, "iplocks"))["items"])


def warm_up(edged: Edged, attachments: int) -> None:
    """Until all attachments were looked at once and wait for their Subnets."""
    deadline = time.monotonic() + WITHIN_S
    while edged.metric("edged_controller_reconciles_total") < attachments and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1.0)


def address_of(obj: Mapping[str, Any]) -> tuple[int, str] | None:
    """(VNI, address) of an attachment that has one."""
    status = obj.get("status", {})
    return (status["addressVNI"], status["ipv4"]) if status.get("ipv4") else None


def figures(found: Mapping[int, list[dict[str, float]]]) -> dict[str, Any]:
    """Medians of the rounds with several instances; what must not be is counted over all rounds."""
    rounds, alone = found[CONCURRENCY], found[1]
    everything = [*rounds, *alone]
    return {
        "ctl_addressed_per_s": round(median([each["per_s"] for each in rounds]), 1),
        "ctl_addressed_first_to_last_per_s": round(median([each["between_per_s"] for each in rounds]), 1),
        "ctl_addressed_by_one_instance_per_s": round(median([each["per_s"] for each in alone]), 1),
        "ctl_addressed_twice": sum(each["twice"] for each in everything),
        "ctl_addressed_locks_too_many": sum(each["locks"] for each in everything),
        "ctl_addressed_cpu_percent": round(median([each["cpu_percent"] for each in rounds]), 1),
        "ctl_addressed_rss_mib": round(median([each["rss"] for each in rounds]), 1),
        "ctl_addressed_pss_mib": round(median([each["pss"] for each in rounds]), 1),
    }


def given_twice(seen: Iterable[tuple[str, tuple[int, str]]]) -> int:
    """Of all addresses that any attachment ever showed: how many were shown by more than one, or were one of several of
    the same attachment."""
    pairs = list(seen)
    return 2 * len(pairs) - len({key for key, _ in pairs}) - len({address for _, address in pairs})
