"""PodTopologySpread: Pods with the same labels are spread over zones, hosts, or whatever a node label spans.

A Pod without constraints of its own has the defaults of default_spread.py, as far as something selects it. The
system's defaults only score, and without the Services and workloads they are left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from edged.kube.values.selectors import LabelSelector
from edged.scheduling.core.cluster_events import Action, ClusterEvent, EventRegistration, begins_to_end
from edged.scheduling.core.framework import MAX_NODE_SCORE, NODE, POD, PODS, CycleState, Handle, Plugin
from edged.scheduling.core.plugin_status import Code, Status
from edged.scheduling.objects.default_spread import DefaultSelectors, kinds_for, parse_args, with_label_keys
from edged.scheduling.objects.nodes import NodeInfo
from edged.scheduling.objects.other_objects import NOTHING
from edged.scheduling.objects.pods import PodInfo, SpreadConstraint
from edged.scheduling.plugins.node_affinity import required_matches
from edged.scheduling.plugins.node_unschedulable import is_own_update
from edged.scheduling.plugins.taint_toleration import untolerated

_NAME = "PodTopologySpread"
_TEXT = "node(s) didn't match pod topology spread constraints"
_SKEWED = Status(Code.UNSCHEDULABLE, (_TEXT,), _NAME)
_NO_LABEL = Status(Code.UNRESOLVABLE, (f"{_TEXT} (missing required label)",), _NAME)
_SKIP = Status(Code.SKIP, (), _NAME)
_SCORES = "PodTopologySpread/scores"
_HOSTNAME = "kubernetes.io/hostname"


class Spread:
    """Per hard constraint: matching Pods by domain. `least[i]` is the global minimum, None after a change."""

    __slots__ = ("constraints", "counts", "least")

    def __init__(self, constraints: Sequence[SpreadConstraint]) -> None:
        self.constraints = constraints
        self.counts: list[dict[str, int]] = [{} for _ in constraints]
        self.least: list[int | None] = [None] * len(constraints)

    def clone(self) -> Spread:
        copy = Spread(self.constraints)
        copy.counts = [counts.copy() for counts in self.counts]
        copy.least = self.least.copy()
        return copy

    def minimum(self, i: int) -> int:
        least = self.least[i]
        if least is None:
            counts = self.counts[i]
            enough = len(counts) >= self.constraints[i].min_domains
            least = self.least[i] = min(counts.values(), default=0) if enough else 0
        return least


class PodTopologySpread(Plugin):
    """Args: defaultingType (System), defaultConstraints."""

    name = _NAME
    points = frozenset({"pre_filter", "filter", "pre_score", "score", "normalize_score"})
    depends_on = frozenset({POD, NODE, PODS})
    pre_filter_extensions = True

    def __init__(self, args: Mapping[str, object], handle: Handle) -> None:
        self._handle = handle
        self._defaults, self._by_system = parse_args(args)
        self._firm = any(constraint.hard for constraint in self._defaults)
        self._selectors = DefaultSelectors(handle.objects)
        self._counts = PodCounts()

    def events_to_register(self) -> Iterable[EventRegistration]:
        pod = ClusterEvent("Pod", Action.ADD | Action.UPDATE_POD_LABEL | Action.DELETE)
        changes = Action.UPDATE_NODE_LABEL | Action.UPDATE_NODE_TAINT
        return (
            EventRegistration(pod, self._concerns),
            EventRegistration(ClusterEvent("Pod", Action.UPDATE_POD_OTHER), self._counts_no_more),
            EventRegistration(ClusterEvent("Pod", Action.UPDATE_POD_TOLERATION), is_own_update),
            EventRegistration(ClusterEvent("Node", Action.ADD | Action.DELETE | changes)),
        )

    def needs(self, pod: PodInfo) -> frozenset[str]:
        return kinds_for(pod) if self._firm and not pod.spec.spread else NOTHING

    def wishes(self, pod: PodInfo) -> frozenset[str]:
        return kinds_for(pod) if self._defaults and not self._firm and not pod.spec.spread else NOTHING

    def skips(self, pod: PodInfo) -> bool:
        """The Pod has no hard constraint; soft ones are scored anew for each Pod."""
        spread = pod.spec.spread
        if spread:
            return not any(constraint.hard for constraint in spread)
        return not self._firm or self._selectors.of(pod) is None

    def scores_anew(self, pod: PodInfo) -> bool:
        return bool(pod.spec.spread) or (bool(self._defaults) and self._selectors.of(pod) is not None)

    def constraints(self, pod: PodInfo, *, hard: bool) -> list[SpreadConstraint]:
        """The Pod's own, or else the defaults with its selector."""
        spread = pod.spec.spread
        if spread:
            return [with_label_keys(c, pod.labels) if c.match_label_keys else c for c in spread if c.hard == hard]
        defaults = [c for c in self._defaults if c.hard == hard]
        selector = self._selectors.of(pod) if defaults else None
        return [c._replace(selector=selector) for c in defaults] if selector is not None else []

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        constraints = self.constraints(pod, hard=True)
        if not constraints:
            return _SKIP
        spread = Spread(constraints)
        tables = [self._counts.table(constraint, pod.key.namespace) for constraint in constraints]
        for node in nodes:
            if has_all_keys(constraints, node.labels):
                for constraint, counts, table in zip(constraints, spread.counts, tables, strict=True):
                    if included(constraint, pod, node):
                        value = node.labels[constraint.topology_key]
                        counts[value] = counts.get(value, 0) + _count_on(table, constraint, pod, node)
        state.data[_NAME] = spread
        return None

    def add_pod(self, state: CycleState, pod: PodInfo, added: PodInfo, node: NodeInfo) -> None:
        _move(state.data[_NAME], pod, added, node, 1)

    def remove_pod(self, state: CycleState, pod: PodInfo, removed: PodInfo, node: NodeInfo) -> None:
        _move(state.data[_NAME], pod, removed, node, -1)

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        spread: Spread = state.data[_NAME]
        for i, constraint in enumerate(spread.constraints):
            value = node.labels.get(constraint.topology_key)
            if value is None:
                return _NO_LABEL
            own = 1 if constraint.selector and constraint.selector.matches(pod.labels) else 0
            if spread.counts[i].get(value, 0) + own - spread.minimum(i) > constraint.max_skew:
                return _SKEWED
        return None

    def pre_score(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        constraints = self.constraints(pod, hard=False)
        if not constraints:
            return _SKIP
        state.data[_SCORES] = SoftSpread(
            constraints, pod, nodes, self._handle.snapshot.nodes, self._counts,
            all_keys=bool(pod.spec.spread) or not self._by_system,
        )  # fmt: skip
        return None

    def score(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> int:
        soft: SoftSpread = state.data[_SCORES]
        return soft.score(pod, node)

    def normalize_score(
        self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo], scores: list[int]
    ) -> None:
        ignored = state.data[_SCORES].ignored
        counted = [s for s, node in zip(scores, nodes, strict=True) if node.name not in ignored]
        least, most = min(counted, default=0), max(counted, default=0)
        for i, node in enumerate(nodes):
            if node.name in ignored:
                scores[i] = 0
            elif most == 0:
                scores[i] = MAX_NODE_SCORE
            else:
                scores[i] = MAX_NODE_SCORE * (most + least - scores[i]) // most

    def _concerns(self, pod: PodInfo, old: PodInfo | None, new: PodInfo | None) -> bool:
        """The other Pod counts for a constraint, as it was or as it is now; or the Pod itself changed."""
        if new is not None and new.uid == pod.uid:
            return True
        constraints = self.constraints(pod, hard=True)
        return any(
            other.key.namespace == pod.key.namespace
            and any(c.selector is not None and c.selector.matches(other.labels) for c in constraints)
            for other in (old, new)
            if other is not None
        )

    def _counts_no_more(self, pod: PodInfo, old: PodInfo | None, new: PodInfo | None) -> bool:
        return begins_to_end(old, new) and self._concerns(pod, old, new)


class PodCounts:
    """How many Pods of each node of the snapshot a selector matches; counted again only where a node changed."""

    _TABLES: Final = 64

    def __init__(self) -> None:
        self._tables: dict[tuple[LabelSelector | None, str], dict[str, tuple[int, int]]] = {}

    def table(self, constraint: SpreadConstraint, namespace: str) -> dict[str, tuple[int, int]]:
        """Of a constraint's selector: node -> (its generation then, Pods)."""
        key = (constraint.selector, namespace)
        table = self._tables.get(key)
        if table is None:
            if len(self._tables) >= self._TABLES:
                self._tables.clear()
            table = self._tables[key] = {}
        return table


def _count_on(
    table: dict[str, tuple[int, int]], constraint: SpreadConstraint, pod: PodInfo, node: NodeInfo
) -> int:
    entry = table.get(node.name)
    if entry is None or entry[0] != node.generation:
        entry = table[node.name] = (node.generation, matching_pods(constraint, pod, node))
    return entry[1]


class SoftSpread:
    """Counts for the ScheduleAnyway constraints; `ignored`: scored nodes that lack one of the keys. Without
    `all_keys` none is ignored, and nodes that lack a key are a domain of their own."""

    __slots__ = ("constraints", "counts", "ignored", "tables", "weights")

    def __init__(
        self,
        constraints: Sequence[SpreadConstraint],
        pod: PodInfo,
        scored: Sequence[NodeInfo],
        everywhere: Sequence[NodeInfo],
        pod_counts: PodCounts,
        *,
        all_keys: bool,
    ) -> None:
        self.constraints = constraints
        self.tables = [pod_counts.table(constraint, pod.key.namespace) for constraint in constraints]
        lacking = {node.name for node in scored if not has_all_keys(constraints, node.labels)} if all_keys else set()
        self.ignored: set[str] = lacking
        self.counts = [self._domains(constraint, scored) for constraint in constraints]
        hosts = len(scored) - len(self.ignored)
        self.weights = [
            math.log((hosts if c.topology_key == _HOSTNAME else len(counts)) + 2)
            for c, counts in zip(constraints, self.counts, strict=True)
        ]
        for node in everywhere:
            if not all_keys or has_all_keys(constraints, node.labels):
                self._count(pod, node)

    def _domains(self, constraint: SpreadConstraint, scored: Sequence[NodeInfo]) -> dict[str, int]:
        """Hosts are counted when they are scored."""
        if constraint.topology_key == _HOSTNAME:
            return {}
        return {node.labels.get(constraint.topology_key, ""): 0 for node in scored if node.name not in self.ignored}

    def _count(self, pod: PodInfo, node: NodeInfo) -> None:
        for constraint, counts, table in zip(self.constraints, self.counts, self.tables, strict=True):
            value = node.labels.get(constraint.topology_key, "")
            if value in counts and included(constraint, pod, node):
                counts[value] += _count_on(table, constraint, pod, node)

    def score(self, pod: PodInfo, node: NodeInfo) -> int:
        if node.name in self.ignored:
            return 0
        total = 0.0
        for i, constraint in enumerate(self.constraints):
            if constraint.topology_key not in node.labels:
                continue
            if constraint.topology_key == _HOSTNAME:
                count = _count_on(self.tables[i], constraint, pod, node)
            else:
                count = self.counts[i][node.labels[constraint.topology_key]]
            total += count * self.weights[i] + (constraint.max_skew - 1)
        return math.floor(total + 0.5)


def has_all_keys(constraints: Sequence[SpreadConstraint], labels: Mapping[str, str]) -> bool:
    return all(constraint.topology_key in labels for constraint in constraints)


def included(constraint: SpreadConstraint, pod: PodInfo, node: NodeInfo) -> bool:
    """The constraint's inclusion policies let the node's domain count."""
    if constraint.honor_affinity and not required_matches(pod, node.name, node.labels):
        return False
    return not (constraint.honor_taints and untolerated(node.taints, pod.spec.tolerations))


def matching_pods(constraint: SpreadConstraint, pod: PodInfo, node: NodeInfo) -> int:
    """Pods of the same namespace that the selector matches; terminating ones do not count, nor does an empty
    selector."""
    selector = constraint.selector
    if selector is None or not selector.requirements:
        return 0
    namespace = pod.key.namespace
    return sum(
        other.key.namespace == namespace and not other.terminating and selector.matches(other.labels)
        for other in node.pods.values()
    )


def _move(spread: Spread, pod: PodInfo, other: PodInfo, node: NodeInfo, step: int) -> None:
    if other.key.namespace != pod.key.namespace or not has_all_keys(spread.constraints, node.labels):
        return
    for i, constraint in enumerate(spread.constraints):
        if (
            constraint.selector
            and constraint.selector.matches(other.labels)
            and included(constraint, pod, node)
        ):
            value = node.labels[constraint.topology_key]
            spread.counts[i][value] = spread.counts[i].get(value, 0) + step
            spread.least[i] = None
