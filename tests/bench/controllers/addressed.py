"""Addresses for 1,000 attachments at once, by the network's own modules on a real API server."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.bench.controllers import network, objects
from tests.bench.support import Edged, median, say
from tests.cluster.cluster import Cluster

ATTACHMENTS, ROUNDS = 1000, 3
SUBNETS = (("10.1.0.0/23", 1), ("10.1.2.0/23", 1), ("10.2.0.0/23", 2), ("10.3.0.0/23", 3))
"""Room for twice as many."""
WITHIN_S = 300.0
RATE = "api_calls_per_s = 1000\n"


def run(*, quick: bool = False) -> dict[str, Any]:
    attachments, rounds = (100, 1) if quick else (ATTACHMENTS, ROUNDS)
    found = []
    with tempfile.TemporaryDirectory(prefix="edged-bench-") as name, Cluster() as cluster:
        api = cluster.api()
        network.define(cluster, api)
        api.close()
        for number in range(rounds):
            found.append(one_round(cluster, Path(name), number, attachments))
            say(f"addresses, round {number + 1} of {rounds}: {found[-1]}")
    return {
        "ctl_addressed_per_s": round(median([each["per_s"] for each in found]), 1),
        "ctl_addressed_first_to_last_per_s": round(median([each["between_per_s"] for each in found]), 1),
        "ctl_addressed_twice": sum(each["twice"] for each in found),
        "ctl_addressed_locks_too_many": sum(each["locks"] - attachments for each in found),
        "ctl_addressed_cpu_percent": round(median([each["cpu_percent"] for each in found]), 1),
        "ctl_addressed_rss_mib": round(median([each["rss"] for each in found]), 1),
        "ctl_addressed_pss_mib": round(median([each["pss"] for each in found]), 1),
    }


def one_round(cluster: Cluster, folder: Path, number: int, attachments: int) -> dict[str, float]:
    """The attachments are there and wait for their Subnets, which come last: so all are due at once. Counted is from
    the first Subnet's creation to the last address, as a watch of its own sees it."""
    namespace, api = f"round-{number}", cluster.api()
    api.create("/api/v1/namespaces", {"metadata": {"name": namespace}})
    wanted = [
        network.attachment(f"na-{n:04}", "node-a", f"subnet-{n % len(SUBNETS)}") for n in range(attachments)
    ]
    network.create_all(cluster, network.path(namespace, "networkattachments"), wanted)
    stamps = objects.Stamps(cluster, network.path(namespace, "networkattachments"), address_of)
    config = f'[kubernetes]\nkubeconfig = "{cluster.kubeconfig}"\n'
    config += network.subnets_table() + network.ipam_table(RATE)
    with Edged(folder, config) as edged:
        warm_up(edged, attachments)
        begun, cpu = time.perf_counter(), edged.cpu_s()
        for index, (cidr, vni) in enumerate(SUBNETS):
            body = network.subnet(f"subnet-{index}", cidr, vni + 10 * number)
            api.create(network.path(namespace, "subnets"), body)
        times = stamps.wait_count(attachments, WITHIN_S)
        used, (rss, pss) = edged.cpu_s() - cpu, edged.memory()
    stamps.close()
    locks = len(api.get(network.path(namespace, "iplocks"))["items"])
    api.delete(network.path(namespace, "networkattachments"))
    api.close()
    took = times[-1] - begun
    return {
        "per_s": attachments / took, "between_per_s": attachments / (times[-1] - times[0]), "locks": locks,
        "twice": given_twice(stamps.all()), "cpu_percent": 100 * used / took, "rss": rss, "pss": pss,
    }  # fmt: skip


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


def given_twice(seen: Iterable[tuple[str, tuple[int, str]]]) -> int:
    """Of all addresses that any attachment ever showed: how many were shown by more than one, or were one of several of
    the same attachment."""
    pairs = list(seen)
    return 2 * len(pairs) - len({key for key, _ in pairs}) - len({address for _, address in pairs})
