"""What happens to a virtual network, for any API server. Each story ends with the judge's verdict."""

from __future__ import annotations

import random

from tests.controllers.network.judge import Verdict
from tests.controllers.network.scene import Scene


def crowd(scene: Scene) -> Verdict:
    """More attachments than addresses, two daemons at once, each killed once on the way; addresses are given back and
    taken again; at last all go."""
    scene.daemon("one")
    scene.daemon("two")
    scene.subnet("s", "10.0.0.16/28", 7)
    for number in range(20):
        scene.attach(f"a{number}", "s")
        if number == 10:
            scene.kill("one")
    scene.daemon("one")
    judge = scene.comes_to(13)
    had = [
        name.name for name, obj in judge.objects.items()
        if name.kind == "NetworkAttachment" and name.namespace == scene.namespace and obj.get("status", {}).get("ipv4")
    ]  # fmt: skip
    for name in had[:5]:
        scene.remove("networkattachments", name)
        scene.attach(name, "s")
    scene.kill("two")
    scene.daemon("two")
    scene.comes_to(13)
    for number in range(20):
        scene.remove("networkattachments", f"a{number}")
    return scene.comes_to(0).verdict


SUBNETS = [("small", "10.1.0.4/30", 4, 4), ("exact", "10.1.0.8/29", 5, 7), ("full", "10.1.0.16/28", 13, 130)]
"""Name, addresses, how many of them attachments may have, how many want one."""


def contention(scene: Scene, vni: int, idle_s: float = 30.0) -> Verdict:
    """As many attachments as addresses, two more, ten times as many; a waiter is served when one goes; at last all
    go."""
    for name in ("one", "two"):
        scene.daemon(name, idle_s=idle_s)
    names: list[str] = []
    for name, ipv4, _, count in SUBNETS:
        scene.subnet(name, ipv4, vni)
        names += scene.attach_all(count, name)
    capacity = sum(each[2] for each in SUBNETS)
    judge = scene.comes_to(capacity)
    for subnet in ("small", "exact", "full"):
        shown = [
            name.name for name, obj in judge.objects.items()
            if name.kind == "NetworkAttachment" and obj["spec"]["subnet"] == subnet and obj["status"].get("ipv4")
        ]  # fmt: skip
        assert len(shown) == next(each[2] for each in SUBNETS if each[0] == subnet)
        scene.remove("networkattachments", shown[0])
        names.remove(shown[0])
    scene.comes_to(capacity - 1)  # nobody waits for the one of "small"
    for each in names:
        scene.remove("networkattachments", each)
    return scene.comes_to(0).verdict


def other_writer(scene: Scene, vni: int) -> Verdict:
    """Somebody writes the other half of each status, again and again, while addresses are given."""
    for name in ("one", "two"):
        scene.daemon(name)
    scene.subnet("first", "10.2.1.0/30", vni)
    scene.attach("first", "first")
    scene.comes_to(1)
    scene.subnet("s", "10.2.0.0/28", vni)
    names = scene.attach_all(8, "s")
    for number in range(1, 6):
        for name in names:
            scene.put_host_error(name, f"the {number}. time")
    judge = scene.comes_to(9)
    for name in names:
        assert scene.read(name)["status"]["errors"] == {"host": ["the 5. time"]}, "a write was lost"
    taken = [
        change.object["spec"]["ipv4"] for change in scene.watcher.changes
        if change.name.kind == "IPLock" and change.object is not None
    ]  # fmt: skip
    assert len(taken) == 9, "an attachment took a second lock"
    return judge.verdict


def created_again(scene: Scene, vni: int) -> Verdict:
    """Deleted and created under the same name while nobody looks: nothing of the old one is the new one's."""
    for name in ("one", "two"):
        scene.daemon(name)
    scene.subnet("s", "10.3.0.0/29", vni)
    names = scene.attach_all(5, "s")
    scene.comes_to(5)
    for name in ("one", "two"):
        scene.hold(name)
    old = {name: scene.read(name)["status"]["lockUID"] for name in names}
    for name in names[:4]:
        scene.remove("networkattachments", name)
        scene.attach(name, "s")
    for name in ("one", "two"):
        scene.go_on(name)
    judge = scene.comes_to(5)
    locks = {name: scene.read(name)["status"]["lockUID"] for name in names}
    assert locks[names[4]] == old[names[4]]
    assert not {locks[name] for name in names[:4]} & set(old.values())
    return judge.verdict


def late_news(scene: Scene, vni: int) -> Verdict:
    """One daemon hears of locks late, another of attachments: nobody has two locks, no address changes."""
    scene.daemon("one", late={"iplocks": 1.0})
    scene.daemon("two", late={"networkattachments": 1.0})
    scene.subnet("s", "10.4.0.0/28", vni)
    scene.attach_all(16, "s")
    judge = scene.comes_to(13)
    shown: dict[str, set[str]] = {}
    for change in scene.watcher.changes:
        if change.name.kind == "NetworkAttachment" and change.object and change.object.get("status", {}).get("ipv4"):
            shown.setdefault(change.name.name, set()).add(change.object["status"]["ipv4"])
    assert all(len(each) == 1 for each in shown.values()), shown
    return judge.verdict


def subnet_changes(scene: Scene, vni: int) -> Verdict:
    """A Subnet goes, comes with other addresses, in another network, and in another one's way: addresses follow."""
    for name in ("one", "two"):
        scene.daemon(name)
    scene.subnet("s", "10.5.0.0/28", vni)
    scene.attach_all(4, "s")
    scene.comes_to(4)
    scene.remove("subnets", "s")
    scene.comes_to(0)
    for ipv4, network in (("10.5.1.0/28", vni), ("10.5.1.0/28", vni + 1)):
        scene.subnet("s", ipv4, network)
        scene.comes_to(4)
        scene.remove("subnets", "s")
    scene.subnet("rival", "10.5.0.0/24", vni)
    scene.comes_to(0)
    scene.subnet("s", "10.5.0.0/28", vni)
    scene.refused("s")
    scene.comes_to(0)
    scene.remove("subnets", "rival")
    return scene.comes_to(4).verdict


RANGES = ["10.6.0.0/24", "10.6.0.0/25", "10.6.0.128/25", "10.6.1.0/24", "10.6.0.0/23"]


def contested(scene: Scene, vni: int, daemons: int) -> Verdict:
    """Subnets in each other's way in two namespaces come and go at random, a daemon is killed on the way; then they are
    deleted one after the other, and whoever is in nobody's way any more is validated."""
    chance, names = random.Random(daemons), [f"d{number}" for number in range(daemons)]
    for name in names:
        scene.daemon(name, modules=("kos-subnets",))
    there: list[tuple[str, str]] = []
    for step in range(40):
        if there and chance.random() < 0.4:
            namespace, name = there.pop(chance.randrange(len(there)))
            scene.remove("subnets", name, namespace)
        else:
            there.append((chance.choice([scene.namespace] * 3 + [scene.other_namespace]), f"s{step}"))
            scene.subnet(there[-1][1], chance.choice(RANGES), vni + chance.choice([0, 0, 1]), there[-1][0])
        if step == 20:
            scene.kill(names[0])
            scene.daemon(names[0], modules=("kos-subnets",))
    while there:
        scene.comes_to(0)
        namespace, name = there.pop()
        scene.remove("subnets", name, namespace)
    return scene.comes_to(0).verdict
