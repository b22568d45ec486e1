"""Shared verdicts equal the plain cycle's: random clusters, step by step, both ways."""

from __future__ import annotations

import random

import pytest

from edged.scheduling.core.cache import Cache
from edged.scheduling.core.classes import Classes, likeness
from edged.scheduling.core.cycle import Algorithm, CycleError, OfflineHandle, offline, run_now
from edged.scheduling.core.framework import CycleState, Plugin
from edged.scheduling.core.nominator import Nominator
from edged.scheduling.core.plugin_status import Code, Status
from edged.scheduling.core.profile import default_profile, with_guests
from edged.scheduling.core.snapshot import Snapshot
from edged.scheduling.objects.nodes import NodeParser
from edged.scheduling.objects.other_objects import Objects
from edged.scheduling.objects.pods import PodParser
from tests.scheduling.makers import node, nothing, parsed_node, pod, pod_info
from tests.scheduling.plugins.volumes import nodes, using

MIB = 1024 * 1024
SERVED = {"app": "served"}


def random_node(rng, name):
    taints = [
        {"key": key, "value": "v", "effect": rng.choice(["NoSchedule", "PreferNoSchedule", "NoExecute"])}
        for key in "abc"
        if rng.random() < 0.12
    ]
    return node(
        name,
        cpu=rng.choice(["2", "4", "3500m"]),
        memory=rng.choice(["4Gi", "8Gi"]),
        pods=rng.choice(["3", "10", "110"]),
        labels={
            "zone": rng.choice("xyz"), "disk": rng.choice(["ssd", "hdd"]), "gen": str(rng.randrange(9)),
            "kubernetes.io/hostname": name,
        },
        taints=taints,
        unschedulable=rng.random() < 0.05,
        images={f"registry.local/app:{i}": rng.randrange(900) * MIB for i in range(3) if rng.random() < 0.4},
    )


def templates(rng):
    """A few kinds of Pods, so that classes have members."""
    prefer = [
        {
            "weight": weight,
            "preference": {"matchExpressions": [{"key": "gen", "operator": "Gt", "values": [str(limit)]}]},
        }
        for weight, limit in ((rng.randrange(1, 100), 3), (rng.randrange(1, 100), 6))
    ]
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": prefer}}
    field = {"key": "metadata.name", "operator": "In", "values": ["n3"]}
    by_name = {
        "nodeSelectorTerms": [{"matchFields": [field]}, {"matchFields": [{**field, "values": ["n5"]}]}]
    }
    pinned = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": by_name}}
    term = {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "web"}}}
    away = {
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [{**term, "topologyKey": "gen"}]
        }
    }
    soft = [{"weight": 5, "podAffinityTerm": term}]
    near = {"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": soft}}
    spread = {"maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule", **term}
    return [
        {"labels": {"app": "web"}, "affinity": away},
        {"labels": {"app": "web"}, "topologySpreadConstraints": [spread]},
        {"labels": {"app": "db"}, "topologySpreadConstraints": [{**spread, "whenUnsatisfiable": "ScheduleAnyway"}]},
        {"labels": {"app": "served"}},
        {"affinity": near},
        {"labels": {"app": "web"}},
        {"requests": {"cpu": "250m", "memory": "256Mi"}},
        {"requests": {"cpu": "500m"}, "affinity": affinity, "image": "registry.local/app:2"},
        {
            "requests": {},
            "tolerations": [{"key": "a", "operator": "Exists"}],
            "image": "registry.local/app:1",
        },
        {"requests": {"memory": "1Gi"}, "nodeSelector": {"disk": "ssd"}},
        {"requests": {"cpu": "1"}, "ports": [{"containerPort": 80, "hostPort": 8080}]},
        {"requests": {"cpu": "100m"}, "affinity": pinned},
        {"requests": {"cpu": "64"}},
        {
            "requests": {"cpu": "100m"},
            "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}],
        },
    ]


class Cluster:
    """One cache and snapshot, and two algorithms on it that must agree."""

    def __init__(self, rng, count, make_profile=default_profile):
        self.rng = rng
        self.cache, self.snapshot, self.nominator = Cache(), Snapshot(), Nominator()
        self.node_parser, self.pod_parser = NodeParser(nothing), PodParser(nothing)
        for i in range(count):
            self.cache.set_node(self.node_parser.parse(random_node(rng, f"n{i}")))
        objects = Objects()
        objects.put("Service", {"metadata": {"name": "s", "namespace": "default"}, "spec": {"selector": SERVED}})
        self.profile = make_profile("edged", OfflineHandle(self.snapshot, objects))
        self.plain = Algorithm(self.snapshot, self.nominator, lambda n: n // 2)
        self.algorithm = Algorithm(self.snapshot, self.nominator, lambda n: n // 2)
        self.classes = Classes(self.algorithm, limit=5)
        self.placed: list = []

    def disturb(self):
        """What happens in a cluster between two cycles."""
        roll, name = self.rng.random(), f"n{self.rng.randrange(len(self.snapshot.names) + 1)}"
        if roll < 0.1:
            self.cache.set_node(self.node_parser.parse(random_node(self.rng, name)))
        elif roll < 0.13:
            self.cache.remove_node(name)
        elif roll < 0.3 and self.placed:
            self.cache.remove_pod(self.placed.pop(self.rng.randrange(len(self.placed))).uid)
        elif roll < 0.33:
            self.nominator.add(
                pod_info("vip", priority=self.rng.choice([-1, 5]), requests={"cpu": "1"}), name
            )
        elif roll < 0.4:
            self.nominator.remove("uid-vip")
        self.cache.update_snapshot(self.snapshot)

    def step(self, obj):
        waiting = self.pod_parser.parse(obj)
        expected = run_now(self.plain.schedule(self.profile, CycleState(), waiting))
        found = run_now(self.classes.schedule(self.profile, CycleState(), waiting))
        same(found, expected)
        assert self.algorithm.start == self.plain.start
        if found.node_name:
            self.placed.append(self.cache.assume(waiting, found.node_name))
        return found


def same(found, expected):
    assert found.node_name == expected.node_name
    assert found.feasible_names() == expected.feasible_names()
    assert list(found.statuses) == list(expected.statuses)
    assert found.raw_scores() == expected.raw_scores()
    assert found.final_scores() == expected.final_scores()
    assert found.message() == expected.message()
    assert found.rejectors() == expected.rejectors()
    assert found.absent == expected.absent


@pytest.mark.parametrize("seed", range(12))
def test_random_clusters(seed):
    rng = random.Random(seed)
    cluster = Cluster(rng, rng.choice([1, 5, 20, 60]))
    kinds = templates(rng)
    for number in range(150):
        cluster.disturb()
        # Pods that look at other Pods come and go: sharing stops and begins again.
        few = kinds if number % 50 < 10 else kinds[3:]
        cluster.step(pod(f"p{number}", **rng.choice(few)))


@pytest.mark.parametrize("seed", range(2))
def test_random_clusters_in_which_not_all_nodes_are_looked_at(seed):
    rng = random.Random(seed)
    cluster = Cluster(rng, 260)
    kinds = templates(rng)
    for number in range(60):
        cluster.disturb()
        cluster.step(pod(f"p{number}", **rng.choice(kinds)))


class Counting(Plugin):
    """A scorer that counts its calls; normalizes over all nodes when asked to."""

    name = "Counting"

    def __init__(self, *, normalizes=False, depends_on=frozenset({"pod", "node"})):
        self.points = frozenset({"filter", "score"} | ({"normalize_score"} if normalizes else set()))
        self.depends_on = depends_on
        self.filtered = self.scored = 0

    def filter(self, state, pod, node):
        self.filtered += 1

    def score(self, state, pod, node):
        self.scored += 1
        return 10 * len(node.pods)

    def normalize_score(self, state, pod, nodes, scores):
        least = min(scores)
        scores[:] = [min(100, score - least) for score in scores]


def cluster_with(plugin, count=20):
    return Cluster(random.Random(1), count, lambda name, handle: with_guests(name, handle, [(plugin, 2)]))


def test_only_the_node_that_changed_is_looked_at_again():
    plugin = Counting()
    cluster = cluster_with(plugin)
    cluster.cache.update_snapshot(cluster.snapshot)
    counts = []
    for number in range(3):
        waiting = cluster.pod_parser.parse(pod(f"p{number}"))
        found = run_now(cluster.classes.schedule(cluster.profile, CycleState(), waiting))
        counts.append((plugin.filtered, plugin.scored))
        cluster.cache.assume(waiting, found.node_name)
        cluster.cache.update_snapshot(cluster.snapshot)
    assert counts[1] == (counts[0][0] + 1, counts[0][1] + 1)
    assert counts[2] == (counts[1][0] + 1, counts[1][1] + 1)


@pytest.mark.parametrize("seed", range(3))
def test_normalizing_over_all_nodes_is_done_for_every_pod(seed):
    rng = random.Random(seed)
    cluster = cluster_with(Counting(normalizes=True))
    for number in range(60):
        cluster.disturb()
        cluster.step(pod(f"p{number}", **rng.choice(templates(rng)[3:8])))


class Anew(Plugin):
    """A guest of which nothing is known: it counts its calls, and its verdicts depend on the count. `many`: it takes
    nodes in one go; `breaks_at`: the call that it breaks on."""

    awaits = True
    points = frozenset({"pre_filter", "filter", "pre_score", "score", "normalize_score"})

    def __init__(self, name, seed, *, many=False, breaks_at=0):
        self.name, self._seed, self._breaks_at = name, seed, breaks_at
        self.calls = 0
        if many:
            self.filter_all, self.score_all = self._filter_all, self._score_all

    def _roll(self, pod, node=""):
        self.calls += 1
        return random.Random(f"{self._seed} {self.calls} {pod.key} {node}").random()

    async def pre_filter(self, state, pod, nodes):
        self.calls = 0
        roll = self._roll(pod)
        if roll < 0.1:
            return None, Status(Code.SKIP if roll < 0.05 else Code.UNSCHEDULABLE, ("not now",))
        return frozenset(each.name for each in nodes[1:]) if roll < 0.3 else None, None

    async def filter(self, state, pod, node):
        roll = self._roll(pod, node.name)
        if self.calls == self._breaks_at:
            return Status(Code.ERROR, ("broke on " + node.name,))
        return Status(Code.UNSCHEDULABLE, (f"{self.name} said {self.calls % 3}",)) if roll < 0.4 else None

    async def _filter_all(self, state, pod, nodes):
        statuses = []
        for each in nodes:
            statuses.append(await self.filter(state, pod, each))
            if statuses[-1] is not None and not statuses[-1].rejected:
                break
        return statuses

    async def pre_score(self, state, pod, nodes):
        return Status(Code.SKIP) if self._roll(pod) < 0.1 else None

    async def score(self, state, pod, node):
        return int(100 * self._roll(pod, node.name))

    async def _score_all(self, state, pod, nodes):
        return [await self.score(state, pod, each) for each in nodes]

    async def normalize_score(self, state, pod, nodes, scores):
        scores[:] = [100 - score for score in scores]


@pytest.mark.parametrize("seed", range(6))
def test_what_may_depend_on_anything_is_asked_anew_beside_shared_verdicts(seed):
    rng = random.Random(seed)

    def profile(name, handle):
        return with_guests(name, handle, [(Anew("a", seed), 1), (Anew("b", -seed, many=seed % 2 == 1), 3)])

    cluster = Cluster(rng, 260 if seed == 0 else rng.choice([2, 20, 60]), profile)
    assert cluster.profile.anew == {"a", "b"}
    kinds = templates(rng)
    most = 0
    for number in range(100):
        cluster.disturb()
        cluster.step(pod(f"p{number}", **rng.choice(kinds[5:])))
        most = max(most, len(cluster.classes))
    assert most


@pytest.mark.parametrize("shared", [False, True])
def test_many_nodes_in_one_go_are_judged_as_one_after_the_other(shared):
    """Statuses, where the search ends, and which error of several is told."""
    for seed in range(150):
        outcomes = []
        for many in (False, True):
            rng = random.Random(seed)
            breaks = [rng.choice([0, 0, rng.randrange(2, 30)]) for _ in range(2)]

            def profile(name, handle, breaks=breaks, many=many, seed=seed):
                guests = [Anew("a", seed, many=many, breaks_at=breaks[0]), Anew("b", -seed, breaks_at=breaks[1])]
                return with_guests(name, handle, [(guest, 1) for guest in guests], percentage=50)

            cluster = Cluster(rng, rng.choice([3, 30, 210]), profile)
            cluster.disturb()
            cluster.nominator.add(pod_info("vip", priority=5, requests={"cpu": "1"}), "n1")
            if shared:
                cluster.nominator.remove("uid-vip")
            way, kind = cluster.classes if shared else cluster.algorithm, templates(rng)[rng.randrange(5, 12)]
            try:
                found = run_now(way.schedule(cluster.profile, CycleState(), cluster.pod_parser.parse(pod("p", **kind))))
                told = (found.node_name, list(found.statuses), found.feasible_names(), found.raw_scores())
            except CycleError as error:
                told = (str(error), error.plugin)
            outcomes.append((told, cluster.algorithm.start))
        assert outcomes[0] == outcomes[1], seed


def test_an_unknown_dependency_means_the_plain_cycle():
    plugin = Counting(depends_on=frozenset({"unknown"}))
    cluster = cluster_with(plugin)
    cluster.cache.update_snapshot(cluster.snapshot)
    for _ in range(2):
        run_now(cluster.classes.schedule(cluster.profile, CycleState(), pod_info()))
    assert len(cluster.classes) == 0
    assert plugin.filtered >= 20


def test_a_class_that_broke_midway_is_forgotten():
    class Broken(Counting):
        def score(self, state, pod, node):
            return Status(Code.ERROR, ("boom",))

    cluster = cluster_with(Broken())
    cluster.cache.update_snapshot(cluster.snapshot)
    with pytest.raises(CycleError, match="boom"):
        run_now(cluster.classes.schedule(cluster.profile, CycleState(), pod_info()))
    assert len(cluster.classes) == 0


def test_a_long_log_of_changes_starts_a_new_layout():
    cache, snapshot = Cache(), Snapshot()
    cache.set_node(parsed_node("n"))
    cache.update_snapshot(snapshot)
    layout = snapshot.layout
    for number in range(5000):
        cache.set_pod(pod_info(f"p{number}", node="n"))
        cache.update_snapshot(snapshot)
    assert snapshot.layout > layout
    assert snapshot.mark < 5000


def test_likeness_leaves_out_names():
    objects = []
    for number in range(2):
        obj = pod(f"p{number}", volumes=[{"name": f"kube-api-access-{number}"}])
        parsed = PodParser(lambda key, obj=obj: obj).parse(obj)
        objects.append(likeness(parsed))
    assert objects[0] == objects[1]
    other = pod("p", labels={"a": "b"})
    assert likeness(PodParser(lambda key: other).parse(other)) != objects[0]


def test_pods_without_volumes_share_verdicts_and_ask_for_nothing():
    _, parser, snapshot = offline(nodes("n", "m"), [])
    handle = OfflineHandle(snapshot)
    profile = default_profile("edged", handle)
    assert profile.shares_verdicts
    plain, stored = parser.parse(pod("p")), parser.parse(using("data"))
    assert {kind for needs in profile.needs for kind in needs(plain)} == set()
    assert "PersistentVolume" in {kind for needs in profile.needs for kind in needs(stored)}
    classes = Classes(Algorithm(snapshot, Nominator()))
    for each in (plain, stored):
        run_now(classes.schedule(profile, CycleState(), each))
    assert len(classes) == 1
