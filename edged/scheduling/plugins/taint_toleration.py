"""TaintToleration: taints keep Pods away (NoSchedule, NoExecute) or discourage them (PreferNoSchedule)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from edged.scheduling.core.cluster_events import Action, ClusterEvent, EventRegistration
from edged.scheduling.core.framework import MAX_NODE_SCORE, NODE, POD, CycleState, Handle, Plugin
from edged.scheduling.core.plugin_status import Code, Status
from edged.scheduling.objects.nodes import Node, NodeInfo
from edged.scheduling.objects.pods import PodInfo, Taint, Toleration
from edged.scheduling.plugins.node_unschedulable import is_own_update

_UNTOLERATED = Status(Code.UNRESOLVABLE, ("node(s) had untolerated taint(s)",), "TaintToleration")
_BLOCKING = ("NoSchedule", "NoExecute")
_KEY = "TaintToleration"


class TaintToleration(Plugin):
    name = "TaintToleration"
    points = frozenset({"filter", "pre_score", "score", "normalize_score"})
    depends_on = frozenset({POD, NODE})

    def __init__(self, args: Mapping[str, object], handle: Handle) -> None:
        pass

    def events_to_register(self) -> Iterable[EventRegistration]:
        node = ClusterEvent("Node", Action.ADD | Action.UPDATE_NODE_TAINT)
        return (
            EventRegistration(node, _became_tolerated),
            EventRegistration(ClusterEvent("Pod", Action.UPDATE_POD_TOLERATION), is_own_update),
        )

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        if node.taints and untolerated(node.taints, pod.spec.tolerations):
            return _UNTOLERATED
        return None

    def pre_score(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        relevant = [t for t in pod.spec.tolerations if t.effect in ("", "PreferNoSchedule")]
        state.data[_KEY] = relevant
        return None

    def score(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> int:
        """Number of PreferNoSchedule taints that the Pod does not tolerate: fewer is better."""
        if not node.taints:
            return 0
        tolerations = state.data[_KEY]
        return sum(
            taint.effect == "PreferNoSchedule" and not any(t.tolerates(taint) for t in tolerations)
            for taint in node.taints
        )

    @staticmethod
    def normalize_by_max(score: int, maximum: int) -> int:
        """Reversed: the most tainted node gets 0, and all get 100 where no node is tainted."""
        return MAX_NODE_SCORE - (MAX_NODE_SCORE * score // maximum if maximum else 0)


def untolerated(taints: Iterable[Taint], tolerations: Sequence[Toleration]) -> bool:
    """Whether the node has a taint that keeps the Pod away and that no toleration covers."""
    return any(
        taint.effect in _BLOCKING and not any(t.tolerates(taint) for t in tolerations) for taint in taints
    )


def _became_tolerated(pod: PodInfo, old: Node | None, new: Node | None) -> bool:
    tolerations = pod.spec.tolerations
    was = old is None or untolerated(old.taints, tolerations)
    return new is not None and was and not untolerated(new.taints, tolerations)
