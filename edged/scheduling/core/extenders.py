"""HTTP extenders in a scheduling cycle: what they filter out, their scores, their say in a preemption. Pure.

`Extender` is what the loop provides (scheduling/run/extender_requests.py sends the requests). The rules are
kube-scheduler's: extenders are asked one after the other, after all plugins; an ignorable one that fails is passed
over, any other one fails the cycle; one that only scores never does. `parse_extenders` reads their configuration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from edged.errors import EdgedError
from edged.scheduling.core.framework import MAX_NODE_SCORE
from edged.scheduling.core.outcome import NOT_VISITED, Evaluation, ScoreRow
from edged.scheduling.core.plugin_status import Code, Status
from edged.scheduling.core.preemption import Candidate
from edged.scheduling.objects.nodes import NodeInfo
from edged.scheduling.objects.pods import PodInfo

MAX_EXTENDER_SCORE = 10


class Filtered(Protocol):
    """The answer to a filter request: the names of the nodes that stay, and why the others do not."""

    @property
    def names(self) -> Sequence[str]: ...
    @property
    def failed(self) -> Mapping[str, str]: ...
    @property
    def unresolvable(self) -> Mapping[str, str]: ...


class Extender(Protocol):
    """One configured extender. Every request raises EdgedError when it fails; `filters` and the like tell
    which requests it takes."""

    name: str
    ignorable: bool
    filters: bool
    prioritizes: bool
    preempts: bool
    binds: bool
    weight: int
    waited_s: float
    """What scheduling cycles have waited for its answers, all together. Bindings, which hold up no cycle, are not in
    it."""

    def interested(self, pod: PodInfo) -> bool:
        """Whether the Pod asks for a resource that the extender manages. An extender that manages none is interested in
        all Pods."""
        ...

    def judges(self, pod: PodInfo) -> bool:
        """Whether it has a say in filtering or scoring this Pod."""
        ...

    async def filter(self, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Filtered: ...
    async def prioritize(self, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Mapping[str, int]: ...
    async def preempt(self, pod: PodInfo, candidates: Sequence[Candidate]) -> Sequence[Candidate]: ...
    async def bind(self, pod: PodInfo, node_name: str) -> None: ...


async def run_extender_filters(
    extenders: Sequence[Extender], evaluation: Evaluation, nodes: Sequence[NodeInfo]
) -> None:
    """Takes nodes out of `evaluation.feasible`, with their statuses. Raises EdgedError."""
    for extender in extenders:
        if not evaluation.feasible:
            return
        if not extender.filters or not extender.interested(evaluation.pod):
            continue
        try:
            answer = await extender.filter(evaluation.pod, [nodes[i] for i in evaluation.feasible])
        except EdgedError:
            if extender.ignorable:
                continue
            raise
        _take_out(evaluation, answer)


def _take_out(evaluation: Evaluation, answer: Filtered) -> None:
    stay = frozenset(answer.names)
    statuses = list(evaluation.statuses)
    for i in evaluation.feasible:
        name = evaluation.names[i]
        if name in stay:
            continue
        evaluation.extended = True
        if name in answer.unresolvable:
            statuses[i] = Status(Code.UNRESOLVABLE, (answer.unresolvable[name],))
        elif name in answer.failed:
            statuses[i] = Status(Code.UNSCHEDULABLE, (answer.failed[name],))
        else:
            statuses[i] = NOT_VISITED
    evaluation.statuses = statuses
    evaluation.feasible = [i for i in evaluation.feasible if evaluation.names[i] in stay]


async def run_extender_scores(extenders: Sequence[Extender], evaluation: Evaluation, nodes: Sequence[NodeInfo]) -> None:
    """Adds one row of scores per extender; its 0 to 10 count as 0 to 100. An extender that fails adds none."""
    for extender in extenders:
        if not extender.prioritizes or not extender.interested(evaluation.pod):
            continue
        try:
            scores = await extender.prioritize(evaluation.pod, [nodes[i] for i in evaluation.feasible])
        except EdgedError:
            continue
        raw = [0] * len(nodes)
        for i in evaluation.feasible:
            raw[i] = scores.get(evaluation.names[i], 0)
        weight = extender.weight * (MAX_NODE_SCORE // MAX_EXTENDER_SCORE)
        evaluation.scores[extender.name] = ScoreRow(weight, raw)


async def run_extender_bind(extenders: Sequence[Extender], pod: PodInfo, node_name: str) -> bool:
    """Whether an extender has bound the Pod; else the Bind plugins do. Raises EdgedError."""
    for extender in extenders:
        if not extender.binds or not extender.interested(pod):
            continue
        try:
            await extender.bind(pod, node_name)
        except EdgedError:
            if extender.ignorable:
                continue
            raise
        return True
    return False


async def run_extender_preemption(
    extenders: Sequence[Extender], pod: PodInfo, candidates: Sequence[Candidate]
) -> Sequence[Candidate]:
    """The candidates that all extenders accept, with the victims that they chose. Raises EdgedError."""
    for extender in extenders:
        if not candidates or not extender.preempts or not extender.interested(pod):
            continue
        try:
            answer = await extender.preempt(pod, candidates)
        except EdgedError:
            if extender.ignorable:
                continue
            raise
        candidates = [candidate for candidate in answer if candidate.victims]
        if len(candidates) < len(answer) and not extender.ignorable:
            empty = next(candidate.node_name for candidate in answer if not candidate.victims)
            raise EdgedError(f'expected at least one victim pod on node "{empty}"')
    return candidates
