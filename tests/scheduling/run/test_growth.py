"""A scheduler that has seen thousands of objects come and go holds no more than one that has seen hundreds."""

from __future__ import annotations

from typing import Any

import trio

from edged.kube.values.names import NamespacedName
from edged.scheduling.core.classes import CLASSES
from edged.scheduling.explain.records import EARLIER
from edged.scheduling.guests.guest_world import GuestWorld
from edged.scheduling.objects.pods import PodParser
from edged.scheduling.run.scheduler_state import SchedulerSettings
from tests.growth import grown, sizes
from tests.scheduling.makers import node, pod
from tests.scheduling.plugins.volumes import HOST, claim, csi_node, made, storage_class, using, volume
from tests.scheduling.run.test_object_feed import Cluster, run

ROUNDS, PODS = 4, 200
RECORDS = SchedulerSettings().records
BOUNDS = {
    "pod_parser._labels": PodParser._LABEL_SETS,
    "classes._classes": CLASSES,
    "pod_parser._specs": RECORDS + CLASSES,  # weak: those that records and classes still have
    "guests._nodes._nodes": 3 * 20 + 16,
    "snapshot.nodes": 20 + 1,  # as the last cycle saw them, with the Pods that it saw there
    "records._earlier": RECORDS * EARLIER,  # what is in it has at most EARLIER lines each
}
"""What a scheduler keeps of what is gone, and how much of it at most."""


class Named(list[int]):
    """A list with a name, for the test of the helper."""


class Part:
    def __init__(self) -> None:
        self.kept: dict[str, list[int]] = {}
        self.told = lambda: self.kept


def test_the_helper_sees_what_grows_wherever_it_hides() -> None:
    part = Part()
    before = sizes(part=part)
    part.kept["a"] = [1, 2, 3]
    assert grown([before, sizes(part=part)]) == {"part.kept": (0, 1), "part.kept[]": (0, 3)}
    part.kept["b"] = [1, 2]
    after = sizes(part=part)
    assert grown([before, after], {"kept": 1}) == {"part.kept": (0, 2), "part.kept[]": (0, 5)}
    assert not grown([before, {"part.kept": 2, "part.kept[]": 3}, after], {"kept": 3})
    part.kept.clear()
    assert not grown([before, sizes(part=part)])
    outer = [1]
    assert sizes(function=lambda: outer) == {"function.outer": 1}
    assert sizes(method=part.kept.get, own=[Named([1])]) == {"own": 1, "own[]": 1}


def objects_of(number: int, name: str) -> list[dict[str, Any]]:
    """What belongs to one Pod with a volume, and what selects it."""
    mine = claim(name, bound_to=name) if number % 2 else claim(name)
    mine["metadata"]["name"] = name
    attached = {"attacher": "d", "nodeName": f"n{number % 20}", "source": {"persistentVolumeName": name}}
    return [
        mine, volume(name, where=[f"n{number % 20}"]), csi_node(name, 3), storage_class(name),
        made("Namespace", name, labels={"a": name}),
        made("Service", name, namespace="default", spec={"selector": {"own": name}}),
        made("ReplicaSet", name, namespace="default", spec={"selector": {"matchLabels": {"own": name}}}),
        made("CSIStorageCapacity", name, namespace="default", storageClassName=name, capacity="1Gi"),
        made("VolumeAttachment", name, spec=attached),
    ]  # fmt: skip


async def a_round(cluster: Cluster, guests: GuestWorld, number: int) -> None:
    """Nodes, objects and Pods of new names come, Pods are bound, wait or cannot be read, evict others; all go."""
    nodes = [f"n{number}-{each}" for each in range(20)]
    for each, name in enumerate(nodes):
        cluster.nodes.put(node(name, labels={HOST: f"n{each}"}, cpu="10", images={f"i{name}": 5}))
    names = [f"p{number}-{each}" for each in range(PODS)]
    for each, name in enumerate(names):
        owner = {"kind": "ReplicaSet", "name": name, "apiVersion": "apps/v1", "controller": True}
        fields: dict[str, Any] = {"labels": {"own": name}, "image": f"i{nodes[each % 20]}"}
        incoming = [
            pod(name, requests={"cpu": "1"}, priority=each % 3, **fields),
            pod(name, requests={"cpu": "100"}, nominated=nodes[0], **fields),
            using(name, name=name, **fields),
            pod(name, requests={"cpu": "7"}, priority=9, **fields),
            pod(name, schedulingGates=[{"name": name}], **fields),
            pod(name, requests={"cpu": "none"}, **fields),
        ][each % 6]
        incoming["metadata"]["ownerReferences"] = [owner]
        if each % 6 == 2:
            for obj in objects_of(each, name):
                if obj["kind"] in cluster.sources:
                    cluster.sources[obj["kind"]].put(obj)
        cluster.pods.put(incoming)
    await trio.sleep(30)
    for name in nodes:
        guests.node(name)
    assert len(cluster.writes.bound) > 20
    for informer in (cluster.pods, cluster.nodes, *cluster.sources.values()):
        for key in list(informer.objects):
            informer.remove(key)
    await trio.sleep(700)  # longer than anything is tried again or remembered by time
    cluster.writes.bound.clear()
    for kept in (cluster.writes.deleted, cluster.writes.patches, cluster.writes.events, cluster.lines):
        kept.clear()


def test_a_scheduler_forgets_what_is_gone() -> None:
    cluster = Cluster([node("first")], [using("first")])
    guests = GuestWorld(cluster.scheduler.handle)
    rounds = []

    async def story() -> None:
        for number in range(ROUNDS):
            await a_round(cluster, guests, number)
            rounds.append(sizes(scheduler=cluster.scheduler, guests=guests))

    run(cluster, story)
    assert rounds[0]["scheduler.state.records._records"] == RECORDS
    assert not grown(rounds, BOUNDS)
    state = cluster.scheduler.state
    assert not state.cache.nodes and not state.cache.pods and not state.cache.assumed
    assert not state.queue._pods and not state.nominator
    assert cluster.nodes.get(NamespacedName("", "first")) is None
