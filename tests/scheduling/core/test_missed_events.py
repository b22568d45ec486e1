"""No waiting Pod misses the change that makes room for it: random states, changed step by step.

A Pod that was rejected sleeps until an event which the plugins that rejected it wait for. Whenever it sleeps, it must
not fit. The states are those that are put to kube-scheduler (tests/cluster/states.py); a second state of the same
names is what the first one turns into.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from random import Random
from typing import Any

import orjson
import pytest

from edged.kube.values.names import NamespacedName, key_of
from edged.scheduling.core.cache import Cache
from edged.scheduling.core.classes import Classes
from edged.scheduling.core.cluster_events import Action, ClusterEvent
from edged.scheduling.core.cycle import Algorithm, OfflineHandle, run_now
from edged.scheduling.core.framework import CycleState
from edged.scheduling.core.nominator import Nominator
from edged.scheduling.core.profile import default_profile
from edged.scheduling.core.queue import SchedulingQueue
from edged.scheduling.core.queued_pod import UNSCHEDULABLE
from edged.scheduling.core.snapshot import Snapshot
from edged.scheduling.core.tracker import Tracker
from edged.scheduling.objects.nodes import NodeParser
from edged.scheduling.objects.other_objects import EVENT_RESOURCES, PARSERS, Objects
from edged.scheduling.objects.pods import PodParser
from tests.cluster.states import NAMESPACES, Features, make_state
from tests.scheduling.makers import node, pod
from tests.scheduling.plugins.volumes import claim, volume

Object = dict[str, Any]
FIRST = 1_000_000
STATES = max(120, int(os.environ.get("EDGED_STATES", "0")))
"""Of each kind; more of them where those that are put to kube-scheduler are more, too."""
KINDS = {
    "plain": Features(),
    "spread": Features(spread=True, odd=True),
    "affine": Features(spread=True, pod_affinity=True, namespace_labels=True, odd=True),
    "volumes": Features(volumes=True),
    "declared": Features(declared=True),
    "nominated": Features(nominated=True, spread=True, pod_affinity=True),
}


class World:
    """A scheduler that never binds: it tries the waiting Pod, and is told of changes."""

    def __init__(self) -> None:
        self.kept: dict[NamespacedName, Object] = {}
        self.others: dict[tuple[str, NamespacedName], Object] = {}
        self.cache, self.snapshot, self.objects = Cache(), Snapshot(), Objects()
        self.objects.ready |= set(PARSERS)
        self.profile = default_profile("default-scheduler", OfflineHandle(self.snapshot, self.objects))
        self.nominator = Nominator()
        self.queue = SchedulingQueue({"default-scheduler": self.profile}, self.nominator)
        self.tracker = Tracker(self.cache, self.queue, ["default-scheduler"], lambda uid: False)
        self.nodes, self.pods = NodeParser(self.kept.get), PodParser(self.kept.get)
        self.now = 0.0

    def put(self, obj: Object) -> None:
        kind = obj["kind"]
        if kind == "Node":
            self.kept[key_of(obj)] = obj
            self.tracker.node_is(self.nodes.parse(obj), self.now)
        elif kind == "Pod":
            self.kept[key_of(obj)] = obj
            self.tracker.pod_is(self.pods.parse(obj), self.now)
        else:
            self.others[kind, key_of(obj)] = obj
            self._tell(kind, *self.objects.put(kind, obj))

    def remove(self, obj: Object) -> None:
        kind, key = obj["kind"], key_of(obj)
        if kind == "Node":
            del self.kept[key]
            self.tracker.node_gone(key.name, self.now)
        elif kind == "Pod":
            del self.kept[key]
            self.tracker.pod_gone(key, obj["metadata"]["uid"], self.now)
        else:
            del self.others[kind, key]
            self._tell(kind, self.objects.remove(kind, key), None)

    def _tell(self, kind: str, old: object, new: object) -> None:
        """As scheduling/run/cluster_feed.py does."""
        if kind in EVENT_RESOURCES:
            action = Action.DELETE if new is None else Action.ADD if old is None else Action.UPDATE
            self.queue.move_all(ClusterEvent(EVENT_RESOURCES[kind], action), old, new, self.now)

    def fits(self) -> bool:
        """Whether the waiting Pod would be placed now."""
        self.cache.update_snapshot(self.snapshot)
        classes = Classes(Algorithm(self.snapshot, self.nominator))
        pod = self.pods.parse(self.kept[NamespacedName("home", "incoming")])
        return bool(run_now(classes.schedule(self.profile, CycleState(), pod)).node_name)

    def attempt(self) -> bool:
        """Tries the waiting Pod, and puts it back if it fits nowhere."""
        self.now += 60.0
        self.queue.flush(self.now)
        queued = self.queue.pop(self.now)
        assert queued is not None
        queued.unschedulable_plugins = queued.pending_plugins = frozenset()
        self.cache.update_snapshot(self.snapshot)
        classes = Classes(Algorithm(self.snapshot, self.nominator))
        evaluation = run_now(classes.schedule(self.profile, CycleState(), queued.pod))
        queued.unschedulable_plugins, queued.pending_plugins = evaluation.rejectors()
        self.rejectors = sorted(queued.unschedulable_plugins)
        self.queue.put_back(queued, queued.pod, self.now)
        return bool(evaluation.node_name)

    def sleeps(self) -> bool:
        queued = self.queue.get("incoming")
        assert queued is not None
        return queued.place == UNSCHEDULABLE


def state_objects(seed: int, features: Features) -> list[Object]:
    """Of a seed; names are those of the first."""
    state = make_state(seed, features)
    spaces = [{"kind": "Namespace", **copy.deepcopy(space)} for space in NAMESPACES]
    found: list[Object] = [*spaces, *state.others, *state.nodes, *state.assigned, *state.waiting, state.incoming]
    for obj in found:
        obj["metadata"].setdefault("uid", obj["metadata"]["name"] if obj is state.incoming else f"{seed}/{key_of(obj)}")
    text = orjson.dumps(found).replace(str(seed).encode(), str(FIRST).encode())
    renamed: list[Object] = orjson.loads(text)
    return renamed


def identity(obj: Object) -> tuple[str, NamespacedName]:
    return obj["kind"], key_of(obj)


def changes(random: Random, before: list[Object], after: list[Object]) -> Iterator[tuple[str, Object]]:
    """("put" or "remove", object) in an order in which clusters change."""
    old, new = ({identity(o): o for o in some if not is_incoming(o)} for some in (before, after))
    every = [*old, *(key for key in new if key not in old)]
    random.shuffle(every)
    incoming = next(filter(is_incoming, before))
    for _ in range(random.choice((0, 0, 1, 3))):
        yield "put", own_update(random, incoming)
    for key in every:
        if key in old and key in new and key[0] in MUTABLE:
            yield from steps(random, old[key], new[key])
        else:
            if key in old and key[0] != "PersistentVolumeClaim":  # they stay as long as Pods use them
                yield from ends(random, old[key])
            if key in new and (key not in old or key[0] != "PersistentVolumeClaim"):
                yield "put", new[key]


MUTABLE = ("Node", "CSINode", "CSIStorageCapacity", "CSIDriver", "Namespace")


def steps(random: Random, old: Object, new: Object) -> Iterator[tuple[str, Object]]:
    """Parts of an object change one by one."""
    obj = copy.deepcopy(old)
    parts = [(top, name) for top in ("metadata", "spec", "status") for name in {*old.get(top, {}), *new.get(top, {})}]
    parts += [(top, "") for top in {*old, *new} if top not in ("metadata", "spec", "status")]
    parts = [part for part in parts if part[1] not in ("uid", "name")]
    random.shuffle(parts)
    for top, name in parts:
        holder, source = (obj.setdefault(top, {}), new.get(top, {})) if name else (obj, new)
        key = name or top
        if source.get(key) == holder.get(key):
            continue
        if key in source:
            holder[key] = source[key]
        else:
            holder.pop(key)
        yield "put", copy.deepcopy(obj)


def ends(random: Random, old: Object) -> Iterator[tuple[str, Object]]:
    """An object goes. A Pod may lose labels or shrink first, and takes its time."""
    obj = copy.deepcopy(old)
    if "nominatedNodeName" in obj.get("status", {}):
        if random.random() < 0.6:
            obj["status"]["nominatedNodeName"] = random.choice(("", "node-0", "node-1"))
            yield "put", copy.deepcopy(obj)
        if random.random() < 0.3:
            obj["spec"]["nodeName"] = random.choice(("node-0", "node-2"))
            yield "put", copy.deepcopy(obj)
    elif old["kind"] == "Pod":
        if random.random() < 0.3:
            obj["metadata"]["labels"] = {"app": random.choice(("web", "db", "batch"))}
            yield "put", copy.deepcopy(obj)
        if random.random() < 0.3:
            for container in obj["spec"]["containers"]:
                container["resources"] = {}
            yield "put", copy.deepcopy(obj)
        if random.random() < 0.5:
            obj["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
            yield "put", copy.deepcopy(obj)
    yield "remove", obj


def own_update(random: Random, pod: Object) -> Object:
    """What may change of a Pod that waits."""
    match random.randint(0, 2):
        case 0:
            pod["metadata"]["labels"] = {"app": random.choice(("web", "db", "batch"))}
        case 1:
            pod["spec"]["tolerations"] = [*pod["spec"].get("tolerations", ()), {"operator": "Exists"}]
        case 2:
            pod["status"] = {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]}
    return copy.deepcopy(pod)


def is_incoming(obj: Object) -> bool:
    return bool(obj["kind"] == "Pod" and obj["metadata"]["name"] == "incoming")


def missed(seed: int, features: Features) -> str:
    """What the Pod of a seed slept through; "" for nothing."""
    before, after = state_objects(FIRST + seed, features), state_objects(FIRST + seed + 500_000, features)
    random, world = Random(seed), World()
    for obj in before:
        world.put(obj)
    if world.attempt():
        return ""
    for what, obj in changes(random, before, after):
        was = world.others.get(identity(obj)) or world.kept.get(key_of(obj))
        (world.put if what == "put" else world.remove)(obj)
        if not world.sleeps():
            if world.attempt():
                return ""
        elif world.fits():
            return f"seed {seed}, rejected by {world.rejectors}, slept through {what} of\n  {obj}\n  which was\n  {was}"
    return ""


@pytest.mark.parametrize("kind", KINDS)
def test_a_pod_that_sleeps_does_not_fit(kind: str) -> None:
    found = [text for seed in range(STATES) if (text := missed(seed, KINDS[kind]))]
    assert not found, f"{len(found)} of {STATES}; the shortest:\n" + "\n".join(sorted(found, key=len)[:3])


# --- what random states seldom have


def labelled(name: str, zone: str) -> Object:
    return {"kind": "Node", **node(name, labels={"zone": zone})}


def placed(name: str, **fields: Any) -> Object:
    return {"kind": "Pod", **pod(name, namespace="home", scheduler="default-scheduler", **fields)}


def reject(world: World, waiting: Object) -> None:
    """The Pod fits nowhere at first."""
    waiting["metadata"]["uid"] = "incoming"
    world.put(waiting)
    assert not world.attempt() and world.sleeps()


def test_a_pod_that_is_counted_for_topology_spread_begins_to_end() -> None:
    world = World()
    counted = placed("counted", node="a", labels={"app": "web"})
    for obj in (labelled("a", "a"), labelled("b", "b"), counted):
        world.put(obj)
    world.put({"kind": "Node", **node("b", labels={"zone": "b"}, cpu="0")})
    constraint = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
    constraint |= {"labelSelector": {"matchLabels": {"app": "web"}}}
    incoming = placed("incoming", labels={"app": "web"}, requests={"cpu": "1"}, topologySpreadConstraints=[constraint])
    reject(world, incoming)
    world.put(counted | {"metadata": counted["metadata"] | {"deletionTimestamp": "2026-01-01T00:00:00Z"}})
    assert not world.sleeps() and world.attempt()


def test_a_node_goes_whose_pods_stood_in_the_way() -> None:
    world = World()
    term = {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "web"}}}
    apart = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    for obj in (labelled("a", "z"), labelled("b", "z"), placed("other", node="a", labels={"app": "web"})):
        world.put(obj)
    reject(world, placed("incoming", affinity=apart))
    world.remove(labelled("a", "z"))
    assert not world.sleeps() and world.attempt()


def test_a_node_goes_with_the_pod_that_used_the_claim() -> None:
    world = World()
    alone = claim(bound_to="v")
    alone["metadata"]["namespace"] = "home"
    alone["spec"]["accessModes"] = ["ReadWriteOncePod"]
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    for obj in (labelled("a", "a"), labelled("b", "b"), alone, volume("v"), placed("q", node="a", volumes=volumes)):
        world.put(obj)
    reject(world, placed("incoming", volumes=volumes))
    world.remove(labelled("a", "a"))
    assert not world.sleeps() and world.attempt()
