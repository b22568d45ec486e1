"""edged's scheduling cycle against the real kube-scheduler: same nodes, texts and scores on random states.

kube-scheduler places each random Pod under three profiles; edged then gets the same objects as the API
server completed them, once as they are and once reached by many small changes. Equal must be: the feasible
set, the message of a Pod that fits nowhere, and every native plugin's normalised score times weight. The
choice must be one of the nodes with the highest total (both break ties at random).
"""

from __future__ import annotations

import copy
import functools
import os
from collections.abc import Callable, Iterator
from random import Random

import pytest

from edged.kube.values.names import NamespacedName, key_of
from edged.scheduling.config.profile_config import parse
from edged.scheduling.core.cache import Cache
from edged.scheduling.core.classes import Classes
from edged.scheduling.core.cycle import Algorithm, OfflineHandle, evaluate, run_now
from edged.scheduling.core.framework import CycleState
from edged.scheduling.core.known_plugins import NOT_BUILT
from edged.scheduling.core.nominator import Nominator
from edged.scheduling.core.outcome import Evaluation
from edged.scheduling.core.profile import build
from edged.scheduling.core.snapshot import Snapshot
from edged.scheduling.objects.nodes import NodeParser
from edged.scheduling.objects.other_objects import Objects
from edged.scheduling.objects.pods import PodInfo, PodParser
from tests.cluster.differential import PROFILES, Observed, RealScheduler, as_json
from tests.cluster.sidecar_states import asks_by_sidecars_alone
from tests.cluster.states import NAMESPACES, Features, Object, State, make_state

pytestmark = pytest.mark.timeout(1200)  # some hundred states, each put to kube-scheduler

# Seeds, and what the states have beyond the plain.
KINDS = {
    "plain": (90, Features()),
    "resized": (60, Features(resized=True)),
    "spread": (40, Features(spread=True)),
    "affine": (60, Features(spread=True, pod_affinity=True)),
    "across namespaces": (30, Features(pod_affinity=True, namespace_labels=True)),
    "volumes": (160, Features(volumes=True)),
    "spread by default": (40, Features(services=True)),
    "declared": (20, Features(declared=True)),
    "sidecars": (60, Features(sidecars=True, resized=True)),
    "odd": (40, Features(odd=True, spread=True, pod_affinity=True, namespace_labels=True)),
    "terminating": (20, Features(terminating=True, spread=True, pod_affinity=True, resized=True)),
    "nominated": (40, Features(nominated=True, spread=True, pod_affinity=True)),
    "everything": (
        30,
        Features(
            resized=True, spread=True, pod_affinity=True, namespace_labels=True,
            volumes=True, services=True, declared=True, sidecars=True, odd=True, terminating=True, nominated=True,
        ),
    ),
}  # fmt: skip
STATES = int(os.environ.get("EDGED_STATES", "0")) or sum(count for count, _ in KINDS.values())
"""How many states in all: EDGED_STATES=2000 makes each kind's share larger."""

Observe = Callable[[str], list[Observed]]


CONFIGS = {
    profile.scheduler_name: profile
    for profile in parse(
        {
            "apiVersion": "kubescheduler.config.k8s.io/v1",
            "kind": "KubeSchedulerConfiguration",
            "profiles": list(PROFILES),
        }
    ).profiles
}
"""What edged makes of the very profiles that kube-scheduler is given."""
SPACES = tuple({"kind": "Namespace", **space} for space in NAMESPACES)


def in_one_step(observed: Observed) -> Evaluation:
    """A single cycle on the finished state."""
    state = observed.state
    objects = [*SPACES, *state.others]
    pods = (*state.assigned, *state.waiting)
    return evaluate(CONFIGS[observed.profile], state.nodes, pods, state.incoming, objects=objects)


def step_by_step(observed: Observed) -> Evaluation:
    """The last of many cycles, one after each change that leads to the state: verdicts shared among like Pods
    must have been forgotten exactly where a change touches them."""
    kept: dict[NamespacedName, Object] = {}
    cache, snapshot = Cache(), Snapshot()
    node_parser, pod_parser = NodeParser(kept.get), PodParser(kept.get)
    objects = Objects()
    for space in SPACES:
        objects.put("Namespace", space)
    profile = build(CONFIGS[observed.profile], OfflineHandle(snapshot, objects))
    assert profile.shares_verdicts
    nominator = Nominator()
    classes = Classes(Algorithm(snapshot, nominator))
    incoming = _parsed(pod_parser, kept, observed.state.incoming)
    evaluation = Evaluation(incoming, ())
    for kind, obj in _history(observed.state):
        if kind == "node":
            kept[key_of(obj)] = obj
            cache.set_node(node_parser.parse(obj))
        elif kind == "pod":
            cache.set_pod(_parsed(pod_parser, kept, obj))
        elif kind == "waiting":
            nominator.add(_parsed(pod_parser, kept, obj))
        elif kind == "other":
            objects.put(obj["kind"], obj)
        else:
            cache.remove_pod(obj["metadata"]["uid"])
        cache.update_snapshot(snapshot)
        evaluation = run_now(classes.schedule(profile, CycleState(), incoming))
    return evaluation


def _parsed(parser: PodParser, kept: dict[NamespacedName, Object], obj: Object) -> PodInfo:
    pod = parser.parse(obj)
    kept[pod.key] = obj
    return pod


def _history(state: State) -> Iterator[tuple[str, Object]]:
    """Changes that end in the state: bare nodes that become what they are, Pods that come and partly go."""
    random = Random(state.seed)
    for node in state.nodes:
        status = {"allocatable": {"cpu": "32", "memory": "64Gi", "pods": "3"}}
        yield "node", {"metadata": {"name": node["metadata"]["name"]}, "spec": {}, "status": status}
    running = [pod for pod in state.assigned if pod["status"].get("phase") not in ("Succeeded", "Failed")]
    changes = [("node", node) for node in state.nodes] + [("pod", pod) for pod in running]
    changes += [("other", obj) for obj in state.others] + [("waiting", pod) for pod in state.waiting]
    random.shuffle(changes)
    for kind, obj in changes:
        if kind == "pod" and random.random() < 0.3:
            passing = _without_ports(obj)
            yield "pod", passing
            yield "gone", passing
        yield kind, obj


def _without_ports(pod: Object) -> Object:
    """A Pod like it with another identity. No ports: a node forgets one when either of two holders goes."""
    pod = copy.deepcopy(pod)
    pod["metadata"] |= {"uid": "passing", "name": "passing"}
    for container in (*pod["spec"]["containers"], *pod["spec"].get("initContainers", ())):
        container.pop("ports", None)
    return pod


def differences(observed: Observed, ours: Evaluation) -> list[str]:
    """What edged makes otherwise of the same state; one text each, none when all is equal."""
    found = []
    if observed.error:
        found.append(f"kube-scheduler failed: {observed.error}")
    if (feasible := frozenset(ours.feasible_names())) != observed.feasible:
        found.append(f"feasible: ours {sorted(feasible)}, theirs {sorted(observed.feasible)}")
    elif not feasible:
        found += _unequal("message", ours.message(), _without_post_filter(observed.message))
    elif len(feasible) > 1:
        found += _score_differences(ours, observed)
    return found


def _score_differences(ours: Evaluation, observed: Observed) -> Iterator[str]:
    by_plugin = ours.final_scores()
    for node, theirs in sorted(observed.scores.items()):
        built = {plugin: score for plugin, score in theirs.items() if plugin not in NOT_BUILT}
        if "VolumeBinding" not in by_plugin:  # edged skips it where all that it gives is 0
            yield from _unequal(f"VolumeBinding of {node}", 0, built.pop("VolumeBinding"))
        yield from _unequal(f"scores of {node}", {name: row[node] for name, row in by_plugin.items()}, built)
    totals = ours.totals()
    if observed.chosen not in {node for node, total in totals.items() if total == max(totals.values())}:
        yield f"chosen: theirs {observed.chosen}, our totals {totals}"


def _unequal(what: str, ours: object, theirs: object) -> list[str]:
    return [] if ours == theirs else [f"{what}:\n    ours   {ours}\n    theirs {theirs}"]


def _without_post_filter(message: str) -> str:
    """What preemption says follows the reasons; when PreFilter gave one, so does that of devices, being at a loss."""
    return message.partition(" preemption: ")[0].removesuffix(" not found")


@pytest.fixture(scope="module")
def observe(real_scheduler: RealScheduler) -> Observe:
    """Kind of states -> what kube-scheduler makes of all of them under all profiles; asked once per kind."""

    @functools.cache
    def of_kind(kind: str) -> list[Observed]:
        seeds, features = KINDS[kind]
        seeds = -(-seeds * STATES // sum(count for count, _ in KINDS.values()))
        return [seen for seed in range(seeds) for seen in real_scheduler.observe(make_state(seed, features))]

    return of_kind


@pytest.mark.kube
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", [in_one_step, step_by_step])
def test_verdicts_texts_and_scores_equal_those_of_kube_scheduler(
    observe: Observe, kind: str, way: Callable[[Observed], Evaluation]
) -> None:
    observations = observe(kind)
    different = [(seen, found) for seen in observations if (found := differences(seen, way(seen)))]
    # The smallest first: it is the one to look into.
    different.sort(key=lambda pair: len(as_json(pair[0])))
    shown = "\n".join(_shown(seen, found) for seen, found in different[:10])
    assert not different, f"{len(different)} of {len(observations)} differ; the smallest:\n{shown}"


@pytest.mark.kube
def test_states_are_varied_enough_to_mean_something(observe: Observe) -> None:
    seen = observe("plain")
    fitting = sum(len(one.feasible) > 1 for one in seen)
    failing = sum(not one.feasible for one in seen)
    assert min(fitting, failing) > len(seen) / 4
    rows = [row for one in seen for row in one.scores.values()]
    scoring = {"TaintToleration", "NodeAffinity", "NodeResourcesFit", "ImageLocality"}
    scoring.add("NodeResourcesBalancedAllocation")
    assert {plugin for row in rows for plugin, score in row.items() if score} >= scoring
    for kind, plugin in (("spread", "PodTopologySpread"), ("affine", "InterPodAffinity")):
        assert any(row.get(plugin) for one in observe(kind) for row in one.scores.values())
    texts = " ".join(one.message for kind in ("plain", "spread", "affine") for one in observe(kind))
    stored = observe("volumes")
    assert any(row.get("VolumeBinding") for one in stored for row in one.scores.values())
    assert any(row.get("PodTopologySpread") for one in observe("spread by default") for row in one.scores.values())
    told = " ".join(one.message for kind in ("volumes", "declared") for one in (*stored, *observe(kind)))
    for reason in VOLUME_REASONS:
        assert reason in told, reason
    taken = [one for one in observe("sidecars") if "free ports" in one.message]
    assert any(asks_by_sidecars_alone(one.state.incoming["spec"]) for one in taken)
    for reason in ("pod topology spread constraints", "pod affinity rules", "pod anti-affinity rules"):
        assert reason in texts
    for reason in ("Insufficient cpu", "Too many pods", "untolerated taint", "unschedulable", "free ports"):
        assert reason in texts


VOLUME_REASONS = (
    "didn't find available persistent volumes", "didn't match PersistentVolume's node affinity",
    "did not have enough free storage", "exceed max volume count", "no available volume zone", "no available disk",
    "ReadWriteOncePod", "unbound immediate", "not found", "waiting for ephemeral volume controller",
    "bound to non-existent persistentvolume", "CSI driver is not installed", "match Pod's required features",
)  # fmt: skip


def _shown(observed: Observed, found: list[str]) -> str:
    lines = "\n  ".join(found)
    return f"seed {observed.state.seed}, profile {observed.profile}:\n  {lines}"
