"""NodeUnschedulable: no Pods for cordoned nodes, unless they tolerate it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from edged.scheduling.core.cluster_events import Action, ClusterEvent, EventRegistration
from edged.scheduling.core.framework import NODE, POD, CycleState, Handle, Plugin
from edged.scheduling.core.plugin_status import Code, Status
from edged.scheduling.objects.nodes import Node, NodeInfo
from edged.scheduling.objects.pods import PodInfo, Taint

_CORDONED = Status(Code.UNRESOLVABLE, ("node(s) were unschedulable",), "NodeUnschedulable")
_TAINT = Taint("node.kubernetes.io/unschedulable", "", "NoSchedule")


class NodeUnschedulable(Plugin):
    name = "NodeUnschedulable"
    points = frozenset({"filter"})
    depends_on = frozenset({POD, NODE})

    def __init__(self, args: Mapping[str, object], handle: Handle) -> None:
        pass

    def events_to_register(self) -> Iterable[EventRegistration]:
        return (
            EventRegistration(ClusterEvent("Node", Action.ADD | Action.UPDATE_NODE_TAINT), _is_schedulable),
            EventRegistration(ClusterEvent("Pod", Action.UPDATE_POD_TOLERATION), is_own_update),
        )

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        if not node.unschedulable or any(t.tolerates(_TAINT) for t in pod.spec.tolerations):
            return None
        return _CORDONED


def _is_schedulable(pod: PodInfo, old: Node | None, new: Node | None) -> bool:
    return new is not None and not new.unschedulable


def is_own_update(pod: PodInfo, old: PodInfo | None, new: PodInfo | None) -> bool:
    """Hint: the rejected Pod itself was updated."""
    return new is not None and new.uid == pod.uid
