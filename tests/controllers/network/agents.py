"""What agents have to bring about, as seen from outside of them: tables of the fabric, streams on the line."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping

from edged.fabric.interfaces import LocalInterface, RemoteInterface
from tests.controllers.network.judge import Name, Object
from tests.controllers.network.scene import PATIENCE_S, Scene
from tests.controllers.network.watcher import Behind

NODES = {"edge-1": 1, "edge-2": 2}
Interface = LocalInterface | RemoteInterface


def agents_are_done(scene: Scene, shown: int) -> str:
    """Until so many attachments show an address, each node's fabric is what they say, and its streams are those of its
    networks and one more. Then what there is, for a person."""
    deadline = time.monotonic() + PATIENCE_S
    while wrong := _all_wrong(scene, shown):
        assert time.monotonic() < deadline, wrong
        time.sleep(0.1)  # what is waited for is in several processes
    lines = []
    for node in scene.nodes:
        fabric, streams = scene.nodes[node].stand.fabric, scene.nodes[node].line.streams("networkattachments")
        networks = {each.vni for each in fabric.list_local()}
        lines.append(f"informers = VNIs + 1: {node} has {len(streams)} streams, {len(networks)} VNIs, "
                     f"{len(fabric.local)} local and {len(fabric.remote)} remote interfaces")  # fmt: skip
    return "\n".join(lines)


def _all_wrong(scene: Scene, shown: int) -> list[str]:
    try:
        judge = scene.watcher.judged()
    except Behind as behind:
        return [str(behind)]
    count = [] if judge.verdict.shown == shown else [f"{judge.verdict.shown} attachments with an address"]
    return count + judge.at_rest() + [each for node in scene.nodes for each in _wrong(scene, node, judge.objects)]


def _wrong(scene: Scene, node: str, objects: Mapping[Name, Object]) -> Iterator[str]:
    found, fabric = scene.nodes[node], scene.nodes[node].stand.fabric
    attachments = [obj for obj in objects.values() if obj["kind"] == "NetworkAttachment"]
    shown = [obj for obj in attachments if obj.get("status", {}).get("ipv4")]
    wanted = {each for obj in shown if (each := interface_of(obj, node))}
    local = {each for each in wanted if isinstance(each, LocalInterface)}
    networks = {each.vni for each in local}
    if set(fabric.list_local()) != local:
        yield f"{node}: {fabric.list_local()}, not {local}"
    remote = {each for each in wanted - local if each.vni in networks}
    if set(fabric.list_remote()) != remote:
        yield f"{node}: {fabric.list_remote()}, not {remote}"
    streams = found.line.streams("networkattachments")
    if len(streams) != 1 + len(networks):
        yield f"{node}: {streams} for {networks}"
    if any(not obj["status"].get("ifcName") for obj in shown if obj["spec"]["node"] == node):
        yield f"{node}: an interface that its status does not show"


def interface_of(obj: Object, node: str) -> Interface | None:
    """What an attachment, in one state of it, is to have on a node that is in its network."""
    status = obj.get("status", {})
    if not status.get("ipv4"):
        return None
    if obj["spec"]["node"] == node:
        return LocalInterface(status["addressVNI"], status["ipv4"])
    return RemoteInterface(status["addressVNI"], status["ipv4"], status["hostIP"]) if status.get("hostIP") else None


def nothing_was_mixed(scene: Scene) -> int:
    """Each interface that was ever made is of one state of one attachment. How many there were."""
    count = 0
    for node, found in scene.nodes.items():
        states = [change.object for change in scene.watcher.changes if change.object is not None]
        possible = {interface_of(obj, node) for obj in states if obj["kind"] == "NetworkAttachment"}
        mixed = set(found.stand.fabric.made) - possible
        assert not mixed, (node, mixed)
        count += len(found.stand.fabric.made)
    return count


def two_nodes(scene: Scene, first_vni: int) -> str:
    """Networks on both nodes, on one of them and on the other; then attachments come, go and move while an agent
    stands still for a while; then all go."""
    scene.daemon("one")
    for node, number in NODES.items():
        scene.agent(node, number)
    for place in range(3):
        scene.subnet(f"s{place}", f"10.{place}.0.0/27", first_vni + place)
    where = {
        "both-1": ("s0", "edge-1"), "both-2": ("s0", "edge-2"), "left": ("s1", "edge-1"), "right": ("s2", "edge-2"),
    }  # fmt: skip
    for name, (subnet, node) in where.items():
        scene.attach(name, subnet, node)
    said = [agents_are_done(scene, 4)]
    assert b'"right"' in scene.nodes["edge-2"].line.received, "the line shows what comes over it"
    assert b'"right"' not in scene.nodes["edge-1"].line.received, "an object of a network that the node is not in"
    _churn(scene, random.Random(first_vni), set(where))
    said += [agents_are_done(scene, 4), f"mixed: none of {nothing_was_mixed(scene)} interfaces that were made"]
    for name in where:
        scene.remove("networkattachments", name)
    said.append(agents_are_done(scene, 0))
    assert not any(node.stand.fabric.local or node.stand.fabric.remote for node in scene.nodes.values())
    return "\n".join([*said, str(scene.comes_to(0).verdict)])


def _churn(scene: Scene, chance: random.Random, names: set[str]) -> None:
    for step in range(30):
        if step % 10 == 0:
            scene.hold("edge-1")
        if step % 10 == 5:
            scene.go_on("edge-1")
        name = chance.choice(sorted(names))
        scene.remove("networkattachments", name)
        scene.attach(name, f"s{chance.randrange(3)}", chance.choice(list(NODES)))


def killed_agent(scene: Scene, first_vni: int) -> str:
    """SIGKILL, while the fabric stays: what is right is not touched, what is nobody's goes."""
    scene.daemon("one")
    for node, number in NODES.items():
        scene.agent(node, number)
    scene.subnet("s", "10.3.0.0/28", first_vni)
    for number in range(4):
        scene.attach(f"a{number}", "s", f"edge-{1 + number % 2}")
    agents_are_done(scene, 4)
    scene.kill("edge-1")
    fabric = scene.nodes["edge-1"].stand.fabric
    orphans = LocalInterface(first_vni + 1, "10.3.0.9"), RemoteInterface(first_vni, "10.3.0.15", "192.0.2.9")
    fabric.create_local(orphans[0])
    fabric.create_remote(orphans[1])
    scene.remove("networkattachments", "a0")
    scene.remove("networkattachments", "a1")
    scene.comes_to(2)
    fabric.calls.clear()
    scene.agent("edge-1", 1)
    said = agents_are_done(scene, 2)
    assert fabric.calls == {"delete_local": 2, "delete_remote": 2}, fabric.calls
    return f"{said}\nadopted: 2 of 6 interfaces, 0 made, 4 deleted"
