"""edged's preemption against the real kube-scheduler: node, victims and texts on random states.

Random clusters whose nodes are nearly full, with Pods of many priorities, start times, and PodDisruptionBudgets.
kube-scheduler tries the incoming Pod; where it fits nowhere, the node that it is nominated to and the Pods that
were marked as its victims are read back from the API server. edged gets the same objects. Where several nodes
are equally good, both choose at random: edged is then asked for each of its choices.
"""

from __future__ import annotations

import copy
import dataclasses
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

import pytest

from edged.scheduling.core.cycle import evaluate
from edged.scheduling.core.what_if import preempt
from tests.cluster.cluster import Cluster
from tests.cluster.differential import DISABLED_ADMISSION, RealScheduler, _ends_cycle, _key, interpret
from tests.cluster.states import APPS, HOME, NAMESPACES, Features, Object, State, make_state

pytestmark = pytest.mark.timeout(1200)  # some hundred states, each put to kube-scheduler

SEEDS = max(150, int(os.environ.get("EDGED_STATES", "0")) // 4)
"""More of them where test_scheduler_differential.py has more, too."""
CHOICES = 8
FOUND = "preemption: found a potential placement for pod on node "
PROFILE: Object = {"schedulerName": "default-scheduler"}
SPACES = tuple({"kind": "Namespace", **space} for space in NAMESPACES)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one Pod. `node` and `victims` are empty where nothing was preempted."""

    message: str
    node: str = ""
    victims: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Case:
    """`state` holds the objects as the API server completed them."""

    state: State
    budgets: tuple[Object, ...]
    theirs: Outcome


def make_case(seed: int, *, shared: bool = False) -> tuple[State, list[Object]]:
    """A state in which the incoming Pod often fits nowhere, and its budgets. `shared`: what is for one Pod may have
    several holders."""
    random = Random(seed)
    features = Features(
        spread=seed % 2 == 1, pod_affinity=seed % 3 == 1, priorities=True,
        nominated=seed % 4 == 2, odd=seed % 5 == 3, volumes=seed % 6 == 5, namespace_labels=seed % 7 == 1,
        sidecars=seed % 3 == 2, resized=seed % 9 == 2,
    )  # fmt: skip
    state = make_state(seed, features)
    assigned = copy.deepcopy(state.assigned)
    held = {node["metadata"]["name"]: 0 for node in state.nodes}
    for number, pod in enumerate(assigned):
        pod["spec"]["terminationGracePeriodSeconds"] = 30  # victims stay to be seen: there is no kubelet
        pod["spec"]["priority"] = random.choice((-10, 0, 0, 5, 5, 10, 30))
        started = f"2026-01-01T00:{random.randint(0, 59):02}:{number:02}Z"
        pod.setdefault("status", {"phase": "Running"})["startTime"] = started
        if pod["status"]["phase"] == "Running" and pod["spec"]["nodeName"] in held:
            held[pod["spec"]["nodeName"]] += 1
    if not shared:
        _one_holder_each(assigned, state.others)
    nodes = copy.deepcopy(state.nodes)
    for node in nodes if not features.volumes else ():  # else volumes are seldom what decides
        if random.random() < 0.7:
            node["status"]["allocatable"]["pods"] = str(held[node["metadata"]["name"]])
        else:
            node["status"]["allocatable"]["cpu"] = random.choice(("1", "1500m"))
    incoming = copy.deepcopy(state.incoming)
    # kube-scheduler may still speak of an earlier Pod whose volumes it was to bind.
    incoming["metadata"]["name"] = f"incoming-{seed}"
    incoming["spec"]["priority"] = random.choice((5, 10, 10, 20, 40))
    if random.random() < 0.7:  # fewer nodes are out for good
        incoming["spec"].pop("nodeSelector", None)
        incoming["spec"].get("affinity", {}).pop("nodeAffinity", None)
        incoming["spec"]["tolerations"] = [{"operator": "Exists"}]
    if random.random() < 0.7 and "resources" not in incoming["spec"]:
        incoming["spec"]["containers"][0]["resources"] = {"requests": {"cpu": random.choice(("700m", "1"))}}
    budgets = [_budget(random, number) for number in range(random.choice((0, 0, 1, 2)))]
    return dataclasses.replace(state, nodes=nodes, assigned=assigned, incoming=incoming), budgets


def _of_host(port: Object) -> str:
    """The API server fills it in where the Pod has the host's network."""
    return str(port.get("hostPort") or port["containerPort"])


def _one_holder_each(pods: Sequence[Object], others: Sequence[Object]) -> None:
    """Leaves each host port of a node, and each claim that one Pod may use, to one of the Pods. kube-scheduler takes
    them for free when one of several holders goes; edged does not (docs/scheduler-differences.md)."""
    held: set[tuple[str, ...]] = set()
    alone = {o["metadata"]["name"] for o in others if "ReadWriteOncePod" in o.get("spec", {}).get("accessModes", ())}

    def is_first(*what: str) -> bool:
        known = what in held
        held.add(what)
        return not known

    for pod in pods:
        spec = pod["spec"]
        for container in (*spec["containers"], *spec.get("initContainers", ())):
            container["ports"] = [
                port for port in container.get("ports", ())
                if is_first(spec["nodeName"], port.get("protocol", "TCP"), _of_host(port))
            ]  # fmt: skip
        claims = {v["name"]: v.get("persistentVolumeClaim", {}).get("claimName") for v in spec.get("volumes", ())}
        gone = {name for name, claim in claims.items() if claim in alone and not is_first(claim)}
        spec["volumes"] = [volume for volume in spec.get("volumes", ()) if volume["name"] not in gone]


def _budget(random: Random, number: int) -> Object:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": f"budget-{number}", "namespace": HOME},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": APPS[number]}}},
        "status": {
            "disruptionsAllowed": random.choice((0, 0, 1, 2)),
            "currentHealthy": 1,
            "desiredHealthy": 1,
            "expectedPods": 1,
            "observedGeneration": 1,
        },
    }


class PreemptingScheduler(RealScheduler):
    """Also reads back whom kube-scheduler evicted."""

    BUDGETS = f"/apis/policy/v1/namespaces/{HOME}/poddisruptionbudgets"

    def preemption(self, state: State, budgets: list[Object]) -> Case:
        """Creates the state, has the Pod tried, and removes everything again."""
        made = tuple(self._create_budget(budget) for budget in budgets)
        created = self._create(state)
        try:
            self._log.forget()
            incoming = self._create_pod(state.incoming)
            lines = self._log.read_until(_ends_cycle(_key(incoming)))
            created = dataclasses.replace(created, incoming=incoming)
            seen = interpret(created, "default-scheduler", lines)
            return Case(created, made, self._outcome(seen.message or seen.error, incoming))
        finally:
            self._api().delete(self._path(state.incoming), grace_period_s=0)
            self._remove(created)
            self._api().delete(self.BUDGETS)

    def _create_budget(self, budget: Object) -> Object:
        self._api().create(self.BUDGETS, {key: value for key, value in budget.items() if key != "status"})
        path = f"{self.BUDGETS}/{budget['metadata']['name']}/status"
        patched: Object = self._api().request(
            "PATCH", path, {"status": budget["status"]}, "application/merge-patch+json"
        )
        return patched

    def _path(self, pod: Object) -> str:
        return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"

    def _outcome(self, message: str, incoming: Object) -> Outcome:
        if FOUND not in message:
            return Outcome(message)
        node, _, rest = message.partition(FOUND)[2].partition(", preempting ")
        count = int(rest.split()[0])
        deadline = time.monotonic() + 20
        while True:
            victims = frozenset(_key(pod) for pod in self._pods() if _is_victim(pod))
            nominated = self._api().get(self._path(incoming))["status"].get("nominatedNodeName", "")
            if len(victims) == count and nominated == node:
                return Outcome(message, node, victims)
            assert time.monotonic() < deadline, f"{message}: victims {sorted(victims)}, nominated to {nominated!r}"
            time.sleep(0.01)

    def _pods(self) -> list[Object]:
        found: list[Object] = self._api().get("/api/v1/pods")["items"]
        return found


def _is_victim(pod: Object) -> bool:
    conditions = pod["status"].get("conditions", [])
    return "deletionTimestamp" in pod["metadata"] and any(
        c["type"] == "DisruptionTarget" and c["reason"] == "PreemptionByScheduler" for c in conditions
    )


def ours(case: Case) -> set[Outcome]:
    """What edged may make of it, by its choice among equals."""
    state, found = case.state, set()
    for number in range(CHOICES):
        evaluation, result, candidate = preempt(
            None, state.nodes, (*state.assigned, *state.waiting), state.incoming,
            budgets=case.budgets, objects=(*SPACES, *state.others),
            choose=lambda count, number=number: number % count,  # type: ignore[misc]
        )  # fmt: skip
        if evaluation.node_name:
            return {Outcome("")}
        victims = frozenset(str(victim.key) for victim in candidate.victims) if candidate else frozenset()
        found.add(Outcome(evaluation.message(), result.nominated_node, victims))
    return found


def equal(theirs: Outcome, mine: Outcome) -> bool:
    """kube-scheduler's plugin for ResourceClaims, which edged does not have, fails with `not found` where a PreFilter
    ended the cycle before it; edged goes on and says what preemption says."""
    head, ended, rest = theirs.message.rpartition(" not found")
    if ended and not rest and " preemption: " not in head:
        return not mine.victims and mine.message.partition(" preemption: ")[0] == head
    return theirs == mine


@pytest.fixture(scope="module")
def cases(kube_programs: object) -> Iterator[list[Case]]:
    """Every seed, once."""
    with (
        Cluster(disable_admission=DISABLED_ADMISSION) as cluster,
        PreemptingScheduler(cluster, (PROFILE,)) as scheduler,
    ):
        yield [scheduler.preemption(*make_case(seed)) for seed in range(SEEDS)]


def test_no_victim_goes_in_vain_and_none_could_stay() -> None:
    """Without the victims the Pod fits where it is nominated to; with any of them it does not."""
    preempted = 0
    for seed in range(2 * SEEDS):
        state, budgets = make_case(seed, shared=True)
        for number, pod in enumerate((*state.assigned, *state.waiting)):
            pod["metadata"]["uid"] = f"uid-{number}"
        pods, objects = [*state.assigned, *state.waiting], (*SPACES, *state.others)
        _, result, candidate = preempt(
            None, state.nodes, pods, state.incoming, budgets=budgets, objects=objects, choose=lambda count: 0
        )
        if candidate is None:
            continue
        preempted += 1
        victims = {victim.uid for victim in candidate.victims}
        for spared in (None, *victims):
            left = [pod for pod in pods if pod["metadata"]["uid"] not in victims - {spared}]
            after = evaluate(None, state.nodes, left, state.incoming, objects=objects)
            assert (result.nominated_node in after.feasible_names()) == (spared is None), (seed, spared)
    assert preempted > SEEDS / 5


@pytest.mark.kube
def test_nodes_victims_and_texts_equal_those_of_kube_scheduler(cases: list[Case]) -> None:
    different = []
    for case in cases:
        mine = ours(case)
        if not any(equal(case.theirs, outcome) for outcome in mine):
            different.append(f"seed {case.state.seed}:\n  theirs {case.theirs}\n  ours   {mine}")
    shown = "\n".join(different[:10])
    assert not different, f"{len(different)} of {len(cases)} differ:\n{shown}"


@pytest.mark.kube
def test_the_cases_are_varied_enough_to_mean_something(cases: list[Case]) -> None:
    preempted = [case for case in cases if case.theirs.victims]
    assert len(preempted) > len(cases) / 5
    assert sum(len(case.theirs.victims) > 1 for case in preempted) > 5
    assert sum(len(ours(case)) == 1 for case in preempted) > len(preempted) / 2
    texts = " ".join(case.theirs.message for case in cases)
    for text in ("No preemption victims found", "Preemption is not helpful", "preemptionPolicy=Never"):
        assert text in texts
    assert any(case.budgets for case in preempted)
