"""The network's objects and controllers, for those measurements that are about them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from tests.bench.controllers.modules import Table
from tests.bench.creations import wait
from tests.bench.support import ROOT, BenchError
from tests.cluster.api import Api, ApiFailure
from tests.cluster.cluster import Cluster

GROUP: Final = "network.edged.dev"
API: Final = f"/apis/{GROUP}/v1alpha1"
ATTACHMENTS: Final = f"{API}/networkattachments"
DEFINITIONS: Final = ROOT / "config" / "crds" / "network"
MODULES: Final = ROOT / "modules" / "controllers"
CONNECTIONS: Final = 4


def define(cluster: Cluster, api: Api) -> None:
    """The kinds, and wait until they are served."""
    cluster.kubectl("apply", "-f", str(DEFINITIONS))
    for plural in ("subnets", "networkattachments", "iplocks"):
        wait(f"{plural} are served", lambda plural=plural: is_served(api, f"{API}/{plural}"))  # type: ignore[misc]


def is_served(api: Api, address: str) -> bool:
    try:
        api.get(address)
    except ApiFailure:
        return False
    return True


def path(namespace: str, plural: str) -> str:
    return f"{API}/namespaces/{namespace}/{plural}"


def subnet(name: str, cidr: str, vni: int) -> dict[str, Any]:
    kind = {"apiVersion": f"{GROUP}/v1alpha1", "kind": "Subnet"}
    return {**kind, "metadata": {"name": name}, "spec": {"ipv4": cidr, "vni": vni}}


def attachment(name: str, node: str, of: str) -> dict[str, Any]:
    kind = {"apiVersion": f"{GROUP}/v1alpha1", "kind": "NetworkAttachment"}
    return {**kind, "metadata": {"name": name}, "spec": {"node": node, "subnet": of}}


def create_all(cluster: Cluster, address: str, objects: Sequence[dict[str, Any]]) -> None:
    """On some connections at once."""

    def some(part: Sequence[dict[str, Any]]) -> None:
        api = cluster.api()
        for obj in part:
            api.create(address, obj)
        api.close()

    with ThreadPoolExecutor(CONNECTIONS) as threads:
        list(threads.map(some, [objects[n::CONNECTIONS] for n in range(CONNECTIONS)]))


# --- the controllers


def module(name: str) -> Path:
    found = MODULES / name / f"{name}.wasm"
    if not found.exists():
        raise BenchError(f"{found} is missing: python modules/build.py {name}")
    return found


def subnets_table(more: str = "") -> str:
    return Table(name="kos-subnets", module=module("kos-subnets"), config={}, rules=[
        rule(["subnets"], ["get", "list", "watch"]), rule(["subnets/status"], ["update"]), rule(["iplocks"], ["list"]),
        events(),
    ], more=more).text()  # fmt: skip


def ipam_table(more: str = "", *, concurrency: int = 1) -> str:
    return Table(name="kos-ipam", module=module("kos-ipam"), config={"concurrency": concurrency}, rules=[
        rule(["subnets", "networkattachments"], ["get", "list", "watch"]),
        rule(["networkattachments/status"], ["update"]),
        rule(["iplocks"], ["create", "get", "list", "watch", "delete"]), events(),
    ], more=more).text()  # fmt: skip


def agent_table(more: str = "") -> str:
    return Table(name="kos-agent", module=module("kos-agent"), config={}, rules=[
        rule(["networkattachments"], ["get", "list", "watch"]), rule(["networkattachments/status"], ["update"]),
        events(),
    ], more=f'extensions = ["netfabric"]\n{more}').text()  # fmt: skip


def fabric_table(host_ip: str) -> str:
    """In memory."""
    return f'[fabric]\nbackend = "memory"\nhost_ip = "{host_ip}"\n'


def rule(resources: list[str], verbs: list[str]) -> dict[str, Any]:
    return {"apiGroups": [GROUP], "resources": resources, "verbs": verbs}


def events() -> dict[str, Any]:
    return {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]}
