"""Equivalence classes: Pods whose spec reads the same share their verdicts, node by node. Pure.

A class keeps each node's Filter status and raw scores. A verdict stands until its node's NodeInfo is replaced
in the snapshot (which a placement does to one node), so the next Pod of the class costs one node's plugins
instead of all. Normalizing needs all feasible nodes: where a plugin maps scores by their maximum alone,
totals are kept while the maximum stays; other normalizing runs anew each time.

The outcome must equal that of the plain cycle (Algorithm.schedule), which runs instead where a verdict may
rest on more than Pod and node: `Profile.shares_verdicts` is false, the Pod names or is nominated to a node,
or Pods are nominated that it must not crowd out.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import orjson

from edged.scheduling.core.cycle import (
    Algorithm,
    active,
    check_range,
    filter_natively,
    filter_node,
    maximum_at,
    run_pre_filter,
    run_pre_score,
    score_nodes,
    score_row,
)
from edged.scheduling.core.framework import CycleState
from edged.scheduling.core.outcome import NOT_VISITED, Evaluation, ScoreRow
from edged.scheduling.core.plugin_status import Status
from edged.scheduling.core.profile import Call, Profile
from edged.scheduling.core.snapshot import Snapshot
from edged.scheduling.objects.pods import PodInfo

CLASSES = 64
_GENERATED_VOLUME = "kube-api-access-"


class PodClass:
    """Verdicts of one class in one profile, by position in the snapshot's layout.

    `known[i]`: statuses[i] stands; `scored[i]`: the raw scores and totals[i] do. `maxima`: per plugin that
    maps by maximum, the one that `totals` were made with.
    """

    __slots__ = (
        "absent", "data", "filters", "known", "layout", "limits", "mark", "maxima", "message", "names", "narrowing",
        "raw", "rejected", "replays", "scored", "scorers", "skip_filter", "skip_score", "statuses", "totals",
    )  # fmt: skip

    filters: list[Call]
    scorers: list[Call] | None
    names: frozenset[str] | None
    absent: Status | None
    rejected: Status | None
    message: str
    narrowing: frozenset[str]
    limits: dict[str, frozenset[str]]

    def __init__(self, snapshot: Snapshot, profile: Profile) -> None:
        total = len(snapshot.nodes)
        judging = ("pre_filter", "filter", "pre_score", "score")
        self.replays = any(_awaits(profile.calls[point]) for point in judging)
        self.layout = snapshot.layout
        self.mark = snapshot.mark
        self.data: dict[str, Any] = {}
        self.skip_filter: set[str] = set()
        self.skip_score: set[str] = set()
        self.statuses: list[Status | None] = [None] * total
        self.known = bytearray(total)
        self.scored = bytearray(total)
        self.scorers = None
        self.raw: dict[str, list[int]] = {}
        self.totals = [0] * total
        self.maxima: list[int] = []

    def outdate(self, snapshot: Snapshot) -> None:
        """Forget what was known of nodes that were replaced since the last time."""
        for i in snapshot.changed_since(self.mark):
            self.known[i] = self.scored[i] = 0
        self.mark = snapshot.mark

    def unscored(self, feasible: Sequence[int]) -> list[int]:
        scored = self.scored
        if len(feasible) < len(scored):
            return [i for i in feasible if not scored[i]]
        found = []
        i = scored.find(0)
        while i >= 0:
            found.append(i)
            i = scored.find(0, i + 1)
        return found

    def take_pre_filter(self, profile: Profile, state: CycleState, evaluation: Evaluation) -> None:
        self.rejected, self.message = evaluation.pre_filter_status, evaluation.pre_filter_message
        self.absent, self.narrowing, self.limits = evaluation.absent, evaluation.narrowing, evaluation.limits
        self.skip_filter = state.skip_filter
        self.filters = active(profile.calls["filter"], state.skip_filter)
        if not self.replays:
            self.data = dict(state.data)

    def give_pre_filter(self, state: CycleState, evaluation: Evaluation) -> None:
        evaluation.pre_filter_status, evaluation.pre_filter_message = self.rejected, self.message
        evaluation.absent, evaluation.narrowing, evaluation.limits = self.absent, self.narrowing, self.limits
        state.skip_filter = self.skip_filter
        state.skip_score = self.skip_score
        state.data.update(self.data)


class Classes:
    """The classes of all profiles, the least recently used of them dropped beyond `limit`."""

    def __init__(self, algorithm: Algorithm, limit: int = CLASSES) -> None:
        self._algorithm = algorithm
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
        known = await self._bring_up_to_date(key, profile, state, evaluation)
        if evaluation.pre_filter_status is not None:
            return evaluation
        await self._filter(known, profile, state, evaluation)
        if len(evaluation.feasible) > 1:
            await self._score(known, profile, state, evaluation)
        elif evaluation.feasible:
            evaluation.node_name = evaluation.names[evaluation.feasible[0]]
        return evaluation

    async def _bring_up_to_date(
        self, key: tuple[Any, ...], profile: Profile, state: CycleState, evaluation: Evaluation
    ) -> PodClass:
        snapshot = self._algorithm.snapshot
        known = self._classes.get(key)
        fresh = known is None or known.layout != snapshot.layout
        if known is None or fresh:
            known = self._classes[key] = PodClass(snapshot, profile)
            if len(self._classes) > self._limit:
                self._classes.popitem(last=False)
        self._classes.move_to_end(key)
        known.outdate(snapshot)
        if fresh:
            known.names = await run_pre_filter(profile, state, evaluation, snapshot.nodes)
            known.take_pre_filter(profile, state, evaluation)
            return known
        if known.replays:
            await run_pre_filter(profile, state, Evaluation(evaluation.pod, ()), snapshot.nodes)
        known.give_pre_filter(state, evaluation)
        return known

    async def _filter(
        self, known: PodClass, profile: Profile, state: CycleState, evaluation: Evaluation
    ) -> None:
        algorithm = self._algorithm
        positions = algorithm.positions(known.names)
        wanted = algorithm.wanted(profile, len(positions))
        statuses, total = known.statuses, len(known.statuses)
        if wanted >= total:  # all nodes are looked at: go straight to those that changed
            await self._visit_unknown(known, state, evaluation.pod)
            evaluation.feasible = [i for i in positions if statuses[i] is None]
            evaluation.statuses = statuses.copy()
            algorithm.start %= total
            return
        visited = await self._visit(known, state, evaluation.pod, positions, wanted)
        evaluation.feasible = [i for i in visited if statuses[i] is None]
        algorithm.start = (algorithm.start + len(visited)) % total
        if len(visited) == total:
            evaluation.statuses = statuses.copy()
            return
        told: list[Status | None] = [NOT_VISITED] * total
        for i in visited:
            told[i] = statuses[i]
        evaluation.statuses = told

    async def _visit_unknown(self, known: PodClass, state: CycleState, pod: PodInfo) -> None:
        i = known.known.find(0)
        while i >= 0:
            await self._judge(known, state, pod, i)
            i = known.known.find(0, i + 1)

    async def _visit(
        self, known: PodClass, state: CycleState, pod: PodInfo, positions: Sequence[int], wanted: int
    ) -> Sequence[int]:
        """Makes sure of the statuses, in order, until enough nodes are feasible; the positions it looked
        at."""
        found = 0
        for count, i in enumerate(positions, 1):
            if not known.known[i]:
                await self._judge(known, state, pod, i)
            if known.statuses[i] is None:
                found += 1
                if found >= wanted:
                    return positions[:count]
        return positions

    async def _judge(self, known: PodClass, state: CycleState, pod: PodInfo, position: int) -> None:
        node = self._algorithm.snapshot.nodes[position]
        if known.replays:
            known.statuses[position] = await filter_node(known.filters, state, pod, node)
        else:
            known.statuses[position] = filter_natively(known.filters, state, pod, node)
        known.known[position] = 1

    async def _score(
        self, known: PodClass, profile: Profile, state: CycleState, evaluation: Evaluation
    ) -> None:
        nodes, feasible, pod = self._algorithm.snapshot.nodes, evaluation.feasible, evaluation.pod
        calls = await self._pre_score(known, profile, state, evaluation)
        new = known.unscored(feasible)
        for call in calls if new else ():
            await score_nodes(call, state, pod, nodes, new, known.raw[call.name])
        anew = await self._score_anew(profile, state, evaluation)
        rows, totals = await self._totals(known, calls, state, evaluation, new, anew)
        for i in new:
            known.scored[i] = 1
        # Copies: the class goes on changing its own.
        evaluation.scores = {name: ScoreRow(row[0], [*row[1]], *row[2:]) for name, row in rows.items()}
        self._algorithm.pick_best(evaluation, feasible, [totals[i] for i in feasible])

    async def _pre_score(
        self, known: PodClass, profile: Profile, state: CycleState, evaluation: Evaluation
    ) -> list[Call]:
        """The plugins that score, after PreScore."""
        if known.scorers is None or known.replays:
            nodes = self._algorithm.snapshot.nodes
            state.skip_score = set()
            feasible = [nodes[i] for i in evaluation.feasible]
            await run_pre_score(_lasting(profile, "pre_score"), state, evaluation.pod, feasible)
            if known.scorers is None or known.skip_score != state.skip_score:
                known.skip_score = state.skip_score
                known.scorers = active(_lasting(profile, "score"), state.skip_score)
                known.raw = {call.name: [0] * len(nodes) for call in known.scorers}
                known.scored = bytearray(len(nodes))
            if not known.replays:
                known.data = dict(state.data)
        return known.scorers

    async def _score_anew(self, profile: Profile, state: CycleState, evaluation: Evaluation) -> dict[str, ScoreRow]:
        """Rows of the plugins whose score rests on more than Pod and node."""
        nodes, feasible, pod = self._algorithm.snapshot.nodes, evaluation.feasible, evaluation.pod
        rows = {}
        for call in profile.calls["score"]:
            scores_anew = call.plugin.scores_anew
            if scores_anew is None or not scores_anew(pod):
                continue
            before = [each for each in profile.calls["pre_score"] if each.name == call.name]
            state.skip_score = set(state.skip_score)  # the class goes on using its own
            await run_pre_score(before, state, pod, [nodes[i] for i in feasible])
            if call.name not in state.skip_score:
                raw = [0] * len(nodes)
                await score_nodes(call, state, pod, nodes, feasible, raw)
                rows[call.name] = await score_row(call, state, pod, nodes, feasible, raw)
        return rows

    async def _totals(
        self,
        known: PodClass,
        calls: Sequence[Call],
        state: CycleState,
        evaluation: Evaluation,
        new: Sequence[int],
        anew: dict[str, ScoreRow],
    ) -> tuple[dict[str, ScoreRow], Sequence[int]]:
        """(rows, totals by position). `known.totals` holds what does not depend on the other nodes."""
        feasible = evaluation.feasible
        rows: dict[str, ScoreRow] = dict(anew)
        lasting: list[ScoreRow] = []
        passing = [*anew.values()]
        for call in calls:
            raw, by_max = known.raw[call.name], call.plugin.normalize_by_max
            if by_max is not None:
                row = ScoreRow(call.weight, raw, None, by_max, maximum_at(raw, feasible))
            elif "normalize_score" not in call.plugin.points:
                check_range(call.name, raw, new)
                row = ScoreRow(call.weight, raw)
            else:
                row = await score_row(
                    call, state, evaluation.pod, self._algorithm.snapshot.nodes, feasible, raw
                )
            rows[call.name] = row
            (lasting if row.normalized is None else passing).append(row)
        maxima = [row.maximum for row in lasting]
        stale: Sequence[int] = new if maxima == known.maxima else feasible
        if stale is feasible:
            known.maxima = maxima
            known.scored = bytearray(len(known.scored))  # totals of nodes that are not feasible now are void
            for i in feasible:
                known.scored[i] = 1
        _sum_up(known.totals, lasting, stale)
        return rows, _with(known.totals, passing, feasible)


def _sum_up(totals: list[int], rows: Sequence[ScoreRow], positions: Sequence[int]) -> None:
    """ScoreRow.final of all rows, row by row: a call per node and plugin would cost more than the sum. Few raw scores
    of plugins that map by maximum differ, so each is mapped once."""
    for i in positions:
        totals[i] = 0
    for weight, raw, _, by_max, maximum in rows:
        if by_max is None:
            for i in positions:
                totals[i] += weight * raw[i]
            continue
        mapped = {score: weight * by_max(score, maximum) for score in {raw[i] for i in positions}}
        for i in positions:
            totals[i] += mapped[raw[i]]


def _with(totals: list[int], rows: Sequence[ScoreRow], positions: Sequence[int]) -> list[int]:
    if not rows:
        return totals
    result = totals.copy()
    for i in positions:
        result[i] += sum(row.final(i) for row in rows)
    return result


def _lasting(profile: Profile, point: str) -> list[Call]:
    """Without the plugins whose part is made anew for each Pod."""
    return [call for call in profile.calls[point] if call.plugin.scores_anew is None]


def _awaits(calls: Sequence[Call]) -> bool:
    return any(call.awaits for call in calls)


def likeness(pod: PodInfo) -> bytes:
    """Equal for Pods that no guest that is true to `depends_on = pod` can tell apart: namespace, labels,
    annotations and spec, without the generated name of the service account's volume."""
    obj = pod.object()
    metadata, spec = obj["metadata"], dict(obj.get("spec") or {})
    generated = [
        volume["name"]
        for volume in spec.get("volumes") or ()
        if volume.get("name", "").startswith(_GENERATED_VOLUME)
    ]
    told = orjson.dumps(
        [metadata.get("namespace"), metadata.get("labels"), metadata.get("annotations"), spec],
        option=orjson.OPT_SORT_KEYS,
    )
    for name in generated:
        told = told.replace(orjson.dumps(name), b'"*"')
    return told
