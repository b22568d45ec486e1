"""Scores of identical Pods, reused node by node. Pure; see classes.py.

Normalizing needs all feasible nodes: where a plugin maps scores by their maximum alone, totals are kept while the
maximum stays; other normalizing runs anew each time.
"""

from __future__ import annotations

from collections.abc import Sequence

from edged.scheduling.core.cycle import (
    Algorithm,
    check_range,
    maximum_at,
    run_pre_score,
    score_nodes,
    score_row,
)
from edged.scheduling.core.filtering import active
from edged.scheduling.core.framework import CycleState
from edged.scheduling.core.outcome import Evaluation, ScoreRow
from edged.scheduling.core.pod_class import PodClass
from edged.scheduling.core.profile import Call, Profile
from edged.scheduling.objects.pods import PodInfo


class ClassScores:
    """Scores the feasible nodes of a class and picks the best."""

    def __init__(self, algorithm: Algorithm) -> None:
        self._algorithm = algorithm

    async def score(
        self, shared: PodClass, profile: Profile, state: CycleState, evaluation: Evaluation
    ) -> None:
        nodes, feasible, pod = self._algorithm.snapshot.nodes, evaluation.feasible, evaluation.pod
        calls = await self._pre_score(shared, profile, state, evaluation)
        new = shared.unscored(feasible)
        for call in calls if new else ():
            await score_nodes(call, state, pod, nodes, new, shared.raw[call.name])
        anew = await self._score_anew(profile, state, evaluation)
        rows, totals = await self._totals(shared, calls, state, evaluation, new, anew)
        for i in new:
            shared.scored[i] = 1
        # These are copies, because the class changes its own lists later.
        evaluation.scores = {name: ScoreRow(row[0], [*row[1]], *row[2:]) for name, row in rows.items()}
        self._algorithm.pick_best(evaluation, feasible, [totals[i] for i in feasible])

    async def _pre_score(
        self, shared: PodClass, profile: Profile, state: CycleState, evaluation: Evaluation
    ) -> list[Call]:
        """The plugins that score, after PreScore."""
        if shared.scorers is None or shared.replays:
            nodes = self._algorithm.snapshot.nodes
            state.skip_score = set()
            feasible = [nodes[i] for i in evaluation.feasible]
            await run_pre_score(_lasting(profile, "pre_score"), state, evaluation.pod, feasible)
            if shared.scorers is None or shared.skip_score != state.skip_score:
                shared.skip_score = state.skip_score
                shared.scorers = active(_lasting(profile, "score"), state.skip_score)
                shared.raw = {call.name: [0] * len(nodes) for call in shared.scorers}
                shared.scored = bytearray(len(nodes))
            if not shared.replays:
                shared.data = dict(state.data)
        return shared.scorers

    async def _score_anew(self, profile: Profile, state: CycleState, evaluation: Evaluation) -> dict[str, ScoreRow]:
        """The rows of plugins whose score depends on more than the Pod and the node."""
        nodes, feasible, pod = self._algorithm.snapshot.nodes, evaluation.feasible, evaluation.pod
        calls = [call for call in profile.calls["score"] if _scores_anew(call, profile, pod)]
        names = {call.name for call in calls}
        # Guests may have PreScore without Score.
        before = [call for call in profile.calls["pre_score"] if call.name in names | profile.anew]
        if not before and not calls:
            return {}
        state.skip_score = set(state.skip_score)  # a copy: the class keeps its own set
        await run_pre_score(before, state, pod, [nodes[i] for i in feasible])
        calls = active(calls, state.skip_score)
        raws = {call.name: [0] * len(nodes) for call in calls}
        for call in calls:
            await score_nodes(call, state, pod, nodes, feasible, raws[call.name])
        return {call.name: await score_row(call, state, pod, nodes, feasible, raws[call.name]) for call in calls}

    async def _totals(
        self,
        shared: PodClass,
        calls: Sequence[Call],
        state: CycleState,
        evaluation: Evaluation,
        new: Sequence[int],
        anew: dict[str, ScoreRow],
    ) -> tuple[dict[str, ScoreRow], Sequence[int]]:
        """(rows, totals by position). `shared.totals` holds the part that does not depend on the other nodes."""
        feasible = evaluation.feasible
        rows: dict[str, ScoreRow] = dict(anew)
        lasting: list[ScoreRow] = []
        passing = [*anew.values()]
        for call in calls:
            raw, by_max = shared.raw[call.name], call.plugin.normalize_by_max
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
        stale: Sequence[int] = new if maxima == shared.maxima else feasible
        if stale is feasible:
            shared.maxima = maxima
            shared.scored = bytearray(len(shared.scored))  # the totals of nodes that are not feasible now are outdated
            for i in feasible:
                shared.scored[i] = 1
        _sum_up(shared.totals, lasting, stale)
        return rows, _with(shared.totals, passing, feasible)


def _sum_up(totals: list[int], rows: Sequence[ScoreRow], positions: Sequence[int]) -> None:
    """Adds up the final scores of all rows, row by row, because a call per node and plugin would cost more than the
    sum.

    The raw scores of plugins that map by maximum take few different values, so each value is mapped once.
    """
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


def _scores_anew(call: Call, profile: Profile, pod: PodInfo) -> bool:
    scores_anew = call.plugin.scores_anew
    return call.name in profile.anew or (scores_anew is not None and scores_anew(pod))


def _lasting(profile: Profile, point: str) -> list[Call]:
    """All calls but those of plugins that score each Pod anew."""
    return [
        call for call in profile.calls[point] if call.plugin.scores_anew is None and call.name not in profile.anew
    ]
