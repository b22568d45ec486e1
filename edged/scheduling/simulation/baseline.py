"""What a simulation of changes keeps of the one without them: a Pod goes to another node only for a reason. Pure.

kube-scheduler's rules leave some choices to chance: which of several equally good nodes is taken, with which nodes the
search begins where it looks at a part of a large cluster only, and which of several equally bad preemptions is done.
Without a baseline the seed decides them. With one, a Pod keeps its node of the baseline wherever the rules allow it.
Otherwise it keeps away, as far as the rules allow that, from nodes that other waiting Pods had: it would push them away
by chance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from edged.kube.values.names import NamespacedName
from edged.scheduling.core.cycle import Algorithm, OfflinePreemption
from edged.scheduling.core.nominator import Nominator
from edged.scheduling.core.outcome import Evaluation
from edged.scheduling.core.preemption import Candidate, DisruptionBudget, best_candidates
from edged.scheduling.core.snapshot import Snapshot
from edged.scheduling.explain.sentences import CHANCE
from edged.scheduling.objects.pods import PodInfo

KEPT: Final = "it is kept, because the Pod is there without the changes"


class Baseline:
    """`nodes`: where each Pod is without the changes. `starts`: the node at which the search for it began there."""

    def __init__(
        self,
        nodes: Mapping[NamespacedName, str] | None = None,
        starts: Mapping[NamespacedName, str] | None = None,
    ) -> None:
        self._nodes, self._starts = nodes or {}, starts or {}
        self._coming: dict[NamespacedName, str] = {}
        self._expected: Counter[str] = Counter()

    def waits(self, keys: Iterable[NamespacedName]) -> None:
        """These Pods have no node yet."""
        self._coming = {key: node for key in keys if (node := self._nodes.get(key))}
        self._expected = Counter(self._coming.values())

    def placed(self, key: NamespacedName) -> None:
        node = self._coming.pop(key, "")
        if node:
            self._expected[node] -= 1

    def node_of(self, key: NamespacedName) -> str:
        return self._nodes.get(key, "")

    def start_of(self, key: NamespacedName) -> str:
        return self._starts.get(key, "")

    def narrowed(self, key: NamespacedName, names: Sequence[str]) -> Sequence[str]:
        """Those among equally good nodes that chance may choose from."""
        own = self.node_of(key)
        if own in names:
            return (own,)
        return [name for name in names if not self._expected[name]] or names

    def tie_words(self, key: NamespacedName, node: str) -> str:
        """Why this node was taken where several are equally good."""
        return KEPT if self._nodes.get(key) == node else CHANCE


class SteadyAlgorithm(Algorithm):
    """The daemon's cycle, but a baseline comes before chance."""

    def __init__(
        self,
        snapshot: Snapshot,
        nominator: Nominator,
        choose: Callable[[int], int],
        percentage: int | None,
        baseline: Baseline,
    ) -> None:
        super().__init__(snapshot, nominator, choose, percentage)
        self._baseline = baseline
        self._first = ""

    def begin(self, pod: PodInfo) -> str:
        """An attempt at this Pod begins. Returns the node at which the search starts."""
        names, start = self.snapshot.names, self._baseline.start_of(pod.key)
        if start in self.snapshot:
            self.start = self.snapshot.index(start)
        self._first = self._baseline.node_of(pod.key)
        return names[self.start % len(names)] if names else ""

    def positions(self, names: frozenset[str] | None) -> Sequence[int]:
        """The Pod's node of the baseline comes first, so that no search ends before it was looked at."""
        found = super().positions(names)
        if self._first not in self.snapshot:
            return found
        first = self.snapshot.index(self._first)
        return [first, *(i for i in found if i != first)] if first in found else found

    def pick_best(self, evaluation: Evaluation, feasible: Sequence[int], totals: list[int]) -> None:
        best = max(totals)
        if totals.count(best) == 1:
            super().pick_best(evaluation, feasible, totals)
            return
        tied = [evaluation.names[i] for i, total in zip(feasible, totals, strict=True) if total == best]
        names = self._baseline.narrowed(evaluation.pod.key, tied)
        evaluation.node_name = names[self.choose(len(names)) if len(names) > 1 else 0]


class SteadyPreemption(OfflinePreemption):
    """Notes whom a preemption would evict. Among nodes where it does equal harm, that of the baseline is kept."""

    def __init__(self, budgets: Sequence[DisruptionBudget], baseline: Baseline) -> None:
        super().__init__(budgets)
        self._baseline = baseline

    async def ask_extenders(self, pod: PodInfo, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        """No extender is asked."""
        best = best_candidates(candidates)
        names = self._baseline.narrowed(pod.key, [candidate.node_name for candidate in best])
        return [candidate for candidate in best if candidate.node_name in names]
