"""Equivalence classes: Pods whose spec reads the same share their verdicts, node by node. Pure.

A class keeps each node's Filter status and raw scores. A verdict stands until its node's NodeInfo is replaced
in the snapshot (which a placement does to one node), so the next Pod of the class costs one node's plugins
instead of all. pod_class.py holds what a class knows, class_scores.py makes its scores. Guests whose verdict may rest
on more than Pod and node (`Profile.anew`) are asked for each Pod, beside what the class knows of all other plugins.

The outcome must equal that of the plain cycle (Algorithm.schedule), which runs instead where a verdict may
rest on more than Pod and node: `Profile.shares_verdicts` is false, the Pod names or is nominated to a node,
or Pods are nominated that it must not crowd out.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from edged.json_text import dumps
from edged.scheduling.core.class_scores import ClassScores
from edged.scheduling.core.cycle import Algorithm, run_pre_filter
from edged.scheduling.core.filtering import Search, active, filter_natively, filter_node, filter_nodes
from edged.scheduling.core.framework import CycleState
from edged.scheduling.core.outcome import NOT_VISITED, Evaluation
from edged.scheduling.core.plugin_status import Status
from edged.scheduling.core.pod_class import PodClass
from edged.scheduling.core.profile import Profile
from edged.scheduling.objects.pods import PodInfo

CLASSES = 64
_GENERATED_VOLUME = "kube-api-access-"


class Classes:
    """The classes of all profiles. Beyond `limit`, the class that was not used for the longest time is dropped."""

    def __init__(self, algorithm: Algorithm, limit: int = CLASSES) -> None:
        self._algorithm = algorithm
        self._scores = ClassScores(algorithm)
        self._limit = limit
        self._classes: OrderedDict[tuple[Any, ...], PodClass] = OrderedDict()

    async def schedule(self, profile: Profile, state: CycleState, pod: PodInfo) -> Evaluation:
        """As Algorithm.schedule, by shared verdicts where that is allowed. Raises CycleError."""
        if not self._may_share(profile, pod):
            return await self._algorithm.schedule(profile, state, pod)
        key = (profile, pod.spec, likeness(pod)) if profile.guests_read_pods else (profile, pod.spec)
        try:
            return await self._shared(key, profile, state, pod)
        except BaseException:
            self._classes.pop(key, None)  # it may be half brought up to date
            raise

    def __len__(self) -> int:
        return len(self._classes)

    def _may_share(self, profile: Profile, pod: PodInfo) -> bool:
        if not profile.shares_verdicts or pod.node_name or pod.nominated_node:
            return False
        algorithm = self._algorithm
        if not algorithm.snapshot.nodes or (algorithm.nominator and algorithm.nominator.any_against(pod)):
            return False
        if algorithm.extenders and any(extender.judges(pod) for extender in algorithm.extenders):
            return False
        return all(skips(pod) for skips in profile.skips)

    async def _shared(
        self, key: tuple[Any, ...], profile: Profile, state: CycleState, pod: PodInfo
    ) -> Evaluation:
        evaluation = Evaluation(pod, self._algorithm.snapshot.names)
        shared = await self._bring_up_to_date(key, profile, state, evaluation)
        if evaluation.pre_filter_status is not None:
            return evaluation
        if profile.anew:
            await self._filter_anew(shared, profile, state, evaluation)
        else:
            await self._filter(shared, profile, state, evaluation)
        if len(evaluation.feasible) > 1:
            await self._scores.score(shared, profile, state, evaluation)
        elif evaluation.feasible:
            evaluation.node_name = evaluation.names[evaluation.feasible[0]]
        return evaluation

    async def _bring_up_to_date(
        self, key: tuple[Any, ...], profile: Profile, state: CycleState, evaluation: Evaluation
    ) -> PodClass:
        snapshot = self._algorithm.snapshot
        shared = self._classes.get(key)
        fresh = shared is None or shared.layout != snapshot.layout
        if shared is None or fresh:
            shared = self._classes[key] = PodClass(snapshot, profile)
            if len(self._classes) > self._limit:
                self._classes.popitem(last=False)
        self._classes.move_to_end(key)
        shared.outdate(snapshot)
        if fresh or profile.anew:
            shared.names = await run_pre_filter(profile, state, evaluation, snapshot.nodes)
            shared.take_pre_filter(profile, state, evaluation)
            return shared
        if shared.replays:
            await run_pre_filter(profile, state, Evaluation(evaluation.pod, ()), snapshot.nodes)
        shared.give_pre_filter(state, evaluation)
        return shared

    async def _filter(
        self, shared: PodClass, profile: Profile, state: CycleState, evaluation: Evaluation
    ) -> None:
        algorithm = self._algorithm
        positions = algorithm.positions(shared.names)
        enough = algorithm.wanted(profile, len(positions))
        statuses, total = shared.statuses, len(shared.statuses)
        if enough >= total:  # all nodes are looked at: go straight to those that changed
            await self._visit_unknown(shared, state, evaluation.pod)
            evaluation.feasible = [i for i in positions if statuses[i] is None]
            evaluation.statuses = statuses.copy()
            algorithm.start %= total
            return
        visited = await self._visit(shared, state, evaluation.pod, positions, enough)
        evaluation.feasible = [i for i in visited if statuses[i] is None]
        algorithm.start = (algorithm.start + len(visited)) % total
        if len(visited) == total:
            evaluation.statuses = statuses.copy()
            return
        told: list[Status | None] = [NOT_VISITED] * total
        for i in visited:
            told[i] = statuses[i]
        evaluation.statuses = told

    async def _filter_anew(
        self, shared: PodClass, profile: Profile, state: CycleState, evaluation: Evaluation
    ) -> None:
        """What the class knows of each node, then the plugins that are asked for each Pod."""
        algorithm, pod = self._algorithm, evaluation.pod
        calls = [call for call in active(profile.calls["filter"], state.skip_filter) if call.name in profile.anew]
        positions = algorithm.positions(shared.names)
        told: list[Status | None] = [NOT_VISITED] * len(shared.statuses)
        enough = algorithm.wanted(profile, len(positions))
        search = Search(calls, state, pod, algorithm.snapshot.nodes, enough, told.__setitem__)
        for i in positions:
            if search.over:
                break
            await search.look(i, self._known(shared, state, pod, i))
        await search.catch_up()
        evaluation.statuses, evaluation.feasible = told, search.feasible
        algorithm.advance(evaluation)

    async def _known(self, shared: PodClass, state: CycleState, pod: PodInfo, position: int) -> Status | None:
        if not shared.judged[position]:
            await self._judge(shared, state, pod, position)
        return shared.statuses[position]

    async def _visit_unknown(self, shared: PodClass, state: CycleState, pod: PodInfo) -> None:
        unknown = []
        i = shared.judged.find(0)
        while i >= 0:
            unknown.append(i)
            i = shared.judged.find(0, i + 1)
        await self._judge_all(shared, state, pod, unknown)

    async def _visit(
        self, shared: PodClass, state: CycleState, pod: PodInfo, positions: Sequence[int], enough: int
    ) -> Sequence[int]:
        """Looks at nodes in order, until enough of them are feasible. Returns the positions that it looked at."""
        feasible, unknown = 0, []
        for count, i in enumerate(positions, 1):
            if not shared.judged[i]:
                unknown.append(i)
            elif shared.statuses[i] is None:
                feasible += 1
            if feasible + len(unknown) >= enough:
                await self._judge_all(shared, state, pod, unknown)
                feasible += sum(shared.statuses[k] is None for k in unknown)
                unknown = []
                if feasible >= enough:
                    return positions[:count]
        await self._judge_all(shared, state, pod, unknown)
        return positions

    async def _judge_all(self, shared: PodClass, state: CycleState, pod: PodInfo, positions: Sequence[int]) -> None:
        if not shared.replays or len(positions) < 2:
            for i in positions:
                await self._judge(shared, state, pod, i)
            return
        nodes = self._algorithm.snapshot.nodes
        statuses, problem = await filter_nodes(shared.filters, state, pod, [nodes[i] for i in positions])
        if problem is not None:
            raise problem
        for i, status in zip(positions, statuses, strict=True):
            shared.statuses[i] = status
            shared.judged[i] = 1

    async def _judge(self, shared: PodClass, state: CycleState, pod: PodInfo, position: int) -> None:
        node = self._algorithm.snapshot.nodes[position]
        if shared.replays:
            shared.statuses[position] = await filter_node(shared.filters, state, pod, node)
        else:
            shared.statuses[position] = filter_natively(shared.filters, state, pod, node)
        shared.judged[position] = 1


def likeness(pod: PodInfo) -> bytes:
    """Equal for Pods that a guest with `depends_on = pod` must treat alike: the same namespace, labels, annotations and
    spec. The generated name of the service account's volume does not count."""
    obj = pod.object()
    metadata, spec = obj["metadata"], dict(obj.get("spec") or {})
    generated = [
        volume["name"]
        for volume in spec.get("volumes") or ()
        if volume.get("name", "").startswith(_GENERATED_VOLUME)
    ]
    told = dumps(
        [metadata.get("namespace"), metadata.get("labels"), metadata.get("annotations"), spec],
        sort=True,
    )
    for name in generated:
        told = told.replace(dumps(name), b'"*"')
    return told
