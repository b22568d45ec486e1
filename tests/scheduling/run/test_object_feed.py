"""Objects that plugins decide by come when a Pod needs them, and what lacks them holds up nobody else."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from edged.kube.values.names import NamespacedName
from edged.scheduling.core.framework import Plugin
from edged.scheduling.core.plugin_status import Code, Status
from edged.scheduling.objects.other_objects import PARSERS, SERVICE, VOLUME_KINDS
from edged.scheduling.run.object_feed import PATIENCE_S, PRUNES, RESOURCES
from tests.scheduling.makers import node, pod
from tests.scheduling.plugins.volumes import claim, made, storage_class, using, volume
from tests.scheduling.run.test_scheduler_loop import FakeInformer, World


class Told:
    """A subscription that has told everything."""

    pending = None

    async def wait_replayed(self):
        await trio.lowlevel.checkpoint()


class Source(FakeInformer):
    """An informer that may not get its first list yet; `problem` says why."""

    def __init__(self, *objects, problem=""):
        super().__init__(*objects)
        self.problem = problem
        self.listed = trio.Event()
        if not problem:
            self.listed.set()

    @property
    def synced(self):
        return self.listed.is_set()

    async def wait_synced(self):
        await self.listed.wait()

    def add_handler(self, handler):
        super().add_handler(handler)
        return Told()


class Cluster(World):
    """A world with objects of other kinds. `problems`: kind -> why it cannot be listed."""

    def __init__(self, nodes, pods, *objects, problems=None, **options):
        self.sources = {}
        self._objects, self._problems = objects, problems or {}
        super().__init__(nodes, pods, acquire=self._acquire, **options)

    def _acquire(self, resource, prune):
        kind = next(kind for kind, known in RESOURCES.items() if known == resource)
        objects = [obj for obj in self._objects if obj["kind"] == kind]
        for obj in objects:
            prune(obj)
        self.sources[kind] = Source(*objects, problem=self._problems.get(kind, ""))
        return self.sources[kind]


def run(cluster, story):
    async def main():
        async with trio.open_nursery() as nursery:
            await nursery.start(cluster.scheduler.run)
            await trio.testing.wait_all_tasks_blocked()
            await story()
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


async def settled():
    await trio.testing.wait_all_tasks_blocked()


def test_nothing_is_watched_that_no_pod_needs():
    cluster = Cluster([node("n")], [pod("p")])

    async def story():
        await trio.sleep(1)
        assert cluster.writes.bound == {"default/p": "n"}
        assert set(cluster.sources) == {SERVICE}
        cluster.pods.put(using("data", name="stored"))
        await trio.sleep(1)
        assert set(cluster.sources) == {SERVICE} | VOLUME_KINDS

    run(cluster, story)
    assert not any(source.handlers for source in cluster.sources.values())


def test_a_claim_that_appears_wakes_its_pod():
    bound = volume("v", where=["n"])
    cluster = Cluster([node("n", labels={"kubernetes.io/hostname": "n"})], [using("data")], bound, storage_class())

    async def story():
        await trio.sleep(1)
        assert 'persistentvolumeclaim "data" not found' in cluster.condition("p")["message"]
        cluster.sources["PersistentVolumeClaim"].put(claim(bound_to="v"))
        await trio.sleep(2)
        assert cluster.writes.bound == {"default/p": "n"}

    run(cluster, story)


def test_kinds_that_cannot_be_listed_hold_up_only_those_who_need_them():
    cluster = Cluster(
        [node("n")], [using("data")], claim(bound_to="v"), volume("v"), problems={"PersistentVolume": "forbidden"}
    )

    async def story():
        await trio.sleep(PATIENCE_S + 1)
        condition = cluster.condition("p")
        assert condition["reason"] == "SchedulerError"
        text = "the Pod's node depends on PersistentVolume objects, which are not known: forbidden"
        assert condition["message"] == text
        cluster.pods.put(pod("other"))
        await settled()
        assert cluster.writes.bound == {"default/other": "n"}  # at once: patience is over
        cluster.sources["PersistentVolume"].listed.set()
        await trio.sleep(11)
        assert cluster.writes.bound["default/p"] == "n"

    run(cluster, story)


def test_spreading_by_default_is_done_without():
    cluster = Cluster([node("n")], [pod("p")], problems={SERVICE: "forbidden"})

    async def story():
        await trio.sleep(PATIENCE_S + 1)
        assert cluster.writes.bound == {"default/p": "n"}

    run(cluster, story)


# --- labels of Namespaces

SELECTS = {"matchLabels": {"team": "a"}}
WEB = {"app": "web"}


def space(name, **labels):
    return made("Namespace", name, labels=labels)


def term(**more):
    return {"topologyKey": "zone", "labelSelector": {"matchLabels": WEB}, "namespaceSelector": SELECTS, **more}


def required(kind, **more):
    return {"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term(**more)]}}}


NEAR, AWAY = required("podAffinity"), required("podAntiAffinity")
ZONED = node("n", labels={"zone": "z"})
ELSEWHERE = pod("web", node="n", namespace="other", labels=WEB)
APPEARS = {
    "a Pod looks for company, and its namespace is labelled": (
        NEAR, ELSEWHERE, [space("other")], space("other", team="a"),
    ),
    "a Pod looks for company, and its namespace is told of": (NEAR, ELSEWHERE, [], space("other", team="a")),
    "a Pod keeps away, and the label goes": (AWAY, ELSEWHERE, [space("other", team="a")], space("other")),
    "a Pod keeps away, and the namespace goes": (AWAY, ELSEWHERE, [space("other", team="a")], None),
    "a Pod that runs keeps others away, and the label goes": (
        {}, pod("guard", node="n", namespace="other", **AWAY), [space("default", team="a")], space("default", team="b"),
    ),
    "the only Pod of a kind, once another is not of its kind": (
        NEAR, pod("web", node="far", namespace="other", labels=WEB),
        [space("other", team="a"), space("default", team="a")], space("other"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", APPEARS)
def test_labels_of_a_namespace_wake_the_pods_whose_terms_they_concern(case):
    terms, running, spaces, change = APPEARS[case]
    far = node("far", labels={"zone": "y"}, unschedulable=True)
    cluster = Cluster([ZONED, far], [pod("p", labels=WEB, **terms), running], *spaces)

    async def story():
        await trio.sleep(20)
        assert cluster.writes.bound == {} and cluster.condition("p")["reason"] == "Unschedulable"
        attempts = len(cluster.writes.events)
        source = cluster.sources["Namespace"]
        source.put(space("third", team="b"))
        source.put(space("default", **(labels_of(source, "default") | {"tier": "1"})))
        await trio.sleep(20)
        assert len(cluster.writes.events) == attempts  # these concern nobody
        if change is None:
            source.remove(NamespacedName("", "other"))
        else:
            source.put(change)
        await trio.sleep(2)
        assert cluster.writes.bound == {"default/p": "n"}

    run(cluster, story)


def labels_of(source, name):
    found = source.get(NamespacedName("", name))
    return found["metadata"]["labels"] if found else {}


def test_a_namespace_that_is_labelled_while_a_pod_is_tried_is_not_missed():
    """The Pod's cycle has looked at the labels, and ends after they changed."""
    cluster = Cluster([ZONED], [pod("p", **NEAR), ELSEWHERE], space("other"), plugins=[Slow()])

    async def story():
        await trio.sleep(1)
        cluster.sources["Namespace"].put(space("other", team="a"))
        await trio.sleep(30)
        assert cluster.writes.bound == {"default/p": "n"}

    run(cluster, story)


def test_a_pod_that_comes_or_goes_in_a_chosen_namespace_wakes_who_waits_for_it():
    """kube-scheduler's hint does not look at the namespace's labels, and the Pod waits for the flush."""
    cluster = Cluster([ZONED], [pod("near", **NEAR), ELSEWHERE, pod("away", **AWAY)], space("third", team="a"))

    async def story():
        await trio.sleep(20)
        assert cluster.writes.bound == {"default/away": "n"}
        cluster.pods.put(pod("web-2", node="n", namespace="third", labels=WEB))
        await trio.sleep(2)
        assert "default/near" in cluster.writes.bound
        cluster.pods.put(pod("late", **AWAY))
        await trio.sleep(20)
        assert "default/late" not in cluster.writes.bound
        cluster.pods.remove(NamespacedName("third", "web-2"))
        await trio.sleep(2)
        assert "default/late" in cluster.writes.bound

    run(cluster, story)


class Slow(Plugin):
    """Holds up each Pod before its PostFilter."""

    name = "Slow"
    points = frozenset({"post_filter"})
    awaits = True

    async def post_filter(self, state, pod, statuses):
        await trio.sleep(5)
        return None, Status(Code.UNSCHEDULABLE, ("no",))


def test_what_is_kept_of_objects_is_what_is_read():
    selector = {"matchLabels": {"app": "a"}}
    full = {
        "Namespace": made("Namespace", "n", labels={"a": "b"}, spec={"finalizers": []}, status={"phase": "Active"}),
        "ReplicaSet": made("ReplicaSet", "r", namespace="n", spec={"selector": selector, "template": {"spec": 1}}),
        "PersistentVolume": volume("v", where=["n"], labels={"a": "b"}),
        "PersistentVolumeClaim": claim(bound_to="v", status={"phase": "Bound", "capacity": {"storage": "1Gi"}}),
        "StorageClass": storage_class(parameters={"type": "ssd"}),
    }
    for kind, obj in full.items():
        before = PARSERS[kind](obj)
        PRUNES[kind](obj)
        assert PARSERS[kind](obj) == before
    assert set(PRUNES) == set(PARSERS) == set(RESOURCES)
    assert "template" not in full["ReplicaSet"]["spec"]
