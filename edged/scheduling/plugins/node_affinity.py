"""NodeAffinity: nodeSelector and node affinity, required and preferred; `addedAffinity` of the profile."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from edged.kube.values.selectors import Labels, parse_node_selector, parse_preferred
from edged.scheduling.core.cluster_events import Action, ClusterEvent, EventRegistration
from edged.scheduling.core.framework import MAX_NODE_SCORE, NODE, POD, ArgumentError, CycleState, Handle, Plugin
from edged.scheduling.core.plugin_status import Code, Status
from edged.scheduling.objects.nodes import Node, NodeInfo
from edged.scheduling.objects.pods import PodInfo

_OTHER = Status(Code.UNRESOLVABLE, ("node(s) didn't match Pod's node affinity/selector",), "NodeAffinity")
_ENFORCED = Status(
    Code.UNRESOLVABLE, ("node(s) didn't match scheduler-enforced node affinity",), "NodeAffinity"
)
_CONFLICT = Status(Code.UNRESOLVABLE, ("pod affinity terms conflict",), "NodeAffinity")
_SKIP = Status(Code.SKIP, (), "NodeAffinity")


class NodeAffinity(Plugin):
    name = "NodeAffinity"
    points = frozenset({"pre_filter", "filter", "pre_score", "score", "normalize_score"})
    depends_on = frozenset({POD, NODE})

    def __init__(self, args: Mapping[str, object], handle: Handle) -> None:
        added = args.get("addedAffinity") or {}
        if not isinstance(added, dict):
            raise ArgumentError("addedAffinity", "must be a node affinity object")
        self._required = parse_node_selector(added.get("requiredDuringSchedulingIgnoredDuringExecution"))
        self._preferred = parse_preferred(added.get("preferredDuringSchedulingIgnoredDuringExecution"))

    def events_to_register(self) -> Iterable[EventRegistration]:
        node = ClusterEvent("Node", Action.ADD | Action.UPDATE_NODE_LABEL)
        return (EventRegistration(node, self._newly_matches),)

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Any:
        spec = pod.spec
        if spec.required_nodes is None and not spec.node_selector and self._required is None:
            return _SKIP
        names = spec.required_nodes.names() if spec.required_nodes else None
        if names is None:
            return None
        return (names, None) if names else _CONFLICT

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        if self._required is not None and not self._required.matches(node.name, node.labels):
            return _ENFORCED
        return None if required_matches(pod, node.name, node.labels) else _OTHER

    def pre_score(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        return None if pod.spec.preferred_nodes or self._preferred else _SKIP

    def score(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> int:
        """Sum of the weights of the preferred terms that match."""
        name, labels = node.name, node.labels
        return sum(
            preferred.weight
            for terms in (self._preferred, pod.spec.preferred_nodes)
            for preferred in terms
            if preferred.term.matches(name, labels)
        )

    @staticmethod
    def normalize_by_max(score: int, maximum: int) -> int:
        return MAX_NODE_SCORE * score // maximum if maximum else score

    def _newly_matches(self, pod: PodInfo, old: Node | None, new: Node | None) -> bool:
        return new is not None and self._matches(pod, new) and (old is None or not self._matches(pod, old))

    def _matches(self, pod: PodInfo, node: Node) -> bool:
        if self._required is not None and not self._required.matches(node.name, node.labels):
            return False
        return required_matches(pod, node.name, node.labels)


def required_matches(pod: PodInfo, name: str, labels: Labels) -> bool:
    """Whether the Pod's own nodeSelector and required node affinity allow a node."""
    spec = pod.spec
    for key, value in spec.node_selector:
        if labels.get(key) != value:
            return False
    return spec.required_nodes is None or spec.required_nodes.matches(name, labels)
