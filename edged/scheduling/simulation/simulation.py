"""Schedules the waiting Pods of a cluster's picture, with the daemon's queue, cycle, profiles and plugins. Pure.

    simulation = Simulation(state)                  # also the Handle that plugins are built with
    simulation.use([profile, ...])
    outcome = await simulation.run()

What differs from scheduling/run/scheduler.py is the world: a binding succeeds at once, victims are gone at once and
those with a controller come back as waiting Pods, time is a number that moves when nothing else can happen. PreBind,
Bind and PostBind are not called, and a Permit plugin that says Wait is taken at its word but not waited for. `run` is a
coroutine because guest plugins are awaited; without guests it never waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from edged.errors import EdgedError
from edged.kube.values.names import NamespacedName, key_of
from edged.scheduling.core import binding
from edged.scheduling.core.cache import Cache
from edged.scheduling.core.classes import Classes
from edged.scheduling.core.cycle import OfflineHandle
from edged.scheduling.core.framework import CycleState, PostFilterResult
from edged.scheduling.core.nominator import Nominator
from edged.scheduling.core.outcome import Evaluation, single_node_message
from edged.scheduling.core.preemption import parse_budget
from edged.scheduling.core.profile import Profile
from edged.scheduling.core.queue import SchedulingQueue
from edged.scheduling.core.queued_pod import QueuedPod
from edged.scheduling.core.snapshot import Snapshot
from edged.scheduling.core.tracker import Tracker
from edged.scheduling.core.what_if import post_filter
from edged.scheduling.explain.records import Record
from edged.scheduling.explain.sentences import why
from edged.scheduling.objects.nodes import NodeInfo, NodeParser
from edged.scheduling.objects.other_objects import PARSERS, Objects
from edged.scheduling.objects.pods import PodInfo, PodParser
from edged.scheduling.simulation.baseline import Baseline, Choice, SteadyAlgorithm, SteadyPreemption
from edged.scheduling.simulation.cluster_state import ClusterState
from edged.scheduling.simulation.pod_objects import ORIGIN, Object, has_ended, is_daemon, node_of, owner

MOST_DETAIL: Final = 8_000_000
"""Cells (a node and a plugin, for one Pod) that are remembered: about 64 MiB. For later Pods only the outcome is
kept."""
QUIET_S: Final = 12  # longer than any backoff: afterwards no Pod becomes ready by itself
ATTEMPTS_PER_POD: Final = 50


@dataclass(slots=True, eq=False)
class Fate:
    """What became of one Pod. `was`: its node at the start; `node`: now, "" = none. `origin`: what change made it.

    `record`: the last attempt, None where there was none or where it was too much to keep. `evicted_by`: a preemptor.
    `start`: the node at which the search of the last attempt began; `turn`: the number of that attempt.
    """

    key: NamespacedName
    was: str
    node: str
    origin: str = ""
    record: Record | None = None
    message: str = ""
    why: str = ""
    nominated: str = ""
    evicted_by: str = ""
    start: str = ""
    turn: int = 0
    tried: bool = False

    @property
    def settled(self) -> bool:
        return bool(self.node or self.evicted_by)


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """Of all Pods that have not ended; and the nodes as they are afterwards. `left_out`: Pods that kept no record.
    `strays`: names of other schedulers whose Pods the first profile took."""

    fates: dict[NamespacedName, Fate]
    nodes: Sequence[NodeInfo]
    left_out: int
    strays: frozenset[str]

    def baseline(self) -> Baseline:
        """This outcome as what a simulation of changes is compared with."""
        fates = self.fates.items()
        return Baseline({key: Choice(fate.node, fate.start, fate.turn) for key, fate in fates if fate.node})


class Simulation(OfflineHandle):
    """See the file's docstring. `baseline`, then `seed` decide between equally good nodes; `detail`: cells to
    remember."""

    def __init__(
        self,
        state: ClusterState,
        *,
        seed: int = 0,
        percentage: int | None = None,
        detail: int = MOST_DETAIL,
        baseline: Baseline | None = None,
    ) -> None:
        super().__init__(Snapshot())
        self.objects = _objects(state)
        self._state = state
        self._detail = detail
        self._left_out = 0
        self._pods: dict[NamespacedName, Object] = dict(state.pods)
        self.cache = Cache()
        self.nominator = Nominator()
        budgets = [parse_budget(obj) for obj in state.of("PodDisruptionBudget").values()]
        self._baseline = baseline or Baseline()
        self._baseline.waits(key_of(pod) for pod in state.waiting_pods())
        self._evictions = SteadyPreemption(budgets, self._baseline)
        self.preemption = self._evictions
        self._seed, self._random = seed, Random(seed)
        choose = self._random.randrange
        self._algorithm = SteadyAlgorithm(self.snapshot, self.nominator, choose, percentage, self._baseline)
        self._classes = Classes(self._algorithm)
        self._now = 0.0
        self._turn = 0
        self._fates: dict[NamespacedName, Fate] = {}
        self._tried: set[str] = set()  # since the last time that something changed
        self._profiles: dict[str, Profile] = {}
        self._strays: set[str] = set()

    def use(self, profiles: Iterable[Profile]) -> None:
        """Once, before `run`. Pods of schedulers that none of them is named after are the first one's."""
        self._profiles = {profile.scheduler_name: profile for profile in profiles}
        self.queue = SchedulingQueue(self._profiles, self.nominator)
        self._pod_parser = PodParser(self._pods.get)
        self._node_parser = NodeParser(self._state.nodes.get)
        self._tracker = Tracker(
            self.cache,
            self.queue,
            self._profiles,
            lambda uid: None,
        )

    async def run(self, progress: Callable[[int, int], None] = lambda done, total: None) -> Outcome:
        """Until no Pod that waits could be placed. `progress(attempts, waiting Pods)`. Raises EdgedError for objects
        that cannot be read."""
        if not self._profiles:
            raise RuntimeError("use() comes first")
        self._tell_all()
        attempts, most = 0, ATTEMPTS_PER_POD * max(1, len(self._pods))
        waiting = sum(1 for _ in self._state.waiting_pods())
        while attempts < most and (queued := self._next()) is not None:
            await self._attempt(queued)
            attempts += 1
            progress(attempts, waiting)
        self.cache.update_snapshot(self.snapshot)
        self._tell_gated()
        return Outcome(self._fates, self.snapshot.nodes, self._left_out, frozenset(self._strays))

    def _tell_all(self) -> None:
        for node in self._state.nodes.values():
            self._tracker.node_is(self._node_parser.parse(node), self._now)
        for obj in sorted(self._pods.values(), key=lambda pod: not node_of(pod)):
            if has_ended(obj):
                continue
            origin = (obj["metadata"].get("annotations") or {}).get(ORIGIN, "")
            self._fates[key_of(obj)] = Fate(key_of(obj), node_of(obj), node_of(obj), origin)
            self._put(self._ours(obj))

    def _ours(self, obj: Object) -> Object:
        spec = obj.get("spec") or {}
        name = spec.get("schedulerName") or "default-scheduler"
        if name in self._profiles or node_of(obj):
            return obj
        self._strays.add(name)
        return {**obj, "spec": {**spec, "schedulerName": next(iter(self._profiles))}}

    def _put(self, obj: Object) -> None:
        self._pods[key_of(obj)] = obj
        self._tracker.pod_is(self._pod_parser.parse(obj), self._now)

    def _tell_gated(self) -> None:
        for key, fate in self._fates.items():
            if fate.tried or fate.settled or fate.message:
                continue
            queued = self.queue.get(self._pod_parser.parse(self._pods[key]).uid)
            if queued is not None and queued.gated_by:
                fate.message = f"not tried: {queued.gated_by} holds it back"

    # --- time

    def _next(self) -> QueuedPod | None:
        """The next Pod to try. When there is none, time passes until backoffs are over. A Pod is not tried twice while
        nothing has changed."""
        for _ in range(QUIET_S):
            while (queued := self.queue.pop(self._now)) is not None:
                if queued.pod.uid not in self._tried:
                    return queued
                self.queue.done(queued.pod.uid)
            self._now += 1.0
            self.queue.flush(self._now)
        return None

    def _changed(self) -> None:
        self._tried.clear()

    # --- one attempt

    async def _attempt(self, queued: QueuedPod) -> None:
        pod, profile, state = queued.pod, self._profiles[queued.pod.scheduler_name], CycleState()
        self._tried.add(pod.uid)
        # Seeded per Pod, so that a change somewhere does not change every other random choice.
        self._random.seed(f"{self._seed}/{pod.key}/{queued.attempts}")
        if pod.terminating:
            self.queue.done(pod.uid)
            self._fates[pod.key].message = "being deleted: it is not scheduled"
            return
        queued.unschedulable_plugins = queued.pending_plugins = frozenset()
        self.cache.update_snapshot(self.snapshot)
        fate, self._turn = self._fates[pod.key], self._turn + 1
        fate.start, fate.turn = self._algorithm.begin(pod), self._turn
        record = Record(Evaluation(pod, self.snapshot.names), profile, queued.attempts, 0)
        try:
            evaluation = await self._classes.schedule(profile, state, pod)
            record = Record.of(evaluation, profile, state, queued.attempts, 0)
            if evaluation.node_name:
                await self._place(queued, record, state)
            else:
                await self._reject(queued, record, state)
        except EdgedError as error:
            record.error = str(error)
            self._forget(pod)
            self.queue.put_back(queued, pod, self._now)
        await binding.end_cycle(profile, state, pod)
        self._conclude(record)

    async def _place(self, queued: QueuedPod, record: Record, state: CycleState) -> None:
        pod, profile, node = queued.pod, record.profile, record.evaluation.node_name
        self.cache.assume(pod, node)
        self.nominator.remove(pod.uid)
        rejection = await binding.run_reserve(profile, state, pod, node)
        record.at("reserve", rejection)
        if rejection is None:
            rejection, waits = await binding.run_permit(profile, state, pod, node)
            record.at("permit", rejection)
            record.waits = waits
        if rejection is not None:
            await binding.run_unreserve(profile, state, pod, node)
            self._forget(pod)
            queued.unschedulable_plugins = frozenset({rejection.plugin} if rejection.plugin else ())
            self.queue.put_back(queued, pod, self._now)
            return
        self.queue.done(pod.uid)
        self._baseline.placed(pod.key)
        obj = self._pods[pod.key]
        self._put({**obj, "spec": {**obj["spec"], "nodeName": node}})
        self._changed()

    def _forget(self, pod: PodInfo) -> None:
        assumed = self.cache.pods.get(pod.uid)
        if assumed is not None:
            self.cache.forget(assumed)

    async def _reject(self, queued: QueuedPod, record: Record, state: CycleState) -> None:
        evaluation, profile, pod = record.evaluation, record.profile, queued.pod
        result, already = PostFilterResult("", True), len(self._evictions.started)
        if evaluation.names and profile.calls["post_filter"]:
            result = await post_filter(self._algorithm, profile, state, evaluation)
        queued.unschedulable_plugins, queued.pending_plugins = evaluation.rejectors()
        self.queue.put_back(queued, pod, self._now)
        if result.override and (result.nominated_node or pod.nominated_node):
            record.nominated = result.nominated_node
            obj = self._pods[pod.key]
            self._put({**obj, "status": {**obj["status"], "nominatedNodeName": result.nominated_node}})
        for preemptor, candidate in self._evictions.started[already:]:
            for victim in candidate.victims:
                self._evict(victim, preemptor)

    def _evict(self, victim: PodInfo, preemptor: PodInfo) -> None:
        """Evicts a Pod. Its controller makes another one, which waits for a node."""
        obj = self._pods.pop(victim.key)
        fate = self._fates[victim.key]
        fate.node, fate.evicted_by = "", str(preemptor.key)
        self._tracker.pod_gone(victim.key, victim.uid, self._now)
        if owner(obj)[0] and not is_daemon(obj):
            metadata = {**obj["metadata"], "uid": f"{victim.uid}-again"}
            spec = {key: value for key, value in obj["spec"].items() if key != "nodeName"}
            self._put(self._ours({**obj, "metadata": metadata, "spec": spec, "status": {}}))
        self._changed()

    # --- what is kept of it

    def _conclude(self, record: Record) -> None:
        evaluation = record.evaluation
        fate = self._fates[evaluation.pod.key]
        fate.tried = True
        fate.node = evaluation.node_name if not record.message else ""
        fate.message, fate.nominated = self._message(record), record.nominated
        fate.why = why(record, self._algorithm.tie)
        if fate.record is not None:
            self._detail += fate.record.cells
        fate.record = None
        if record.cells <= self._detail:
            self._detail -= record.cells
            fate.record = record
        else:
            self._left_out += 1

    def _message(self, record: Record) -> str:
        """What the Pod's condition would say."""
        if record.turned_down is not None:
            return single_node_message(record.turned_down[1])
        return record.message


def _objects(state: ClusterState) -> Objects:
    """What plugins decide by beside Pods and Nodes: all of it is known. Raises EdgedError."""
    objects = Objects()
    objects.ready.update(PARSERS)
    for kind in PARSERS:
        for obj in state.of(kind).values():
            objects.put(kind, obj)
    return objects


def offline_summary(nodes: Sequence[NodeInfo]) -> list[dict[str, Any]]:
    """How full nodes are: [{"name", "pods", "pods_limit", "cpu_milli", "cpu_limit_milli", "memory", "memory_limit"}],
    amounts as requested by Pods and as allocatable, memory in bytes."""
    return [
        {
            "name": info.name,
            "pods": len(info.pods),
            "pods_limit": info.pod_limit,
            "cpu_milli": info.requested.get("cpu", 0),
            "cpu_limit_milli": info.allocatable.get("cpu", 0),
            "memory": info.requested.get("memory", 0),
            "memory_limit": info.allocatable.get("memory", 0),
        }
        for info in nodes
    ]
