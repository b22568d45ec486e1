"""What a simulation of changes keeps of the one without them: a Pod goes to another node only for a reason. Pure.

kube-scheduler's rules leave some choices to chance: which of several equally good nodes is taken, with which nodes the
search begins where it looks at a part of a large cluster only, and which of several equally bad preemptions is done.
Without a baseline the seed decides them. With one, a Pod keeps its node of the baseline wherever the rules allow it.
Otherwise it takes, as far as the rules allow that, the node that no other waiting Pod is going to need, or the one that
is needed last: a Pod that finds its node taken may have to take that of a third one, and so on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from edged.kube.values.names import NamespacedName
from edged.scheduling.core.cycle import Algorithm, OfflinePreemption
from edged.scheduling.core.nominator import Nominator
from edged.scheduling.core.outcome import Evaluation
from edged.scheduling.core.preemption import Candidate, DisruptionBudget, best_candidates
from edged.scheduling.core.snapshot import Snapshot
from edged.scheduling.explain.sentences import CHANCE
from edged.scheduling.objects.pods import PodInfo

KEPT: Final = "it is kept, because the Pod is there without the changes"
SPARED: Final = "other waiting Pods need the others sooner"
_NEVER: Final = 1 << 62


class Choice(NamedTuple):
    """What became of a Pod without the changes. `start`: the node at which the search began; `turn`: a number that
    rises from one placement to the next."""

    node: str
    start: str
    turn: int


class Baseline:
    """`choices`: of the simulation without the changes; none for that one itself."""

    def __init__(self, choices: Mapping[NamespacedName, Choice] | None = None) -> None:
        self._choices = choices or {}
        self._coming: dict[str, list[tuple[int, NamespacedName]]] = {}

    def waits(self, keys: Iterable[NamespacedName]) -> None:
        """These Pods have no node yet."""
        self._coming = {}
        for turn, key in sorted((self._choices[key].turn, key) for key in keys if key in self._choices):
            self._coming.setdefault(self._choices[key].node, []).append((turn, key))

    def placed(self, key: NamespacedName) -> None:
        choice = self._choices.get(key)
        coming = self._coming.get(choice.node) if choice else None
        if choice and coming and (choice.turn, key) in coming:
            coming.remove((choice.turn, key))

    def node_of(self, key: NamespacedName) -> str:
        choice = self._choices.get(key)
        return choice.node if choice else ""

    def start_of(self, key: NamespacedName) -> str:
        choice = self._choices.get(key)
        return choice.start if choice else ""

    def spared(self, names: Sequence[str]) -> Sequence[str]:
        """Those among equally good nodes that other Pods need last."""
        needed = [self._coming[name][0][0] if self._coming.get(name) else _NEVER for name in names]
        last = max(needed)
        return [name for name, turn in zip(names, needed, strict=True) if turn == last]


class SteadyAlgorithm(Algorithm):
    """The daemon's cycle, but a baseline comes before chance. `tie`: what decided between equally good nodes."""

    def __init__(
        self,
        snapshot: Snapshot,
        nominator: Nominator,
        choose: Callable[[int], int],
        percentage: int | None,
        baseline: Baseline,
    ) -> None:
        super().__init__(snapshot, nominator, choose, percentage)
        self.tie = CHANCE
        self._baseline = baseline
        self._own = ""

    def begin(self, pod: PodInfo) -> str:
        """An attempt at this Pod begins. Returns the node at which the search starts."""
        names, start = self.snapshot.names, self._baseline.start_of(pod.key)
        if start in self.snapshot:
            self.start = self.snapshot.index(start)
        self._own, self.tie = self._baseline.node_of(pod.key), CHANCE
        return names[self.start % len(names)] if names else ""

    def positions(self, names: frozenset[str] | None) -> Sequence[int]:
        """The Pod's node of the baseline comes first, so that no search ends before it was looked at."""
        found = super().positions(names)
        own = self._position()
        if own not in found:
            return found
        place = found.index(own)
        return [own, *found[:place], *found[place + 1 :]]

    def _position(self) -> int:
        return self.snapshot.index(self._own) if self._own in self.snapshot else -1

    def pick_best(self, evaluation: Evaluation, feasible: Sequence[int], totals: list[int]) -> None:
        best, own = max(totals), self._position()
        if own in feasible and totals[feasible.index(own)] == best:
            evaluation.node_name, self.tie = self._own, KEPT
            return
        tied = [evaluation.names[i] for i, total in zip(feasible, totals, strict=True) if total == best]
        names = self._baseline.spared(tied)
        self.tie = SPARED if len(names) == 1 else CHANCE
        evaluation.node_name = names[self.choose(len(names)) if len(names) > 1 else 0]


class SteadyPreemption(OfflinePreemption):
    """Notes whom a preemption would evict. Among nodes where it does equal harm, that of the baseline is kept."""

    def __init__(self, budgets: Sequence[DisruptionBudget], baseline: Baseline) -> None:
        super().__init__(budgets)
        self._baseline = baseline

    async def ask_extenders(self, pod: PodInfo, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        """No extender is asked."""
        best, own = best_candidates(candidates), self._baseline.node_of(pod.key)
        return [candidate for candidate in best if candidate.node_name == own] or best
