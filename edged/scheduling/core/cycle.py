"""One scheduling cycle: find a node for one Pod. Pure; upstream's PreFilter, Filter, PostFilter, Score,
choice.

`Algorithm.schedule` is a coroutine function because guest plugins' points are awaited; with native plugins
alone it never waits. It changes nothing but its own rotating start index: assuming, Reserve, Permit and
binding come after (binding.py). Results are reused for identical Pods by classes.py where the profile allows
it; the plain cycle below is the reference that the shared one must equal. Messages of errors in plugins are
kube-scheduler's own words.

To try one cycle on plain objects, without queue, cache or API server:

    from edged.scheduling.core.cycle import evaluate
    result = evaluate(None, nodes, pods, pod)      # lists of Node and Pod dicts; None: the default profile
    result.node_name                               # "" when no node fits
    result.message()                               # the text of FailedScheduling
    result.status("node-1")                        # None: feasible; else Status(code, reasons, plugin)
    result.raw_scores()["NodeResourcesFit"]["node-1"], result.final_scores(), result.totals()

Scores are there when two nodes or more are feasible. `profile` may be a ProfileConfig.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from random import Random
from typing import Any, TypeVar

from edged.kube.values.names import NamespacedName, key_of
from edged.scheduling.core.cache import Cache
from edged.scheduling.core.extenders import Extender, run_extender_filters, run_extender_scores
from edged.scheduling.core.filtering import CycleError as CycleError
from edged.scheduling.core.filtering import Search, active, filter_node, split
from edged.scheduling.core.framework import (
    MAX_NODE_SCORE,
    MIN_NODE_SCORE,
    CycleState,
    Handle,
    PostFilterResult,
    Preemption,
)
from edged.scheduling.core.nominator import Nominator
from edged.scheduling.core.outcome import Evaluation, ScoreRow
from edged.scheduling.core.plugin_status import Code, Status, failed
from edged.scheduling.core.point_plan import ProfileConfig
from edged.scheduling.core.preemption import Candidate, DisruptionBudget
from edged.scheduling.core.profile import Call, Profile, build
from edged.scheduling.core.snapshot import Snapshot
from edged.scheduling.objects.nodes import NodeInfo, NodeParser
from edged.scheduling.objects.other_objects import Objects
from edged.scheduling.objects.pods import PodInfo, PodParser

T = TypeVar("T")
MIN_FEASIBLE_NODES = 100
MIN_PERCENTAGE = 5


def nodes_to_find(total: int, percentage: int | None) -> int:
    """How many feasible nodes are enough. `percentage`: of the profile or global; None or 0: by cluster
    size."""
    if total < MIN_FEASIBLE_NODES:
        return total
    percentage = percentage or max(MIN_PERCENTAGE, 50 - total // 125)
    return total if percentage >= 100 else max(MIN_FEASIBLE_NODES, total * percentage // 100)


async def run_pre_filter(
    profile: Profile, state: CycleState, evaluation: Evaluation, nodes: Sequence[NodeInfo]
) -> frozenset[str] | None:
    """Runs all PreFilter plugins; -> names the nodes are limited to, None for all.

    A rejection is left in `evaluation.pre_filter_status`. Raises CycleError.
    """
    pod = evaluation.pod
    names: frozenset[str] | None = None
    narrowing: set[str] = set()
    rejected: Status | None = None
    for call in profile.calls["pre_filter"]:
        result = call.method(state, pod, nodes)
        if call.awaits:
            result = await result
        if result is None:
            continue
        limit, status = (None, result) if isinstance(result, Status) else result
        if status is not None and status.code != Code.SUCCESS:
            if status.code == Code.SKIP:
                state.skip_filter.add(call.name)
                continue
            status = status.by(call.name)
            if status.code == Code.UNRESOLVABLE:
                _reject(evaluation, status, frozenset())
                return None
            if status.code != Code.UNSCHEDULABLE:
                raise CycleError(f'running PreFilter plugin "{call.name}": {status.message}', call.name)
            rejected = status
            continue
        if limit is not None:
            narrowing.add(call.name)
            evaluation.limits[call.name] = limit
            names = limit if names is None else names & limit
            if not names:
                _reject(evaluation, _disjoint(narrowing), frozenset(narrowing))
                return None
    evaluation.narrowing = frozenset(narrowing)
    if rejected is not None:
        _reject(evaluation, rejected, evaluation.narrowing)
        return None
    if names is not None:
        said = f"node(s) didn't satisfy plugin(s) [{' '.join(sorted(narrowing))}]"
        evaluation.absent = Status(Code.UNRESOLVABLE, (said,))
    return names


def _reject(evaluation: Evaluation, status: Status, narrowing: frozenset[str]) -> None:
    evaluation.pre_filter_status = evaluation.absent = status
    evaluation.pre_filter_message = status.message
    evaluation.narrowing = narrowing


def _disjoint(plugins: set[str]) -> Status:
    if len(plugins) == 1:
        return Status(Code.UNRESOLVABLE, (f"node(s) didn't satisfy plugin {next(iter(plugins))}",))
    said = f"node(s) didn't satisfy plugin(s) [{' '.join(sorted(plugins))}] simultaneously"
    return Status(Code.UNRESOLVABLE, (said,))


async def run_pre_score(
    calls: Sequence[Call], state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]
) -> None:
    """Notes Skip in the state. Raises CycleError."""
    for call in calls:
        status = call.method(state, pod, nodes)
        if call.awaits:
            status = await status
        if status is None or status[0] == 0:
            continue
        if status[0] != Code.SKIP:
            raise CycleError(f'running PreScore plugin "{call.name}": {status.message}', call.name)
        state.skip_score.add(call.name)


async def score_nodes(
    call: Call,
    state: CycleState,
    pod: PodInfo,
    nodes: Sequence[NodeInfo],
    positions: Iterable[int],
    raw: list[int],
) -> None:
    """Writes raw[i] for each position. Raises CycleError."""
    method, many = call.method, call.plugin.score_all
    if many is not None:
        positions = list(positions)
        scores = await many(state, pod, [nodes[i] for i in positions])
        if isinstance(scores, Status):
            raise _score_failed(call.name, scores)
        for i, score in zip(positions, scores, strict=True):
            raw[i] = score
        return
    for i in positions:
        score = method(state, pod, nodes[i])
        if call.awaits:
            score = await score
        if isinstance(score, Status):
            raise _score_failed(call.name, score)
        raw[i] = score


def _score_failed(plugin: str, status: Status) -> CycleError:
    return CycleError(f'running Score plugins: plugin "{plugin}" failed with: {status.message}', plugin)


async def score_row(
    call: Call,
    state: CycleState,
    pod: PodInfo,
    nodes: Sequence[NodeInfo],
    positions: Sequence[int],
    raw: list[int],
) -> ScoreRow:
    """Normalizes one plugin's raw scores of the feasible nodes and checks their range. Raises CycleError."""
    by_max = call.plugin.normalize_by_max
    if by_max is not None:
        return ScoreRow(call.weight, raw, by_max=by_max, maximum=maximum_at(raw, positions))
    if "normalize_score" not in call.plugin.points:
        check_range(call.name, raw, positions)
        return ScoreRow(call.weight, raw)
    scores = [raw[i] for i in positions]
    status = call.plugin.normalize_score(state, pod, [nodes[i] for i in positions], scores)
    if call.awaits:
        status = await status
    if failed(status):
        problem = f'plugin "{call.name}" failed with: {status.message}'
        raise CycleError(f"running Normalize on Score plugins: {problem}", call.name)
    normalized = [0] * len(raw)
    for i, score in zip(positions, scores, strict=True):
        normalized[i] = score
    check_range(call.name, normalized, positions)
    return ScoreRow(call.weight, raw, normalized)


def maximum_at(raw: Sequence[int], positions: Sequence[int]) -> int:
    return max(raw) if len(positions) == len(raw) else max([raw[i] for i in positions])


def check_range(plugin: str, scores: Sequence[int], positions: Iterable[int]) -> None:
    """Raises CycleError for a score outside 0..100."""
    for i in positions:
        if not MIN_NODE_SCORE <= scores[i] <= MAX_NODE_SCORE:
            said = (
                f"returns an invalid score {scores[i]}, it should in the range of [0, 100] after normalizing"
            )
            raise CycleError(
                f'applying score defaultWeights on Score plugins: plugin "{plugin}" {said}', plugin
            )


async def run_post_filter(profile: Profile, state: CycleState, evaluation: Evaluation) -> PostFilterResult:
    """PostFilter plugins in order, after no node was feasible; the text goes to `evaluation`."""
    result = PostFilterResult()
    reasons: list[str] = []
    statuses = evaluation.node_statuses()
    for call in profile.calls["post_filter"]:
        answer = call.method(state, evaluation.pod, statuses)
        if call.awaits:
            answer = await answer
        offered, status = answer
        if status is None or status.code in (Code.SUCCESS, Code.UNRESOLVABLE):
            evaluation.post_filter_message = status.message if status else ""
            return offered or PostFilterResult()
        if not status.rejected:
            evaluation.post_filter_message = status.message
            return PostFilterResult()
        if offered is not None and offered.override:
            result = offered
        reasons += status.reasons
    evaluation.post_filter_message = ", ".join(reasons)
    return result


class Algorithm:
    """Chooses nodes, cycle after cycle, on one snapshot. `choose(n)` gives a number below n: breaks ties."""

    def __init__(
        self,
        snapshot: Snapshot,
        nominator: Nominator,
        choose: Callable[[int], int] | None = None,
        percentage: int | None = None,
    ) -> None:
        self.snapshot = snapshot
        self.nominator = nominator
        self.choose = choose or Random().randrange
        self.percentage = percentage
        self.start = 0
        self.extenders: Sequence[Extender] = ()

    async def schedule(self, profile: Profile, state: CycleState, pod: PodInfo) -> Evaluation:
        """The plain cycle up to the choice of a node. Raises CycleError."""
        snapshot = self.snapshot
        evaluation = Evaluation(pod, snapshot.names)
        if not snapshot.nodes:
            return evaluation
        names = await run_pre_filter(profile, state, evaluation, snapshot.nodes)
        if evaluation.pre_filter_status is not None:
            return evaluation
        await self._find(profile, state, evaluation, names)
        if len(evaluation.feasible) > 1:
            await self._score(profile, state, evaluation)
        self.pick(evaluation)
        return evaluation

    async def _find(
        self, profile: Profile, state: CycleState, evaluation: Evaluation, names: frozenset[str] | None
    ) -> None:
        nominated = evaluation.pod.nominated_node
        if nominated and nominated in self.snapshot and (names is None or nominated in names):
            await self._filter(profile, state, evaluation, [self.snapshot.index(nominated)], 1)
            await run_extender_filters(self.extenders, evaluation, self.snapshot.nodes)
            if evaluation.feasible:
                return
        positions = self.positions(names)
        enough = self.wanted(profile, len(positions))
        await self._filter(profile, state, evaluation, positions, enough)
        self.advance(evaluation)
        await run_extender_filters(self.extenders, evaluation, self.snapshot.nodes)

    def positions(self, names: frozenset[str] | None) -> Sequence[int]:
        """Positions of the nodes to look at, in the order to look at them."""
        total = len(self.snapshot.nodes)
        if names is None:
            start = self.start % total  # some nodes may be gone by now
            return range(total) if not start else [*range(start, total), *range(start)]
        limited = sorted(self.snapshot.index(name) for name in names if name in self.snapshot)
        turn = self.start % len(limited) if limited else 0
        return limited[turn:] + limited[:turn]

    def wanted(self, profile: Profile, total: int) -> int:
        """How many feasible nodes end the search among `total`."""
        if not profile.calls["score"] and not any(e.filters or e.prioritizes for e in self.extenders):
            return 1
        return nodes_to_find(total, self.percentage if profile.percentage is None else profile.percentage)

    def advance(self, evaluation: Evaluation) -> None:
        """The search for the next Pod starts after the nodes that this one has visited."""
        explicit = sum(1 for _ in evaluation.explicit())
        self.start = (self.start + len(evaluation.feasible) + explicit) % len(self.snapshot.nodes)

    async def _filter(
        self,
        profile: Profile,
        state: CycleState,
        evaluation: Evaluation,
        positions: Sequence[int],
        enough: int,
    ) -> None:
        calls, pod, nodes = active(profile.calls["filter"], state.skip_filter), evaluation.pod, self.snapshot.nodes
        single, many = split(calls)
        statuses: list[Status | None] = list(evaluation.statuses)
        search = Search(many, state, pod, nodes, enough, statuses.__setitem__)
        for i in positions:
            if search.over:
                break
            if not many:
                search.settled(i, await self.filter_twice(profile, calls, state, pod, nodes[i]))
            elif self.nominator and self._nominated(pod, nodes[i].name):
                await search.catch_up()
                if not search.over:
                    search.settled(i, await self.filter_twice(profile, calls, state, pod, nodes[i]))
            else:
                await search.look(i, filter_node(single, state, pod, nodes[i]))
        await search.catch_up()
        evaluation.statuses = statuses
        evaluation.feasible = search.feasible

    async def filter_twice(
        self, profile: Profile, calls: Sequence[Call], state: CycleState, pod: PodInfo, node: NodeInfo
    ) -> Status | None:
        """Filters the node with the Pods that are nominated to it, then without them: both must pass. Raises
        CycleError."""
        nominated = self._nominated(pod, node.name) if self.nominator else ()
        if nominated:
            status = await self._filter_with(profile, calls, state, pod, node, nominated)
            if status is not None:
                return status
        return await filter_node(calls, state, pod, node)

    def _nominated(self, pod: PodInfo, node_name: str) -> list[PodInfo]:
        return [
            other
            for other in self.nominator.on(node_name)
            if other.uid != pod.uid and other.spec.priority >= pod.spec.priority
        ]

    async def _filter_with(
        self,
        profile: Profile,
        calls: Sequence[Call],
        state: CycleState,
        pod: PodInfo,
        node: NodeInfo,
        added: Sequence[PodInfo],
    ) -> Status | None:
        state, node = state.clone(), node.clone()
        for other in added:
            node.add_pod(other)
            await add_to_state(profile, state, pod, other, node)
        status = await filter_node(calls, state, pod, node)
        for other in added:
            await _run_extension("RemovePod", "remove_pod", profile, state, pod, other, node, outside=True)
        return status

    async def _score(self, profile: Profile, state: CycleState, evaluation: Evaluation) -> None:
        nodes, feasible, pod = self.snapshot.nodes, evaluation.feasible, evaluation.pod
        await run_pre_score(profile.calls["pre_score"], state, pod, [nodes[i] for i in feasible])
        calls = active(profile.calls["score"], state.skip_score)
        raws = {}
        for call in calls:
            raws[call.name] = [0] * len(nodes)
            await score_nodes(call, state, pod, nodes, feasible, raws[call.name])
        for call in calls:
            row = await score_row(call, state, pod, nodes, feasible, raws[call.name])
            evaluation.scores[call.name] = row
        await run_extender_scores(self.extenders, evaluation, nodes)

    def pick(self, evaluation: Evaluation) -> None:
        """The best feasible node, any of the best where several are."""
        feasible = evaluation.feasible
        if not feasible:
            return
        totals = [0] * len(feasible)
        for row in evaluation.scores.values():
            totals = [total + row.final(i) for total, i in zip(totals, feasible, strict=True)]
        self.pick_best(evaluation, feasible, totals)

    def pick_best(self, evaluation: Evaluation, feasible: Sequence[int], totals: list[int]) -> None:
        """`totals` is parallel to `feasible`."""
        best = max(totals)
        ties = totals.count(best)
        place = totals.index(best)
        for _ in range(self.choose(ties) if ties > 1 else 0):
            place = totals.index(best, place + 1)
        evaluation.node_name = evaluation.names[feasible[place]]


async def add_to_state(
    profile: Profile, state: CycleState, pod: PodInfo, added: PodInfo, node: NodeInfo
) -> None:
    """The AddPod extension of PreFilter plugins. Raises CycleError."""
    await _run_extension("AddPod", "add_pod", profile, state, pod, added, node)


async def remove_from_state(
    profile: Profile, state: CycleState, pod: PodInfo, removed: PodInfo, node: NodeInfo
) -> None:
    """The RemovePod extension of PreFilter plugins. Raises CycleError."""
    await _run_extension("RemovePod", "remove_pod", profile, state, pod, removed, node)


def begin_anew(profile: Profile, state: CycleState, pod: PodInfo) -> None:
    """The trials are over: plugins whose state was not cloned forget them."""
    for call in profile.calls["pre_filter"]:
        forget = call.plugin.begin_anew
        if forget is not None and call.plugin.pre_filter_extensions and call.name not in state.skip_filter:
            forget(pod)


async def _run_extension(
    title: str,
    method: str,
    profile: Profile,
    state: CycleState,
    pod: PodInfo,
    other: PodInfo,
    node: NodeInfo,
    outside: bool = False,
) -> None:
    """Calls `add_pod` or `remove_pod` of each PreFilter plugin. `outside`: only of plugins that keep their state
    outside the CycleState."""
    for call in profile.calls["pre_filter"]:
        if outside and call.plugin.begin_anew is None:
            continue
        if call.plugin.pre_filter_extensions and call.name not in state.skip_filter:
            status = getattr(call.plugin, method)(state, pod, other, node)
            if call.awaits:
                status = await status
            if failed(status):
                raise CycleError(
                    f'running {title} on PreFilter plugin "{call.name}": {status.message}', call.name
                )


# --- one cycle on plain objects


class OfflinePreemption:
    """Notes whom a preemption would evict; nobody is evicted."""

    def __init__(self, budgets: Sequence[DisruptionBudget] = ()) -> None:
        self._budgets = budgets
        self.started: list[tuple[PodInfo, Candidate]] = []

    def problem(self) -> str:
        return ""

    def running(self, uid: str) -> bool:
        return False

    def budgets(self) -> Sequence[DisruptionBudget]:
        return self._budgets

    async def ask_extenders(self, pod: PodInfo, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        return candidates

    def start(self, pod: PodInfo, candidate: Candidate) -> None:
        self.started.append((pod, candidate))

    async def pause(self) -> None:
        """Nobody else wants a turn."""


class OfflineHandle:
    """A Handle without a cluster: a snapshot to read, nothing to write to."""

    def __init__(self, snapshot: Snapshot, objects: Objects | None = None) -> None:
        self.snapshot = snapshot
        self.objects = objects or Objects()
        self.preemption: Preemption = OfflinePreemption()

    def node_labels(self, node_name: str) -> Mapping[str, str] | None:
        node = self.snapshot.get(node_name)
        return node.labels if node is not None else None

    async def patch(self, kind: str, key: NamespacedName, body: dict[str, object]) -> dict[str, Any]:
        raise CycleError("there is no API server to write to")

    async def settle(self, pod: PodInfo, done: Callable[[], bool], timeout_s: float) -> bool:
        return done()

    async def bind(self, pod: PodInfo, node_name: str) -> None:
        raise CycleError("there is no API server to bind at")

    def waiting_pod(self, uid: str) -> None:
        return None

    def record_event(self, regarding: Mapping[str, str], **fields: object) -> None:
        """Nobody to tell."""


def offline(
    nodes: Iterable[Mapping[str, Any]], pods: Iterable[Mapping[str, Any]]
) -> tuple[Cache, PodParser, Snapshot]:
    """A cache and its snapshot made of plain Node and Pod objects; Pods without a node are left out."""
    kept: dict[Any, Any] = {}
    cache, snapshot = Cache(), Snapshot()
    node_parser, pod_parser = NodeParser(kept.get), PodParser(kept.get)
    for obj in nodes:
        kept[key_of(dict(obj))] = obj
        cache.set_node(node_parser.parse(obj))
    for obj in pods:
        pod = pod_parser.parse(obj)
        kept[pod.key] = obj
        if pod.node_name and not pod.terminated:
            cache.set_pod(pod)
    cache.update_snapshot(snapshot)
    return cache, pod_parser, snapshot


def evaluate(
    profile: Profile | ProfileConfig | None,
    nodes: Iterable[Mapping[str, Any]],
    pods: Iterable[Mapping[str, Any]],
    pod: Mapping[str, Any],
    *,
    objects: Iterable[dict[str, Any]] = (),
    choose: Callable[[int], int] | None = None,
) -> Evaluation:
    """One full cycle on lists of Node and Pod objects (dicts), in the order given; see the top of this file.

    `pods` without a node that have `status.nominatedNodeName` count as nominated. `objects`: of other kinds
    (objects.py), each with its `kind`. Raises CycleError,
    ShapeError; ConfigError for a bad ProfileConfig. A built Profile must not wait (no guests) and must not
    read its own handle.
    """
    pods = list(pods)
    _, parser, snapshot = offline(nodes, pods)
    others = Objects()
    for extra in objects:
        others.put(extra["kind"], extra)
    handle: Handle = OfflineHandle(snapshot, others)
    if not isinstance(profile, Profile):
        profile = build(profile or ProfileConfig("default-scheduler"), handle)
    nominator = Nominator()
    for obj in pods:
        other = parser.parse(obj)
        if not other.node_name:
            nominator.add(other)
    return run_now(Algorithm(snapshot, nominator, choose).schedule(profile, CycleState(), parser.parse(pod)))


def run_now(coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine that never waits, and returns its result. RuntimeError when it waits after all."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    coroutine.close()
    raise RuntimeError("a plugin waits for something, so this cycle needs an event loop")
