"""What one class of identical Pods has been told, node by node. Pure; see classes.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edged.scheduling.core.filtering import active
from edged.scheduling.core.framework import CycleState
from edged.scheduling.core.outcome import Evaluation
from edged.scheduling.core.plugin_status import Status
from edged.scheduling.core.profile import Call, Profile
from edged.scheduling.core.snapshot import Snapshot


class PodClass:
    """Verdicts of one class in one profile, by position in the snapshot's layout.

    `judged[i]`: statuses[i] stands; `scored[i]`: the raw scores and totals[i] do. `maxima`: per plugin that
    maps by maximum, the one that `totals` were made with.
    """

    __slots__ = (
        "absent", "data", "filters", "judged", "layout", "limits", "mark", "maxima", "message", "names", "narrowing",
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
        self.judged = bytearray(total)
        self.scored = bytearray(total)
        self.scorers = None
        self.raw: dict[str, list[int]] = {}
        self.totals = [0] * total
        self.maxima: list[int] = []

    def outdate(self, snapshot: Snapshot) -> None:
        """Forget what was known of nodes that were replaced since the last time."""
        for i in snapshot.changed_since(self.mark):
            self.judged[i] = self.scored[i] = 0
        self.mark = snapshot.mark

    def unscored(self, feasible: Sequence[int]) -> list[int]:
        scored = self.scored
        if len(feasible) < len(scored):
            return [i for i in feasible if not scored[i]]
        positions = []
        i = scored.find(0)
        while i >= 0:
            positions.append(i)
            i = scored.find(0, i + 1)
        return positions

    def take_pre_filter(self, profile: Profile, state: CycleState, evaluation: Evaluation) -> None:
        self.rejected, self.message = evaluation.pre_filter_status, evaluation.pre_filter_message
        self.absent, self.narrowing, self.limits = evaluation.absent, evaluation.narrowing, evaluation.limits
        self.skip_filter = state.skip_filter
        filters = active(profile.calls["filter"], state.skip_filter)
        self.filters = [call for call in filters if call.name not in profile.anew] if profile.anew else filters
        if not self.replays:
            self.data = dict(state.data)

    def give_pre_filter(self, state: CycleState, evaluation: Evaluation) -> None:
        evaluation.pre_filter_status, evaluation.pre_filter_message = self.rejected, self.message
        evaluation.absent, evaluation.narrowing, evaluation.limits = self.absent, self.narrowing, self.limits
        state.skip_filter = self.skip_filter
        state.skip_score = self.skip_score
        state.data.update(self.data)


def _awaits(calls: Sequence[Call]) -> bool:
    return any(call.awaits for call in calls)
