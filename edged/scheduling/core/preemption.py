"""Which Pods would have to go so that another one fits: victims per node, and which node to choose. Pure.

The rules are kube-scheduler 1.37's. `select_victims` plays one node through on a copy (cycle.py's WhatIf),
`pick_candidate` chooses among nodes. Who is eligible, how many nodes are tried and what is said about it is
plugins/default_preemption.py's; the victims are evicted by scheduling/run/evictions.py. Messages are
kube-scheduler's own words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from edged.kube.values.selectors import LabelSelector, parse_label_selector
from edged.kube.values.shape_checks import check_object
from edged.scheduling.core.plugin_status import Code, Status
from edged.scheduling.objects.nodes import NodeInfo
from edged.scheduling.objects.pods import PodInfo

NO_VICTIMS = Status(Code.UNRESOLVABLE, ("No preemption victims found for incoming pod",), "DefaultPreemption")
_STARTED_NOW = "~"  # sorts behind every RFC 3339 time
_PRIORITY_OFFSET = 1 << 31  # makes every priority positive, so that more victims never make a smaller sum


class DisruptionBudget(NamedTuple):
    """A PodDisruptionBudget: how many more Pods it lets go, and those it has let go already, by name."""

    namespace: str
    selector: LabelSelector | None
    allowed: int
    disrupted: frozenset[str]

    def covers(self, pod: PodInfo) -> bool:
        """An empty selector covers nothing here, whatever it means to evictions."""
        selector = self.selector
        if selector is None or not selector.requirements or self.namespace != pod.key.namespace:
            return False
        return selector.matches(pod.labels)


def parse_budget(obj: Mapping[str, Any]) -> DisruptionBudget:
    """A policy/v1 PodDisruptionBudget as decoded JSON. Raises ShapeError."""
    check_object("PodDisruptionBudget", obj)
    status = obj.get("status") or {}
    return DisruptionBudget(
        obj["metadata"].get("namespace") or "default",
        parse_label_selector((obj.get("spec") or {}).get("selector")),
        status.get("disruptionsAllowed") or 0,
        frozenset(status.get("disruptedPods") or ()),
    )


class Candidate(NamedTuple):
    """A node that would have room. `victims`: the most important first; `violations`: of budgets."""

    node_name: str
    victims: tuple[PodInfo, ...]
    violations: int


class Trial(Protocol):
    """A copy of one node, and of what plugins know of it. Raises CycleError where a plugin breaks."""

    @property
    def node(self) -> NodeInfo: ...
    async def add(self, pod: PodInfo) -> None: ...
    async def remove(self, pod: PodInfo) -> None: ...
    async def verdict(self) -> Status | None:
        """Why the Pod does not fit; None when it does."""
        ...

    def close(self) -> None:
        """It is over; nobody remembers any of it."""
        ...


def importance(pod: PodInfo) -> tuple[int, str]:
    """Sorts the most important Pod first: higher priority, then longer running."""
    return -pod.spec.priority, pod.start_time or _STARTED_NOW


async def select_victims(
    pod: PodInfo, trial: Callable[[], Trial], node: NodeInfo, budgets: Sequence[DisruptionBudget]
) -> Candidate | Status:
    """The fewest Pods that must leave `node` so that `pod` fits, or why nothing helps.

    All less important Pods go first, mirror Pods excepted. Then they come back one by one, as long as the Pod still
    fits: first those whose eviction would violate a budget, then the others. There is at least one that can go
    (`NodeInfo.has_lower_priority`).
    """
    tried = trial()
    try:
        return await _least(pod, tried, node, budgets)
    finally:
        tried.close()


async def _least(
    pod: PodInfo, tried: Trial, node: NodeInfo, budgets: Sequence[DisruptionBudget]
) -> Candidate | Status:
    lower = (p for p in node.pods.values() if p.spec.priority < pod.spec.priority and not p.is_mirror)
    possible = sorted(lower, key=importance)
    for victim in possible:
        await tried.remove(victim)
    status = await tried.verdict()
    if status is not None:
        return status
    violating, others = split_by_budgets(possible, budgets)
    victims = await _not_reprieved(tried, violating)
    violations = len(victims)
    victims += await _not_reprieved(tried, others)
    return Candidate(node.name, tuple(sorted(victims, key=importance)), violations)


async def _not_reprieved(tried: Trial, pods: Iterable[PodInfo]) -> list[PodInfo]:
    victims = []
    for pod in pods:
        await tried.add(pod)
        if await tried.verdict() is not None:
            await tried.remove(pod)
            victims.append(pod)
    return victims


def split_by_budgets(
    pods: Iterable[PodInfo], budgets: Sequence[DisruptionBudget]
) -> tuple[list[PodInfo], list[PodInfo]]:
    """(victims whose eviction would violate a PodDisruptionBudget, the other victims), in order."""
    left = [budget.allowed for budget in budgets]
    violating: list[PodInfo] = []
    others: list[PodInfo] = []
    for pod in pods:
        (violating if _violates(pod, budgets, left) else others).append(pod)
    return violating, others


def _violates(pod: PodInfo, budgets: Sequence[DisruptionBudget], left: list[int]) -> bool:
    if not pod.labels:
        return False
    for i, budget in enumerate(budgets):
        if budget.covers(pod) and pod.key.name not in budget.disrupted:
            left[i] -= 1
            if left[i] < 0:
                return True
    return False


def pick_candidate(candidates: Sequence[Candidate], choose: Callable[[int], int]) -> Candidate:
    """The one that hurts least; `choose(n)` breaks ties."""
    rest = best_candidates(candidates)
    return rest[choose(len(rest))] if len(rest) > 1 else rest[0]


def best_candidates(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those that hurt least, in order: several where they hurt equally."""
    best = min(map(_harm, candidates))
    rest = [candidate for candidate in candidates if _harm(candidate) == best]
    latest = max(map(_earliest_start, rest))
    return [candidate for candidate in rest if _earliest_start(candidate) == latest]


def _harm(candidate: Candidate) -> tuple[int, int, int, int]:
    priorities = [victim.spec.priority for victim in candidate.victims]
    total = sum(priorities) + _PRIORITY_OFFSET * len(priorities)
    # Extenders may return victims in any order. As in kube-scheduler, the priority of the first one counts.
    return candidate.violations, priorities[0], total, len(priorities)


def _earliest_start(candidate: Candidate) -> str:
    """Of the victims with the highest priority."""
    highest = max(victim.spec.priority for victim in candidate.victims)
    return min(v.start_time or _STARTED_NOW for v in candidate.victims if v.spec.priority == highest)
