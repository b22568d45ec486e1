"""NodeName: a Pod that names a node goes there or nowhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from edged.scheduling.core.cluster_events import Action, ClusterEvent, EventRegistration
from edged.scheduling.core.framework import NODE, POD, CycleState, Handle, Plugin
from edged.scheduling.core.plugin_status import Code, Status
from edged.scheduling.objects.nodes import NodeInfo
from edged.scheduling.objects.pods import PodInfo

_OTHER = Status(Code.UNRESOLVABLE, ("node(s) didn't match the requested node name",), "NodeName")


class NodeName(Plugin):
    name = "NodeName"
    points = frozenset({"filter"})
    depends_on = frozenset({POD, NODE})

    def __init__(self, args: Mapping[str, object], handle: Handle) -> None:
        pass

    def events_to_register(self) -> Iterable[EventRegistration]:
        return (EventRegistration(ClusterEvent("Node", Action.ADD)),)

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        return None if not pod.node_name or pod.node_name == node.name else _OTHER
