"""From an attachment's status to the other node's fabric: two agents in two daemons, ten attachments per second."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.bench.controllers import network, objects
from tests.bench.controllers.fabric_helper import FabricHelper, Guest
from tests.bench.creations import wait
from tests.bench.support import BenchError, Edged, say
from tests.cluster.api import Api
from tests.cluster.cluster import Cluster

ATTACHMENTS, PER_S = 300, 10
NODES = {"node-a": "192.0.2.1", "node-b": "192.0.2.2"}
NETWORKS = 3
NAMESPACE = "fabric"


def run(*, quick: bool = False) -> dict[str, Any]:
    attachments = 30 if quick else ATTACHMENTS
    with tempfile.TemporaryDirectory(prefix="edged-bench-") as name, Cluster() as cluster:
        api, folder = cluster.api(), Path(name)
        network.define(cluster, api)
        api.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        helpers = {node: FabricHelper(folder / f"{node}.sock", ip) for node, ip in NODES.items()}
        configs = {node: f'[kubernetes]\nkubeconfig = "{cluster.kubeconfig}"\n{helper.config()}{network.agent_table()}'
                   for node, helper in helpers.items()}  # fmt: skip
        configs["node-a"] += network.subnets_table() + network.ipam_table()
        address = network.path(NAMESPACE, "networkattachments")
        stamps = objects.Stamps(cluster, address, implemented)
        with (
            Edged(folder, configs["node-a"], node="node-a"),
            Edged(folder, configs["node-b"], node="node-b"),
        ):
            create_evenly(api, helpers, attachments)
            wait("both fabrics have all", lambda: all(complete(each, attachments) for each in helpers.values()))
        seen = {guest: stamp for (_, guest), stamp in stamps.all().items()}
        stamps.close()
        api.close()
    return figures(delays(seen, helpers.values()), delays(local_of(helpers.values()), helpers.values()))


def create_evenly(api: Api, helpers: Mapping[str, FabricHelper], attachments: int) -> None:
    """One attachment of each node in each network first: so both are interested in all of them."""
    for vni in range(1, NETWORKS + 1):
        api.create(network.path(NAMESPACE, "subnets"), network.subnet(f"subnet-{vni}", f"10.{vni}.0.0/22", vni))
    for number in range(2 * NETWORKS):
        create(api, f"first-{number}", number)
    wait("the first ones are everywhere", lambda: all(complete(each, 0) for each in helpers.values()))
    begun = time.monotonic()
    for number in range(attachments):
        time.sleep(max(0.0, begun + number / PER_S - time.monotonic()))
        create(api, f"na-{number:04}", number)


def create(api: Api, name: str, number: int) -> None:
    node, subnet = list(NODES)[number % 2], f"subnet-{number // 2 % NETWORKS + 1}"
    api.create(network.path(NAMESPACE, "networkattachments"), network.attachment(name, node, subnet))


def complete(helper: FabricHelper, attachments: int) -> bool:
    return len(helper.local) + len(helper.remote) == attachments + 2 * NETWORKS


def implemented(obj: Mapping[str, Any]) -> Guest | None:
    """The guest of an attachment whose agent said that its interface is there."""
    status = obj.get("status", {})
    return (status["addressVNI"], status["ipv4"]) if status.get("hostIP") and status.get("ipv4") else None


def local_of(helpers: Iterable[FabricHelper]) -> dict[Guest, float]:
    return {guest: stamp for helper in helpers for guest, stamp in helper.local.items()}


def delays(begun: Mapping[Guest, float], helpers: Iterable[FabricHelper]) -> list[float]:
    """Seconds until the other node's entry, in order; below zero where the watch that judges was later than the other
    agent's. Raises BenchError where an entry has no beginning."""
    ended = {guest: stamp for helper in helpers for guest, stamp in helper.remote.items()}
    if missing := set(ended) - set(begun):
        raise BenchError(f"nothing is known of {len(missing)} entries, {min(missing)} is one")
    found = sorted(stamp - begun[guest] for guest, stamp in ended.items())
    say(f"{len(found)} entries, the slowest after {found[-1] * 1000:.1f} ms")
    return found


def figures(status: list[float], interface: list[float]) -> dict[str, Any]:
    """Of both ways to count, in milliseconds."""
    shown = {"ctl_fabric": status, "ctl_fabric_interface": interface}
    return {
        f"{name}_{label}_ms": round(values[int(len(values) * part)] * 1000, 2)
        for name, values in shown.items()
        for label, part in (("p50", 0.5), ("p99", 0.99))
    } | {"ctl_fabric_entries": len(status)}
