"""InterPodAffinity: Pods near or away from other Pods, by the topology that node labels span.

Terms whose namespaceSelector has requirements need the labels of namespaces; they are asked for as soon as some
Pod, waiting or running, has such a term. From then on a namespace that comes, goes or gets other labels wakes the Pods
that are concerned.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from edged.errors import shown
from edged.scheduling.core.cluster_events import Action, ClusterEvent, EventRegistration
from edged.scheduling.core.framework import MAX_NODE_SCORE, NODE, POD, PODS, ArgumentError, CycleState, Handle, Plugin
from edged.scheduling.core.plugin_status import Code, Status
from edged.scheduling.objects.nodes import NodeInfo
from edged.scheduling.objects.other_objects import NAMESPACE, NOTHING, Objects, Space
from edged.scheduling.objects.pods import AffinityTerm, LabelsOf, PodInfo

_NAME = "InterPodAffinity"
_AFFINITY = Status(Code.UNRESOLVABLE, ("node(s) didn't match pod affinity rules",), _NAME)
_ANTI = Status(Code.UNSCHEDULABLE, ("node(s) didn't match pod anti-affinity rules",), _NAME)
_EXISTING = Status(Code.UNSCHEDULABLE, ("node(s) didn't satisfy existing pods anti-affinity rules",), _NAME)
_SKIP = Status(Code.SKIP, (), _NAME)
_SCORES = "InterPodAffinity/scores"
_NAMESPACES = frozenset({NAMESPACE})

Domain = tuple[str, str]  # topology key, value


class Labels(NamedTuple):
    """The labels of namespaces. A namespace that is not known is chosen by no term of the Pod to place; to the terms
    of Pods that run it is one without labels. So it is for kube-scheduler."""

    for_own_terms: LabelsOf
    for_terms_of_others: LabelsOf

    @classmethod
    def of(cls, objects: Objects) -> Labels:
        return cls(objects.namespace_labels, lambda name: objects.namespace_labels(name) or {})


class Counts:
    """Matching Pods per domain; a domain without any is not in the dicts."""

    __slots__ = ("_labels", "affinity", "anti", "existing")

    def __init__(self, labels: Labels) -> None:
        self._labels = labels
        self.affinity: dict[Domain, int] = {}
        self.anti: dict[Domain, int] = {}
        self.existing: dict[Domain, int] = {}

    def clone(self) -> Counts:
        copy = Counts(self._labels)
        copy.affinity, copy.anti, copy.existing = self.affinity.copy(), self.anti.copy(), self.existing.copy()
        return copy

    def count(self, pod: PodInfo, other: PodInfo, node: NodeInfo, step: int) -> None:
        """Counts Pod `other` on `node` (step 1), or takes it out of the counts (step -1)."""
        spec, labels, labels_of = pod.spec, node.labels, self._labels.for_own_terms
        for term in other.spec.required_anti_affinity:
            if term.matches(pod, self._labels.for_terms_of_others):
                _add(self.existing, labels, term.topology_key, step)
        if spec.required_affinity and all(term.matches(other, labels_of) for term in spec.required_affinity):
            for term in spec.required_affinity:
                _add(self.affinity, labels, term.topology_key, step)
        for term in spec.required_anti_affinity:
            if term.matches(other, labels_of):
                _add(self.anti, labels, term.topology_key, step)


def _add(counts: dict[Domain, int], labels: Mapping[str, str], key: str, step: int) -> None:
    value = labels.get(key)
    if value is not None:
        total = counts.get((key, value), 0) + step
        if total:
            counts[(key, value)] = total
        else:
            counts.pop((key, value), None)


class InterPodAffinity(Plugin):
    """Args: hardPodAffinityWeight (1), ignorePreferredTermsOfExistingPods (false)."""

    name = _NAME
    points = frozenset({"pre_filter", "filter", "pre_score", "score", "normalize_score"})
    depends_on = frozenset({POD, NODE, PODS})
    pre_filter_extensions = True

    def __init__(self, args: Mapping[str, object], handle: Handle) -> None:
        weight = args.get("hardPodAffinityWeight", 1)
        if not isinstance(weight, int) or isinstance(weight, bool) or not 0 <= weight <= 100:
            raise ArgumentError("hardPodAffinityWeight", f"must be 0..100, not {shown(weight)}")
        self._hard_weight = weight
        self._ignore_existing = bool(args.get("ignorePreferredTermsOfExistingPods"))
        self._handle = handle
        self._labels = Labels.of(handle.objects)

    def events_to_register(self) -> Iterable[EventRegistration]:
        pod = ClusterEvent("Pod", Action.ADD | Action.UPDATE_POD_LABEL | Action.DELETE)
        # With a Node the Pods on it go out of sight, long before they are deleted.
        node = ClusterEvent("Node", Action.ADD | Action.DELETE | Action.UPDATE_NODE_LABEL)
        space = ClusterEvent(NAMESPACE, Action.ADD | Action.UPDATE | Action.DELETE)
        return (
            EventRegistration(pod, self._concerns), EventRegistration(node),
            EventRegistration(space, self._space_concerns),
        )  # fmt: skip

    def needs(self, pod: PodInfo) -> frozenset[str]:
        """Labels of namespaces, once some term depends on them."""
        if NAMESPACE in self._handle.objects.ready:
            return NOTHING
        return _NAMESPACES if any(_selects_namespaces(each) for each in (pod, *self._running())) else NOTHING

    def skips(self, pod: PodInfo) -> bool:
        """No Pod has a term that could matter."""
        spec = pod.spec
        return not (
            spec.required_affinity
            or spec.required_anti_affinity
            or spec.preferred_affinity
            or spec.preferred_anti_affinity
            or self._handle.snapshot.affinity_nodes
        )

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        spec = pod.spec
        own = bool(spec.required_affinity or spec.required_anti_affinity)
        if not own and not self._handle.snapshot.affinity_nodes:
            return _SKIP
        counts = Counts(self._labels)
        for node in nodes:
            for other in (node.pods if own else node.anti_affinity_pods).values():
                counts.count(pod, other, node, 1)
        if not own and not counts.existing:
            return _SKIP
        state.data[_NAME] = counts
        return None

    def add_pod(self, state: CycleState, pod: PodInfo, added: PodInfo, node: NodeInfo) -> None:
        state.data[_NAME].count(pod, added, node, 1)

    def remove_pod(self, state: CycleState, pod: PodInfo, removed: PodInfo, node: NodeInfo) -> None:
        state.data[_NAME].count(pod, removed, node, -1)

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        counts: Counts = state.data[_NAME]
        labels, spec = node.labels, pod.spec
        if spec.required_affinity and not _near_enough(pod, counts, node, self._labels.for_own_terms):
            return _AFFINITY
        for term in spec.required_anti_affinity:
            if (term.topology_key, labels.get(term.topology_key)) in counts.anti:
                return _ANTI
        if counts.existing and any(domain in counts.existing for domain in labels.items()):
            return _EXISTING
        return None

    def pre_score(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        own = bool(pod.spec.preferred_affinity or pod.spec.preferred_anti_affinity)
        if not own and (self._ignore_existing or not self._handle.snapshot.affinity_nodes):
            return _SKIP
        scores: dict[str, dict[str, int]] = {}
        labels_of = self._labels.for_own_terms
        terms = [(term, term.weight) for term in pod.spec.preferred_affinity]
        terms += [(term, -term.weight) for term in pod.spec.preferred_anti_affinity]
        for node in self._handle.snapshot.nodes:
            for other in node.affinity_pods.values():
                self._weigh(scores, pod, other, node)
            for term, weight in terms:
                if term.topology_key in node.labels:
                    found = sum(term.matches(other, labels_of) for other in node.pods.values())
                    if found:
                        _credit(scores, node, term.topology_key, found * weight)
        if not scores:
            return _SKIP
        state.data[_SCORES] = scores
        return None

    def _weigh(self, scores: dict[str, dict[str, int]], pod: PodInfo, other: PodInfo, node: NodeInfo) -> None:
        """What a Pod that runs makes of this one, by its own terms."""
        theirs, their_labels = other.spec, self._labels.for_terms_of_others
        for terms, sign in ((theirs.preferred_affinity, 1), (theirs.preferred_anti_affinity, -1)):
            for term in terms:
                if term.matches(pod, their_labels):
                    _credit(scores, node, term.topology_key, sign * term.weight)
        for term in theirs.required_affinity if self._hard_weight else ():
            if term.matches(pod, their_labels):
                _credit(scores, node, term.topology_key, self._hard_weight)

    def score(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> int:
        labels = node.labels
        return sum(values.get(labels[key], 0) for key, values in state.data[_SCORES].items() if key in labels)

    def normalize_score(
        self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo], scores: list[int]
    ) -> None:
        least, span = min(scores), max(scores) - min(scores)
        scores[:] = [int(MAX_NODE_SCORE * ((score - least) / span)) if span else 0 for score in scores]

    def _concerns(self, pod: PodInfo, old: PodInfo | None, new: PodInfo | None) -> bool:
        """A required term of either Pod matches the other Pod, as it was or as it is now."""
        if new is not None and new.uid == pod.uid:
            return True
        mine, (own_labels, their_labels) = (*pod.spec.required_affinity, *pod.spec.required_anti_affinity), self._labels
        return any(
            any(term.matches(other, own_labels) for term in mine)
            or any(term.matches(pod, their_labels) for term in other.spec.required_anti_affinity)
            for other in (old, new)
            if other is not None
        )

    def _space_concerns(self, pod: PodInfo, old: Space | None, new: Space | None) -> bool:
        """A required term chooses the namespace otherwise than before, so that the Pod may fit now: a term of the Pod,
        or one that keeps the Pod away from a Pod that runs."""
        name = new.name if new is not None else old.name if old is not None else ""
        before, after = old and old.labels, new and new.labels
        # Fewer Pods near by can help, too: where none is left anywhere, the Pod itself is enough.
        if any(_choice(term, name, before) != _choice(term, name, after) for term in pod.spec.required_affinity):
            return True
        if any(_lets_go(term, name, before, after) for term in pod.spec.required_anti_affinity):
            return True
        if name != pod.key.namespace:
            return False
        before, after = before or {}, after or {}
        return any(
            _lets_go(term, name, before, after) and term.selector is not None and term.selector.matches(pod.labels)
            for other in self._running()
            for term in other.spec.required_anti_affinity
        )

    def _running(self) -> Iterable[PodInfo]:
        """The Pods with terms, as the last cycle saw them."""
        snapshot = self._handle.snapshot
        return (other for name in snapshot.affinity_nodes for other in _affinity_pods(snapshot.get(name)))


def _choice(term: AffinityTerm, name: str, labels: Mapping[str, str] | None) -> bool:
    """The term is about Pods of that namespace, if it has these labels."""
    return name in term.namespaces or term.all_namespaces or term.chooses(labels)


def _lets_go(
    term: AffinityTerm, name: str, before: Mapping[str, str] | None, after: Mapping[str, str] | None
) -> bool:
    return _choice(term, name, before) and not _choice(term, name, after)


def _near_enough(pod: PodInfo, counts: Counts, node: NodeInfo, labels_of: LabelsOf) -> bool:
    """Every term matches a Pod in this node's domains, or no Pod matches anywhere and the Pod would match its own
    terms."""
    terms, labels = pod.spec.required_affinity, node.labels
    if any(term.topology_key not in labels for term in terms):
        return False
    if all((term.topology_key, labels[term.topology_key]) in counts.affinity for term in terms):
        return True
    return not counts.affinity and all(term.matches(pod, labels_of) for term in terms)


def _credit(scores: dict[str, dict[str, int]], node: NodeInfo, key: str, weight: int) -> None:
    value = node.labels.get(key)
    if value is not None:
        values = scores.setdefault(key, {})
        values[value] = values.get(value, 0) + weight


def _affinity_pods(node: NodeInfo | None) -> Iterable[PodInfo]:
    return node.affinity_pods.values() if node is not None else ()


def _selects_namespaces(pod: PodInfo) -> bool:
    spec = pod.spec
    return any(
        term.needs_namespaces
        for terms in (
            spec.required_affinity, spec.required_anti_affinity, spec.preferred_affinity, spec.preferred_anti_affinity,
        )
        for term in terms
    )  # fmt: skip
