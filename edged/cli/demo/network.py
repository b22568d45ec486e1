"""The part of the tour that is about controllers: a virtual network over two nodes (modules/controllers).

Both nodes are daemons on this machine with the fabric in memory. The first one has all three controllers, the second
one only the agent that every node has.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import trio

from edged.cli.network_definitions import GROUP, VERSION, definitions
from edged.errors import PeerError
from edged.kube.client import ApiClient

SECOND = "demo-2"
HOSTS = {"demo": "192.0.2.1", SECOND: "192.0.2.2"}
"""Addresses of the nodes towards each other, of those that are kept for documentation: nothing is ever sent there."""
MODULES = {name: f"controllers/{name}/{name}.wasm" for name in ("kos-subnets", "kos-ipam", "kos-agent")}
_ROOT = f"/apis/{GROUP}/{VERSION}/namespaces/default"
_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_EVENTS = '{ apiGroups = ["events.k8s.io"], resources = ["events"], verbs = ["create", "patch"] }'
_ALLOWED = {
    "kos-subnets": (("subnets", "list", "watch"), ("subnets/status", "update"), ("iplocks", "list")),
    "kos-ipam": (
        ("subnets", "get", "list", "watch"), ("networkattachments", "get", "list", "watch"),
        ("networkattachments/status", "update"), ("iplocks", "get", "list", "watch", "create", "delete"),
    ),
    "kos-agent": (("networkattachments", "get", "list", "watch"), ("networkattachments/status", "update")),
}  # fmt: skip


def controllers(node: str, modules: Path) -> str:
    """The part of an edged.toml that makes a node take part."""
    names = MODULES if node != SECOND else ("kos-agent",)
    tables = [_controller(name, modules / MODULES[name]) for name in names]
    return "\n".join([f'[fabric]\nbackend = "memory"\nhost_ip = "{HOSTS[node]}"\n', *tables])


def _controller(name: str, module: Path) -> str:
    rights = [
        f'{{ apiGroups = ["{GROUP}"], resources = ["{resource}"], verbs = {list(verbs)} }}'
        for resource, *verbs in _ALLOWED[name]
    ]
    lines = ["[[controller]]", f'name = "{name}"', f'module = "file://{module}"', "leader_election = false"]
    lines.append(f"allow = [{', '.join([*rights, _EVENTS])}]")
    if name == "kos-agent":
        lines.append('extensions = ["netfabric"]')
    return "\n".join(lines) + "\n"


def second_node(folder: Path, modules: Path) -> str:
    """The edged.toml of the second node."""
    return f"""
[node]
name = "{SECOND}"
state_dir = "{folder}/{SECOND}"
cache_dir = "{folder}/cache"
socket = "{folder}/{SECOND}.sock"

[kubernetes]
kubeconfig = "{folder}/kubeconfig"

[observability]
listen = ""

{controllers(SECOND, modules)}"""


class Network:
    """`asked` gives what a node's daemon answers over its status socket."""

    def __init__(self, client: ApiClient, asked: Callable[[str, str], dict[str, Any]]) -> None:
        self._client = client
        self._asked = asked

    async def define(self) -> None:
        """The kinds of virtual networks, for an API server that does not have them."""
        for definition in definitions().values():
            await self._client.request("POST", _DEFINITIONS, body=definition)

    async def subnet(self, name: str, ipv4: str, vni: int) -> dict[str, Any]:
        """Created and examined: its status."""
        await self._create("subnets", "Subnet", name, {"ipv4": ipv4, "vni": vni})
        return await self._comes_to("subnets", name, lambda status: "validated" in status or bool(status.get("errors")))

    async def attach(self, name: str, node: str, subnet: str) -> None:
        await self._create("networkattachments", "NetworkAttachment", name, {"node": node, "subnet": subnet})

    async def attached(self, name: str) -> dict[str, Any]:
        """It has an address and an interface: its status."""
        return await self._comes_to("networkattachments", name, lambda status: bool(status.get("hostIP")))

    async def fabric(self, node: str, guests: int) -> dict[str, Any]:
        """What the node's fabric has, once these are so many guests."""
        while True:
            with contextlib.suppress(PeerError):
                found = await trio.to_thread.run_sync(self._asked, node, "fabric")
                if len(found["local"]) + len(found["remote"]) == guests:
                    return found
            await trio.sleep(0.05)

    async def _create(self, resource: str, kind: str, name: str, spec: Mapping[str, object]) -> None:
        body = {"apiVersion": f"{GROUP}/{VERSION}", "kind": kind, "metadata": {"name": name}, "spec": spec}
        await self._client.request("POST", f"{_ROOT}/{resource}", body=body)

    async def _comes_to(self, resource: str, name: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        while True:
            status: dict[str, Any] = (await self._client.request("GET", f"{_ROOT}/{resource}/{name}")).get("status", {})
            if holds(status):
                return status
            await trio.sleep(0.02)


def fabric_lines(node: str, fabric: Mapping[str, Any]) -> list[str]:
    """A node's table, for people."""
    lines = [f"the fabric of {node} ({fabric['hostIP']}):"]
    lines += [f"    {each['guestIP']:<12} {each['guestMAC']}  here, {each['name']}" for each in fabric["local"]]
    lines += [f"    {each['guestIP']:<12} {each['guestMAC']}  behind {each['hostIP']}" for each in fabric["remote"]]
    return lines
