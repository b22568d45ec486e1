"""DefaultPreemption: a Pod that fits nowhere takes the place of less important ones.

After no node was feasible, nodes are tried on copies (preemption.py) and the best one is chosen. Evicting
the victims goes on in the background (Preemption.start); the Pod is nominated to the node and tried again when
they are gone. Meanwhile it is held back here, at PreEnqueue, so that it does not evict others as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from edged.errors import EdgedError, shown
from edged.scheduling.core.cluster_events import Action, ClusterEvent, EventRegistration
from edged.scheduling.core.framework import ArgumentError, CycleState, Handle, Plugin, PostFilterResult, WhatIfs
from edged.scheduling.core.outcome import fit_error
from edged.scheduling.core.plugin_status import Code, Status
from edged.scheduling.core.preemption import NO_VICTIMS, Candidate, pick_candidate, select_victims
from edged.scheduling.objects.nodes import NodeInfo
from edged.scheduling.objects.pods import PodInfo

_NAME = "DefaultPreemption"
_NOT_HELPFUL = Status(Code.UNRESOLVABLE, ("Preemption is not helpful for scheduling",), _NAME)
_RUNNING = Status(Code.UNRESOLVABLE, ("waiting for the preemption for this pod to be finished",), _NAME)
_NEVER = "not eligible due to preemptionPolicy=Never."
_TERMINATING = "not eligible due to a terminating pod on the nominated node."

Result = tuple[PostFilterResult | None, Status | None]


class DefaultPreemption(Plugin):
    """Args: minCandidateNodesPercentage (10), minCandidateNodesAbsolute (100)."""

    name = _NAME
    points = frozenset({"pre_enqueue", "post_filter"})
    awaits = True
    depends_on = frozenset()

    def __init__(self, args: Mapping[str, object], handle: Handle) -> None:
        self._percentage = _number(args, "minCandidateNodesPercentage", 10, 100)
        self._absolute = _number(args, "minCandidateNodesAbsolute", 100, (1 << 31) - 1)
        if not self._percentage and not self._absolute:
            raise ArgumentError(
                "minCandidateNodesPercentage", "cannot be zero at the same time as minCandidateNodesAbsolute"
            )
        self._handle = handle

    def events_to_register(self) -> Iterable[EventRegistration]:
        """A Pod that this plugin holds back was rejected by other plugins before, and their events decide when another
        try is worthwhile. The event is registered so that they are asked at all while this plugin gates the Pod."""
        return (EventRegistration(ClusterEvent("Pod", Action.DELETE), lambda pod, old, new: False),)

    def pre_enqueue(self, pod: PodInfo) -> Status | None:
        return _RUNNING if self._handle.preemption.running(pod.uid) else None

    async def post_filter(self, state: CycleState, pod: PodInfo, statuses: dict[str, Status]) -> Result:
        what_ifs = state.what_ifs
        assert what_ifs is not None, "the cycle provides it before PostFilter"
        result, status = await self._preempt(what_ifs, pod)
        return result, Status(status.code, (f"preemption: {status.message}",), _NAME)

    async def _preempt(self, what_ifs: WhatIfs, pod: PodInfo) -> tuple[PostFilterResult | None, Status]:
        problem = self._ineligible(what_ifs, pod) or self._handle.preemption.problem()
        if problem:
            return None, Status(Code.UNSCHEDULABLE, (problem,))
        candidates: Sequence[Candidate]
        candidates, statuses, errors = await self._candidates(what_ifs, pod)
        if not candidates:
            if errors:
                return None, Status(Code.ERROR, (_aggregate(errors),))
            message = fit_error(what_ifs.names, statuses, _NOT_HELPFUL)
            return PostFilterResult("", True), Status(Code.UNSCHEDULABLE, (message,))
        try:
            candidates = await self._handle.preemption.ask_extenders(pod, candidates)
        except EdgedError as error:
            return None, Status(Code.ERROR, (str(error),))
        if not candidates:
            return None, Status(Code.UNSCHEDULABLE, ("no candidate node for preemption",))
        best = pick_candidate(candidates, what_ifs.choose)
        self._handle.preemption.start(pod, best)
        message = f"found a potential placement for pod on node {best.node_name}, preempting"
        return PostFilterResult(best.node_name, True), Status(Code.SUCCESS, (f"{message} {len(best.victims)} victims",))

    def _ineligible(self, what_ifs: WhatIfs, pod: PodInfo) -> str:
        if not pod.spec.preempts:
            return _NEVER
        node_name = pod.nominated_node
        node = what_ifs.node(node_name) if node_name else None
        if node is None or what_ifs.code(node_name) == Code.UNRESOLVABLE:
            return ""
        for other in node.pods.values():
            if other.terminating and other.spec.priority < pod.spec.priority and is_being_preempted(other):
                return _TERMINATING
        return ""

    async def _candidates(
        self, what_ifs: WhatIfs, pod: PodInfo
    ) -> tuple[list[Candidate], dict[str, Status], list[str]]:
        """(candidates, those without violations first; node -> why it is none; what broke)."""
        nodes = what_ifs.unschedulable_nodes()
        enough = self._wanted(len(nodes))
        budgets = self._handle.preemption.budgets() if nodes else ()
        clean: list[Candidate] = []
        violating: list[Candidate] = []
        statuses: dict[str, Status] = {}
        errors: list[str] = []
        for node in _from(nodes, what_ifs):
            if not node.has_lower_priority(pod.spec.priority):  # true of most nodes, and cheap to find out
                statuses[node.name] = NO_VICTIMS
                continue
            await self._handle.preemption.pause()
            try:
                candidate = await select_victims(pod, partial(what_ifs.trial, node), node, budgets)
            except EdgedError as error:
                candidate = Status(Code.ERROR, (str(error),))
            if isinstance(candidate, Candidate) and not candidate.victims:
                candidate = Status(Code.ERROR, (f'expected at least one victim pod on node "{node.name}"',))
            if isinstance(candidate, Status):
                statuses[node.name] = candidate
                if candidate.code == Code.ERROR:
                    errors.append(candidate.message)
                continue
            (violating if candidate.violations else clean).append(candidate)
            if clean and len(clean) + len(violating) >= enough:
                break
        return clean + violating, statuses, errors

    def _wanted(self, nodes: int) -> int:
        return min(max(nodes * self._percentage // 100, self._absolute), nodes)


def _from(nodes: Sequence[NodeInfo], what_ifs: WhatIfs) -> list[NodeInfo]:
    """The nodes from a random one on, then those before it, so that it is not always the same nodes that lose Pods."""
    offset = what_ifs.choose(len(nodes)) if nodes else 0
    return [*nodes[offset:], *nodes[:offset]]


def is_being_preempted(pod: PodInfo) -> bool:
    """The Pod is being deleted because a scheduler preempted it."""
    status = pod.object().get("status") or {}
    for condition in status.get("conditions") or ():
        if condition.get("type") == "DisruptionTarget":
            return bool(condition.get("status") == "True" and condition.get("reason") == "PreemptionByScheduler")
    return False


def _aggregate(errors: Iterable[str]) -> str:
    """Errors joined as kube-scheduler does it: each once, in brackets where there are several."""
    distinct = list(dict.fromkeys(errors))
    return distinct[0] if len(distinct) == 1 else f"[{', '.join(distinct)}]"


def _number(args: Mapping[str, object], key: str, default: int, most: int) -> int:
    value = args.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise ArgumentError(key, f"must be a whole number from 0 to {most}, not {shown(value)}")
    return value
