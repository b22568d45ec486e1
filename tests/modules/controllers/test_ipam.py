"""kos-ipam: whatever is lost, late or killed, an address belongs to one attachment, and no lock stays behind."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from edged.controllers.core.codes import Code, Refused
from tests.modules.controllers.api import Api
from tests.modules.controllers.host import Crash, Host, settle
from tests.modules.controllers.invariants import Watcher, quiet_state_is_right

CONFIG = {"graceMs": 1000}


def network(attachments: int, ipv4: str = "10.0.0.0/29") -> Api:
    api = Api()
    api.subnet(ipv4=ipv4)
    api.validate()
    for number in range(attachments):
        api.attachment(f"a{number}")
    return api


def addresses(api: Api) -> list[str]:
    return sorted(filter(None, (each.get("status", {}).get("ipv4") for each in api.of("NetworkAttachment"))))


@pytest.mark.parametrize(("ipv4", "capacity"), [("10.0.0.4/30", 4), ("10.0.0.8/29", 5), ("10.0.0.16/28", 13)])
@pytest.mark.parametrize("more", [0, 1, 30])
def test_a_subnet_gives_all_its_addresses_and_no_more(ipv4: str, capacity: int, more: int) -> None:
    api = network(capacity + more, ipv4)
    host = Host(api, "kos-ipam", config=CONFIG)
    host.settle(40)
    Watcher(api).check()
    assert len(set(addresses(api))) == capacity
    quiet_state_is_right(api)


def test_who_waits_is_served_when_addresses_become_free() -> None:
    api = network(12)
    host = Host(api, "kos-ipam", config=CONFIG)
    host.settle(200)
    waiting = [each["metadata"]["name"] for each in api.of("NetworkAttachment") if "ipv4" not in each["status"]]
    had = [each["metadata"]["name"] for each in api.of("NetworkAttachment") if "ipv4" in each["status"]]
    for name in had[:3]:
        api.remove("NetworkAttachment", name)
    before = api.now_ms
    host.settle(0)
    assert api.now_ms == before  # nobody had to wait for a back-off
    assert sum("ipv4" in api.one("NetworkAttachment", name)["status"] for name in waiting) == 3
    Watcher(api).check()


def test_everything_deleted_leaves_nothing() -> None:
    api = network(8)
    host = Host(api, "kos-ipam", config=CONFIG)
    host.settle(40)
    for number in range(8):
        api.remove("NetworkAttachment", f"a{number}")
    host.settle(40)
    assert api.of("IPLock") == [] and host.view.unsettled is not None
    api.attachment("b")
    host.settle(40)
    assert len(addresses(api)) == 1


def crash_at(number: int, when: str) -> Callable[[str, int, str], None]:
    def fault(now: str, request: int, what: str) -> None:
        if (now, request) == (when, number):
            raise Crash

    return fault


def lose_answer(number: int) -> Callable[[str, int, str], None]:
    def fault(now: str, request: int, what: str) -> None:
        if (now, request) == ("after", number) and not what.startswith(("get", "list")):
            raise Refused(Code.UNKNOWN, "the connection ended")

    return fault


def worked_off(host: Host) -> bool:
    """Whether the host did all it could; False where it was killed, and began anew."""
    try:
        host.settle(60)
    except Crash:
        host.fault = lambda when, number, what: None
        host.start()
        return False
    return True


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_every_request(when: str) -> None:
    """Of a life with a deletion in it. The address whose lock was there is the one that is shown afterwards."""
    number = 0
    while True:
        number += 1
        api = network(3)
        host, watcher = Host(api, "kos-ipam", config=CONFIG), Watcher(api)
        host.fault = crash_at(number, when)
        whole = worked_off(host)
        locked = {each["metadata"]["ownerReferences"][0]["name"]: each["spec"]["ipv4"] for each in api.of("IPLock")}
        whole &= worked_off(host)
        watcher.check()
        for each in api.of("NetworkAttachment"):
            name = each["metadata"]["name"]
            assert each["status"]["ipv4"] == locked.get(name, each["status"]["ipv4"])
        api.remove("NetworkAttachment", "a1")
        whole &= worked_off(host) and worked_off(host)
        worked_off(host)
        watcher.check()
        quiet_state_is_right(api)
        if whole:
            assert number > 9  # a lock, a look at the Subnet, a status for each of three
            return


def test_every_answer_lost_once() -> None:
    for number in range(1, 13):
        api = network(3)
        host = Host(api, "kos-ipam", config=CONFIG)
        host.fault = lose_answer(number)
        host.settle(60)
        api.remove("NetworkAttachment", "a1")
        host.settle(60)
        Watcher(api).check()
        quiet_state_is_right(api)


def test_somebody_else_writes_the_status_between() -> None:
    api = network(1)
    host = Host(api, "kos-ipam", config=CONFIG)

    def fault(now: str, request: int, what: str) -> None:
        is_first = "errors" not in api.one("NetworkAttachment", "a0").get("status", {})
        if now == "before" and what == "update NetworkAttachment" and is_first:
            api.put_status("NetworkAttachment", "a0", {"errors": {"host": ["busy"]}})

    host.fault = fault
    host.settle(60)
    status = api.one("NetworkAttachment", "a0")["status"]
    assert status["errors"] == {"host": ["busy"]} and status["ipv4"] and len(api.of("IPLock")) == 1
    Watcher(api).check()


def test_a_new_edition_inherits_nothing() -> None:
    """Deleted and created again while nobody looked; no garbage collector is there."""
    api = network(1)
    host = Host(api, "kos-ipam", config=CONFIG)
    host.settle(60)
    old = api.one("NetworkAttachment", "a0")["status"]
    api.remove("NetworkAttachment", "a0")
    api.attachment("a0")
    host.settle(60)
    new = api.one("NetworkAttachment", "a0")["status"]
    assert new["lockUID"] != old["lockUID"] and len(api.of("IPLock")) == 1
    Watcher(api).check()
    quiet_state_is_right(api)


@pytest.mark.parametrize("first", ["na", "lk"])
def test_events_of_one_kind_lag(first: str) -> None:
    api = network(4)
    hosts = [Host(api, "kos-ipam", config=CONFIG) for _ in range(2)]
    for host in hosts:
        for _ in range(40):
            host.deliver(first)
            for key in host.ready()[:1]:
                host.reconcile(key)
    had = addresses(api)
    settle(hosts)
    assert addresses(api) == had  # no churn
    Watcher(api).check()
    quiet_state_is_right(api)


def test_addresses_follow_the_subnet() -> None:
    api = network(3)
    host, watcher = Host(api, "kos-ipam", config=CONFIG), Watcher(api)
    host.settle(60)
    api.remove("Subnet", "s")
    host.settle(0.5)
    assert addresses(api) == [] and len(api.of("IPLock")) == 3  # so that it may come back
    api.subnet()
    api.validate()
    host.settle(60)
    assert len(addresses(api)) == 3
    api.remove("Subnet", "s")
    host.settle(60)
    assert api.of("IPLock") == []
    for ipv4, vni in (("10.9.0.0/29", 5), ("10.9.0.0/29", 6)):
        if api.of("Subnet"):
            api.remove("Subnet", "s")
        api.subnet(ipv4=ipv4, vni=vni)
        host.settle(60)  # not examined: nothing changes
        api.validate()
        host.settle(60)
        quiet_state_is_right(api)
        assert all(each.startswith("10.9.0.") for each in addresses(api))
    api.remove("Subnet", "s")
    api.subnet()
    api.validate(validated=False)
    host.settle(60)
    assert addresses(api) == [] == api.of("IPLock")
    assert "refused" in api.one("NetworkAttachment", "a0")["status"]["errors"]["ipam"][0]
    watcher.check()


def test_a_lock_that_somebody_deletes_is_taken_again() -> None:
    api = network(1)
    host = Host(api, "kos-ipam", config=CONFIG)
    host.settle(60)
    had = addresses(api)
    api.remove("IPLock", api.of("IPLock")[0]["metadata"]["name"])
    host.settle(60)
    assert addresses(api) == had
    quiet_state_is_right(api)


def test_a_subnet_in_use_stays() -> None:
    api = network(2)
    host = Host(api, "kos-ipam", config=CONFIG | {"inUseFinalizer": True})
    host.settle(60)
    assert api.one("Subnet", "s")["metadata"]["finalizers"] == ["subnets.network.edged.dev/in-use"]
    api.remove("Subnet", "s")
    api.attachment("late")
    host.settle(60)
    assert len(addresses(api)) == 2 and "being deleted" in str(api.one("NetworkAttachment", "late")["status"])
    for name in ("a0", "a1", "late"):
        api.remove("NetworkAttachment", name)
    host.settle(60)
    assert api.of("Subnet") == [] == api.of("IPLock")


def test_memory_may_be_lost_between_any_two_reconciles() -> None:
    api = network(7)
    host = Host(api, "kos-ipam", config=CONFIG)
    for _ in range(200):
        host.deliver()
        host.drop()
        for key in host.ready()[:1]:
            host.reconcile(key)
    host.settle(60)
    Watcher(api).check()
    quiet_state_is_right(api)


def change_something(api: Api, chance: random.Random) -> None:
    names = [each["metadata"]["name"] for each in api.of("NetworkAttachment")]
    there = {each["metadata"]["name"] for each in api.of("Subnet")}
    match chance.randrange(8):
        case 0 | 1 if names:
            api.remove("NetworkAttachment", chance.choice(names))
        case 2 | 3 | 4 if len(names) < 8 and (free := {f"a{n}" for n in range(8)} - set(names)):
            api.attachment(chance.choice(sorted(free)), chance.choice(["s", "t"]))
        case 5 if there:
            api.remove("Subnet", chance.choice(sorted(there)))
        case 6 if missing := sorted({"s", "t"} - there):
            name = chance.choice(missing)
            base = {"s": ["10.0.0.0/29", "10.0.0.0/30"], "t": ["10.0.1.0/30", "10.0.1.4/30"]}[name]
            api.subnet(name, chance.choice(base), chance.choice([5, 5, 6]))
            api.validate(name, validated=chance.random() < 0.8)


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("count", [1, 2])
def test_random_lives(seed: int, count: int) -> None:
    """Users, events in any order between kinds, kills and lost answers by the dice; then peace."""
    chance = random.Random(seed)
    api = network(4)
    hosts = [Host(api, "kos-ipam", config=CONFIG, seed=seed + n) for n in range(count)]
    watcher = Watcher(api)

    def fault(now: str, request: int, what: str) -> None:
        dice = chance.random()
        if dice < 0.02:
            raise Crash
        if now == "after" and dice < 0.05 and not what.startswith(("get", "list")):
            raise Refused(Code.UNKNOWN, "the connection ended")
        if dice > 0.9:  # the world goes on while a request is under way
            change_something(api, chance)

    for host in hosts:
        host.fault = fault
    for _ in range(250):
        host = chance.choice(hosts)
        match chance.randrange(6):
            case 0:
                change_something(api, chance)
            case 1 if behind := host.behind():
                host.deliver(chance.choice(behind), most=chance.randrange(1, 5))
            case 2:
                api.now_ms += chance.randrange(600)
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
    quiet_state_is_right(api)
