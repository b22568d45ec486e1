"""A node with nothing but the network's agent: edged with that one module, beside an agent in Go that does the same."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench.controllers import network
from tests.bench.controllers.go_side import GoControllers
from tests.bench.creations import wait
from tests.bench.support import Edged, median, say
from tests.cluster.api import Api
from tests.cluster.cluster import Cluster

ROUNDS = 2
NAMESPACE, NODE, HOST_IP = "agents", "node-a", "192.0.2.1"
NETWORKS, LOCAL, REMOTE = 3, 4, 10
"""Networks, and attachments of each: on this node and on others."""
SETTLED_S = 5.0
OURS, GO = "edged", "go"
Measured = tuple[float, float]


def run(*, quick: bool = False) -> dict[str, Any]:
    found: dict[str, list[Measured]] = {OURS: [], GO: []}
    with tempfile.TemporaryDirectory(prefix="edged-bench-") as name, Cluster() as cluster:
        api, folder = cluster.api(), Path(name)
        network.define(cluster, api)
        api.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        create_attachments(api)
        with edged(cluster, folder):  # compiles the module: a node is started more than once
            wait("edged's agent is at work", lambda: implemented(api) == NETWORKS * LOCAL)
        sides = {OURS: edged, GO: go}
        for number in range(1 if quick else ROUNDS):
            for side, start in sides.items():
                forget(api)
                with start(cluster, folder) as memory:
                    wait(f"the agent of {side} is at work", lambda: implemented(api) == NETWORKS * LOCAL)
                    time.sleep(SETTLED_S)
                    found[side].append(memory())
                say(f"agent alone, {side}, round {number + 1}: {found[side][-1]} MiB (RSS, PSS)")
        api.close()
    return figures(found)


@contextmanager
def edged(cluster: Cluster, folder: Path) -> Iterator[Callable[[], Measured]]:
    config = f'[kubernetes]\nkubeconfig = "{cluster.kubeconfig}"\n'
    with Edged(folder, config + network.fabric_table(HOST_IP) + network.agent_table(), node=NODE) as process:
        yield process.memory


@contextmanager
def go(cluster: Cluster, folder: Path) -> Iterator[Callable[[], Measured]]:
    with GoControllers(cluster, folder, "agent", [["-node", NODE, "-host-ip", HOST_IP]]) as process:
        yield process.memory


def create_attachments(api: Api) -> None:
    """With addresses already, those on other nodes implemented: nothing but the agent is at work here."""
    for vni in range(1, NETWORKS + 1):
        for number in range(LOCAL + REMOTE):
            local = number < LOCAL
            name, node = f"na-{vni}-{number}", NODE if local else f"node-{number % 5}-elsewhere"
            api.create(collection(), network.attachment(name, node, f"subnet-{vni}"))
            status = {"ipv4": f"10.{vni}.0.{number + 2}", "addressVNI": vni, "subnetCreationTime": None}
            write_status(api, name, status | ({} if local else {"hostIP": f"192.0.2.{10 + number % 5}"}))


def collection() -> str:
    return network.path(NAMESPACE, "networkattachments")


def write_status(api: Api, name: str, status: dict[str, Any]) -> None:
    found = api.get(f"{collection()}/{name}")
    found["status"] = {key: value for key, value in status.items() if value is not None}
    api.request("PUT", f"{collection()}/{name}/status", found)


def local_ones(api: Api) -> list[dict[str, Any]]:
    return [obj for obj in api.get(collection())["items"] if obj["spec"]["node"] == NODE]


def implemented(api: Api) -> int:
    """How many local attachments have their interface."""
    return sum(bool(obj.get("status", {}).get("hostIP")) for obj in local_ones(api))


def forget(api: Api) -> None:
    """What an agent wrote of its interfaces."""
    for obj in local_ones(api):
        kept = {key: obj["status"][key] for key in ("ipv4", "addressVNI")}
        write_status(api, obj["metadata"]["name"], kept)


def figures(found: dict[str, list[Measured]]) -> dict[str, Any]:
    """Medians of the rounds. The figure with a goal is RSS: nothing else on the node shares edged's pages."""
    mid = {side: [median([each[i] for each in rounds]) for i in (0, 1)] for side, rounds in found.items()}
    return {
        "ctl_agent_only_mib": round(mid[OURS][0], 1),
        "ctl_agent_only_pss_mib": round(mid[OURS][1], 1),
        "ctl_agent_go_rss_mib": round(mid[GO][0], 1),
        "ctl_agent_go_pss_mib": round(mid[GO][1], 1),
        "ctl_agent_over_go": round(mid[OURS][1] / mid[GO][1], 2),
    }
