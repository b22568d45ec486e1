"""kos-agent: the fabric of each node holds what the attachments say, and nothing else."""

from __future__ import annotations

import random
from typing import Any

import pytest

from edged.controllers.core.codes import Code, Refused
from edged.fabric.errors import FabricError
from edged.fabric.interfaces import LocalInterface, RemoteInterface
from edged.fabric.memory import MemoryFabric
from edged.fabric.operations import carry_out
from tests.modules.controllers.api import Api
from tests.modules.controllers.host import Crash, Host, settle

NODES = {"n1": "192.0.2.1", "n2": "192.0.2.2", "n3": "192.0.2.3"}


class Agent(Host):
    """An agent and the fabric of its node, which outlives it."""

    def __init__(self, api: Api, node: str, there: MemoryFabric | None = None) -> None:
        self.there = there or MemoryFabric(NODES[node])
        super().__init__(api, "kos-agent", node=node, fabric=self._carried_out)

    def _carried_out(self, op: str, args: object) -> object:
        self.there.calls[op] += 1
        try:
            if op in self.there.failing:
                raise self.there.failing[op]
            return carry_out(self.there, op, args)
        except FabricError as error:
            raise Refused(Code[error.code], str(error)) from None


def agent(api: Api, node: str, there: MemoryFabric | None = None) -> Agent:
    return Agent(api, node, there)


def addressed(api: Api, name: str, node: str, ipv4: str, vni: int = 5, namespace: str = "ns") -> None:
    """An attachment with an address, as kos-ipam leaves it."""
    api.attachment(name, node=node, namespace=namespace)
    api.put_status("NetworkAttachment", name, {"ipv4": ipv4, "addressVNI": vni, "lockUID": "x"}, namespace)


def status(api: Api, name: str) -> dict[str, Any]:
    found: dict[str, Any] = api.one("NetworkAttachment", name)["status"]
    return found


def fabric_is_right(api: Api, host: Agent) -> None:
    shown = [each for each in api.of("NetworkAttachment") if each.get("status", {}).get("ipv4")]
    here = [each["status"] for each in shown if each["spec"]["node"] == host.node]
    local = {(each["addressVNI"], each["ipv4"]) for each in here}
    relevant = {vni for vni, _ in local}
    there = [each["status"] for each in shown if each["spec"]["node"] != host.node and each["status"].get("hostIP")]
    remote = {(s["addressVNI"], s["ipv4"]): s["hostIP"] for s in there if s["addressVNI"] in relevant}
    assert set(host.there.local) == local
    assert {key: each.host_ip for key, each in host.there.remote.items()} == remote
    watches = {each.id for each in host.view}
    assert watches == {"local"} | {f"vni-{vni}" for vni in relevant}


def test_nodes_of_a_network_learn_of_each_other_and_others_do_not() -> None:
    api = Api()
    hosts = [agent(api, node) for node in NODES]
    addressed(api, "a", "n1", "10.0.0.2")
    addressed(api, "b", "n2", "10.0.0.3")
    addressed(api, "c", "n3", "10.0.0.2", vni=6)
    settle(hosts)
    assert status(api, "a")["macAddress"] == "06:00:00:02:00:05" and status(api, "a")["ifcName"] == "kos060000020005"
    assert status(api, "a")["hostIP"] == "192.0.2.1" and status(api, "a")["readyTime"]
    first = hosts[0].there
    assert first.remote == {(5, "10.0.0.3"): RemoteInterface(5, "10.0.0.3", "192.0.2.2")}
    for host in hosts:
        fabric_is_right(api, host)
    api.remove("NetworkAttachment", "a")
    settle(hosts)
    assert first.local == first.remote == {}
    for host in hosts:
        fabric_is_right(api, host)


def test_ways_are_there_before_the_interface() -> None:
    api = Api()
    second = agent(api, "n2")
    addressed(api, "b", "n2", "10.0.0.3")
    settle([second])
    order: list[str] = []
    host = agent(api, "n1")
    host.fault = lambda when, number, what: order.append(what) if what.startswith("Create") else None
    addressed(api, "a", "n1", "10.0.0.2")
    host.settle()
    assert order[0] == "CreateRemoteIfc" and "CreateLocalIfc" in order


def test_a_restart_touches_nothing_that_is_right() -> None:
    api = Api()
    second = agent(api, "n2")
    fabric = MemoryFabric(NODES["n1"])
    host = agent(api, "n1", fabric)
    for number in range(2, 6):
        addressed(api, f"a{number}", "n1" if number % 2 else "n2", f"10.0.0.{number}")
    settle([host, second])
    api.remove("NetworkAttachment", "a3")
    fabric.create_remote(RemoteInterface(6, "10.0.0.9", "192.0.2.9"))
    fabric.create_local(LocalInterface(7, "10.0.0.9"))
    fabric.calls.clear()
    host = agent(api, "n1", fabric)
    host.settle()
    fabric_is_right(api, host)
    assert fabric.calls["CreateLocalIfc"] == fabric.calls["CreateRemoteIfc"] == 0
    assert fabric.calls["DeleteLocalIfc"] == 2 and fabric.calls["DeleteRemoteIfc"] == 1


def test_an_interface_that_cannot_be_made_is_said_and_tried_again() -> None:
    api = Api()
    host = agent(api, "n1")
    host.there.failing["CreateLocalIfc"] = FabricError("UNAVAILABLE", "no room")
    addressed(api, "a", "n1", "10.0.0.2")
    host.settle(3)
    assert status(api, "a")["errors"]["host"] == ["no room"]
    del host.there.failing["CreateLocalIfc"]
    host.settle(30)
    assert "errors" not in status(api, "a") and status(api, "a")["macAddress"]
    fabric_is_right(api, host)


def test_an_address_moves_to_another_node_while_watches_lag() -> None:
    api = Api()
    hosts = [agent(api, node) for node in ("n1", "n2")]
    addressed(api, "keep", "n1", "10.0.0.9")
    addressed(api, "a", "n2", "10.0.0.2")
    settle(hosts)
    first = hosts[0]
    api.remove("NetworkAttachment", "a")
    addressed(api, "b", "n1", "10.0.0.2")
    first.deliver("local")  # the other watch still shows a
    for _ in range(20):
        for key in first.ready()[:1]:
            first.reconcile(key)
    settle(hosts)
    for host in hosts:
        fabric_is_right(api, host)


def test_a_network_moves_to_another_namespace() -> None:
    api = Api()
    hosts = [agent(api, node) for node in ("n1", "n2")]
    addressed(api, "a", "n1", "10.0.0.2")
    addressed(api, "b", "n2", "10.0.0.3")
    settle(hosts)
    for name in ("a", "b"):
        api.remove("NetworkAttachment", name)
    addressed(api, "a", "n1", "10.0.0.3", namespace="other")
    addressed(api, "b", "n2", "10.0.0.2", namespace="other")
    settle(hosts)
    for host in hosts:
        fabric_is_right(api, host)


def some_change(api: Api, chance: random.Random) -> None:
    there = [each["metadata"]["name"] for each in api.of("NetworkAttachment")]
    statuses = [each.get("status", {}) for each in api.of("NetworkAttachment")]
    taken = {(each["addressVNI"], each["ipv4"]) for each in statuses if each.get("ipv4")}
    match chance.randrange(5):
        case 0 | 1 if there:
            api.remove("NetworkAttachment", chance.choice(there))
        case 2 if there:
            name = chance.choice(there)
            now = api.one("NetworkAttachment", name).get("status", {})
            api.put_status("NetworkAttachment", name, {k: now[k] for k in ("errors",) if k in now})
        case _:
            slot = chance.choice([5, 6, 7]), f"10.0.0.{chance.randrange(2, 8)}"
            name = f"a{chance.randrange(8)}"
            if slot not in taken and name not in there:
                addressed(api, name, chance.choice(list(NODES)), slot[1], slot[0])


@pytest.mark.parametrize("seed", range(40))
def test_random_lives(seed: int) -> None:
    """Attachments come, move and go, events come in any order between watches, agents are killed or dropped; then
    peace."""
    chance = random.Random(seed)
    api = Api()
    fabrics = {node: MemoryFabric(address) for node, address in NODES.items()}
    hosts = {node: agent(api, node, fabrics[node]) for node in NODES}

    def fault(now: str, request: int, what: str) -> None:
        dice = chance.random()
        if dice < 0.02:
            raise Crash
        if dice < 0.05 and now == "before" and what.endswith("Ifc"):
            raise Refused(Code.UNAVAILABLE, "try again")
        if dice > 0.9:
            some_change(api, chance)

    for host in hosts.values():
        host.fault = fault
    for _ in range(300):
        node = chance.choice(list(NODES))
        host = hosts[node]
        try:
            match chance.randrange(7):
                case 0 | 1:
                    some_change(api, chance)
                case 2 if behind := host.behind():
                    host.deliver(chance.choice(behind), most=chance.randrange(1, 6))
                case 3:
                    api.now_ms += chance.randrange(300)
                    if chance.random() < 0.1:
                        host.drop()
                case _ if ready := host.ready():
                    host.reconcile(chance.choice(ready))
        except Crash:
            host.start()
    for host in hosts.values():
        host.fault = lambda when, number, what: None
    settle(list(hosts.values()))
    for host in hosts.values():
        fabric_is_right(api, host)
