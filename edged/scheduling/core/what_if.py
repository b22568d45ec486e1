"""Playing a cycle through on changed copies of nodes, for PostFilter plugins. Pure.

`post_filter` runs that extension point for a Pod that fitted nowhere; plugins find `WhatIfs` in the state.
`preempt` tries a cycle with it on plain objects, as cycle.py's `evaluate` does without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from edged.scheduling.core.cycle import (
    Algorithm,
    OfflineHandle,
    OfflinePreemption,
    add_to_state,
    begin_anew,
    offline,
    remove_from_state,
    run_now,
    run_post_filter,
)
from edged.scheduling.core.filtering import active
from edged.scheduling.core.framework import CycleState, PostFilterResult
from edged.scheduling.core.nominator import Nominator
from edged.scheduling.core.outcome import NOT_VISITED, Evaluation
from edged.scheduling.core.plugin_status import Code, Status
from edged.scheduling.core.point_plan import ProfileConfig
from edged.scheduling.core.preemption import Candidate, parse_budget
from edged.scheduling.core.profile import Call, Profile, build
from edged.scheduling.objects.nodes import NodeInfo
from edged.scheduling.objects.other_objects import Objects
from edged.scheduling.objects.pods import PodInfo


async def post_filter(
    algorithm: Algorithm, profile: Profile, state: CycleState, evaluation: Evaluation
) -> PostFilterResult:
    """Runs PostFilter after a cycle of `algorithm` that found no node. Its message goes to `evaluation`."""
    state.what_ifs = CycleWhatIfs(algorithm, profile, state, evaluation)
    return await run_post_filter(profile, state, evaluation)


class CycleWhatIfs:
    """framework.WhatIfs over one cycle's snapshot, state and verdicts."""

    def __init__(self, algorithm: Algorithm, profile: Profile, state: CycleState, evaluation: Evaluation) -> None:
        self._algorithm = algorithm
        self._profile = profile
        self._state = state
        self._evaluation = evaluation
        self._calls = active(profile.calls["filter"], state.skip_filter)

    @property
    def names(self) -> tuple[str, ...]:
        return self._evaluation.names

    def node(self, name: str) -> NodeInfo | None:
        return self._algorithm.snapshot.get(name)

    def code(self, name: str) -> int:
        """The code of the verdict on a node. Nodes without a verdict count as unresolvable."""
        snapshot = self._algorithm.snapshot
        return self._code_at(snapshot.index(name)) if name in snapshot else Code.UNRESOLVABLE

    def _code_at(self, position: int) -> int:
        status = self._evaluation.statuses[position]
        if status is NOT_VISITED:
            status = self._evaluation.absent
            return Code.UNRESOLVABLE if status is None else status.code
        return Code.SUCCESS if status is None else status.code

    def unschedulable_nodes(self) -> Sequence[NodeInfo]:
        nodes = self._algorithm.snapshot.nodes
        return [node for i, node in enumerate(nodes) if self._code_at(i) == Code.UNSCHEDULABLE]

    def trial(self, node: NodeInfo) -> NodeTrial:
        return NodeTrial(self._algorithm, self._profile, self._calls, self._state, self._evaluation.pod, node)

    def choose(self, count: int) -> int:
        return self._algorithm.choose(count)


class NodeTrial:
    """preemption.Trial: copies of a node and of the cycle's state, on which Pods come and go."""

    def __init__(
        self,
        algorithm: Algorithm,
        profile: Profile,
        calls: Sequence[Call],
        state: CycleState,
        pod: PodInfo,
        node: NodeInfo,
    ) -> None:
        self.node = node.clone()
        self._algorithm = algorithm
        self._profile = profile
        self._calls = calls
        self._state = state.clone()
        self._pod = pod

    async def add(self, pod: PodInfo) -> None:
        self.node.add_pod(pod)
        await add_to_state(self._profile, self._state, self._pod, pod, self.node)

    async def remove(self, pod: PodInfo) -> None:
        self.node.remove_pod(pod.uid)
        await remove_from_state(self._profile, self._state, self._pod, pod, self.node)

    def close(self) -> None:
        begin_anew(self._profile, self._state, self._pod)

    async def verdict(self) -> Status | None:
        return await self._algorithm.filter_twice(self._profile, self._calls, self._state, self._pod, self.node)


def preempt(
    config: ProfileConfig | None,
    nodes: Iterable[Mapping[str, Any]],
    pods: Iterable[Mapping[str, Any]],
    pod: Mapping[str, Any],
    *,
    budgets: Iterable[Mapping[str, Any]] = (),
    objects: Iterable[dict[str, Any]] = (),
    choose: Callable[[int], int] | None = None,
) -> tuple[Evaluation, PostFilterResult, Candidate | None]:
    """One full cycle on lists of Node, Pod and PodDisruptionBudget objects, preemption included. `objects`: of other
    kinds, each with its `kind`.

    The Candidate is whom it would evict, None for nobody. Raises CycleError, ShapeError, ConfigError.
    """
    pods = list(pods)
    _, parser, snapshot = offline(nodes, [*pods, pod])
    others = Objects()
    for extra in objects:
        others.put(extra["kind"], extra)
    handle, nominator = OfflineHandle(snapshot, others), Nominator()
    handle.preemption = preemption = OfflinePreemption([parse_budget(budget) for budget in budgets])
    profile = build(config or ProfileConfig("default-scheduler"), handle)
    for obj in pods:
        other = parser.parse(obj)
        if not other.node_name:
            nominator.add(other)
    algorithm, state, result = Algorithm(snapshot, nominator, choose), CycleState(), PostFilterResult("", True)
    evaluation = run_now(algorithm.schedule(profile, state, parser.parse(pod)))
    if evaluation.names and not evaluation.node_name:
        result = run_now(post_filter(algorithm, profile, state, evaluation))
    return evaluation, result, preemption.started[-1][1] if preemption.started else None
