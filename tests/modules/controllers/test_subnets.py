"""kos-subnets: of Subnets in conflict at most one is validated, and one without rivals is, sooner or later."""

from __future__ import annotations

import random

import pytest

from edged.controllers.core.codes import Code, Refused
from tests.modules.controllers.api import Api
from tests.modules.controllers.host import Crash, Host, settle
from tests.modules.controllers.invariants import Watcher, subnets_are_judged


def verdicts(api: Api) -> dict[str, object]:
    return {each["metadata"]["name"]: each.get("status", {}).get("validated") for each in api.of("Subnet")}


def test_both_of_a_pair_are_refused_until_one_goes() -> None:
    api = Api()
    api.subnet("a", "10.0.0.0/24")
    api.subnet("b", "10.0.0.128/25")
    api.subnet("c", "10.0.1.0/24")
    api.subnet("d", "10.0.0.0/24", vni=6)
    host = Host(api, "kos-subnets")
    host.settle()
    assert verdicts(api) == {"a": False, "b": False, "c": True, "d": True}
    assert api.one("Subnet", "a")["status"]["errors"] == ["overlaps with Subnet ns/b (10.0.0.128/25) of VNI 5"]
    host.drop()
    api.remove("Subnet", "b")
    host.settle()
    assert verdicts(api) == {"a": True, "c": True, "d": True}
    assert "errors" not in api.one("Subnet", "a")["status"]


def test_a_virtual_network_is_in_one_namespace() -> None:
    api = Api()
    api.subnet("a", "10.0.0.0/24")
    host = Host(api, "kos-subnets")
    host.settle()
    api.subnet("b", "10.9.0.0/24", namespace="other")
    host.settle()
    assert verdicts(api) == {"a": True, "b": False}
    assert "in another namespace" in api.one("Subnet", "b", "other")["status"]["errors"][0]
    api.make("IPLock", "v1-5-10-0-0-2", {"vni": 5, "ipv4": "10.0.0.2"})
    api.remove("Subnet", "a")
    host.settle(10)
    assert verdicts(api) == {"b": False}  # an address of it is still in use there
    api.remove("IPLock", "v1-5-10-0-0-2")
    host.settle(10)
    assert verdicts(api) == {"b": True}


def test_what_no_schema_checked_is_refused() -> None:
    api = Api()
    api.subnet("a", "11.0.0.0/24")
    api.subnet("b", "10.0.0.1/24")
    api.subnet("c", "10.0.0.0/24", vni=1 << 21)
    Host(api, "kos-subnets").settle()
    assert verdicts(api) == {"a": False, "b": False, "c": False}


def test_the_name_of_a_rival_comes_to_another_subnet() -> None:
    """Deleted and created again between two looks: nobody sees that the name was free."""
    api = Api()
    api.subnet("a", "10.0.0.0/24")
    api.subnet("b", "10.0.0.128/25")
    host = Host(api, "kos-subnets")
    host.settle()
    api.remove("Subnet", "b")
    api.subnet("b", "10.7.0.0/24")
    host.settle()
    assert verdicts(api) == {"a": True, "b": True}


def test_a_rival_comes_and_goes_in_a_gap_of_the_watch() -> None:
    """Only the live list ever showed it: no event says that it went."""
    api = Api()
    api.subnet("s", "10.0.0.0/24")
    host = Host(api, "kos-subnets")
    api.subnet("t", "10.0.0.0/24")
    while keys := host.ready():
        host.reconcile(keys[0])
        host.relist(unseen="t")
    assert verdicts(api) == {"s": False, "t": None}
    api.remove("Subnet", "t")
    host.relist(unseen="t")
    host.settle(10)
    assert verdicts(api) == {"s": True}
    assert not host.later


def test_admission() -> None:
    api = Api()
    host = Host(api, "kos-subnets")
    one = api.subnet("a", "10.0.0.0/24")
    host.settle()

    def asked(ipv4: str, vni: int, operation: str = "CREATE", namespace: str = "ns") -> tuple[bool, int]:
        obj = {"metadata": {"name": "x", "namespace": namespace}, "spec": {"ipv4": ipv4, "vni": vni}}
        verdict = host.admit(operation, obj, one if operation == "UPDATE" else None)
        assert verdict.allowed or verdict.message
        return verdict.allowed, verdict.code

    assert asked("10.1.0.0/24", 5) == (True, 0)
    assert asked("10.0.0.0/25", 5) == (False, 409)
    assert asked("10.1.0.0/24", 5, namespace="other") == (False, 409)
    assert asked("10.0.0.0/25", 6) == (True, 0)
    assert asked("8.8.8.0/24", 5) == (False, 422)
    assert asked("10.0.0.0/24", 5, "UPDATE") == (True, 0)
    assert asked("10.0.0.0/24", 6, "UPDATE") == (False, 422)


RANGES = ["10.0.0.0/24", "10.0.0.0/25", "10.0.0.128/25", "10.0.1.0/24", "10.0.0.0/23"]


def some_change(api: Api, chance: random.Random) -> None:
    there = [(each["metadata"]["namespace"], each["metadata"]["name"]) for each in api.of("Subnet")]
    if there and chance.random() < 0.4:
        namespace, name = chance.choice(there)
        api.remove("Subnet", name, namespace)
        return
    place = chance.choice(["ns", "ns", "other"]), f"s{chance.randrange(5)}"
    if place not in there:
        api.subnet(place[1], chance.choice(RANGES), chance.choice([5, 5, 6]), place[0])


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("count", [1, 2, 3])
def test_random_lives(seed: int, count: int) -> None:
    chance = random.Random(seed)
    api = Api()
    hosts = [Host(api, "kos-subnets") for _ in range(count)]
    watcher = Watcher(api)

    def fault(now: str, request: int, what: str) -> None:
        dice = chance.random()
        if dice < 0.02:
            raise Crash
        if now == "after" and dice < 0.06 and what.startswith("update"):
            raise Refused(Code.UNKNOWN, "the connection ended")
        if dice > 0.7:
            some_change(api, chance)

    for host in hosts:
        host.fault = fault
    for _ in range(200):
        host = chance.choice(hosts)
        match chance.randrange(5):
            case 0:
                some_change(api, chance)
            case 1:
                host.deliver(most=chance.randrange(1, 4))
            case 2:
                api.now_ms += chance.randrange(300)
            case _ if ready := host.ready():
                try:
                    host.reconcile(chance.choice(ready))
                except Crash:
                    host.start()
        watcher.check()
    for host in hosts:
        host.fault = lambda when, number, what: None
    settle(hosts)
    watcher.check()
    subnets_are_judged(api)
