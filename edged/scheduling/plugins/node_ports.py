"""NodePorts: a host port is given once per node, protocol and address."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from edged.scheduling.core.cluster_events import Action, ClusterEvent, EventRegistration
from edged.scheduling.core.framework import NODE, POD, CycleState, Handle, Plugin
from edged.scheduling.core.plugin_status import Code, Status
from edged.scheduling.objects.nodes import NodeInfo
from edged.scheduling.objects.pods import HostPort, PodInfo

_TAKEN = Status(
    Code.UNSCHEDULABLE, ("node(s) didn't have free ports for the requested pod ports",), "NodePorts"
)
_SKIP = Status(Code.SKIP, (), "NodePorts")
_ANY = "0.0.0.0"


class NodePorts(Plugin):
    name = "NodePorts"
    points = frozenset({"pre_filter", "filter"})
    depends_on = frozenset({POD, NODE})

    def __init__(self, args: Mapping[str, object], handle: Handle) -> None:
        pass

    def events_to_register(self) -> Iterable[EventRegistration]:
        return (
            EventRegistration(ClusterEvent("Pod", Action.DELETE), _frees_a_port),
            EventRegistration(ClusterEvent("Node", Action.ADD)),
        )

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        return None if pod.spec.ports else _SKIP

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        return _TAKEN if node.ports and conflict(pod.spec.ports, node.ports) else None


def conflict(asked: Sequence[HostPort], used: Mapping[tuple[str, int], Collection[str]]) -> bool:
    """The address 0.0.0.0 clashes with every other one on the same protocol and port."""
    for ip, protocol, port in asked:
        taken = used.get((protocol, port))
        if taken and (ip == _ANY or ip in taken or _ANY in taken):
            return True
    return False


def _frees_a_port(pod: PodInfo, old: PodInfo | None, new: PodInfo | None) -> bool:
    if old is None or not (old.node_name or old.nominated_node):
        return False
    used: dict[tuple[str, int], set[str]] = {}
    for ip, protocol, port in old.spec.ports:
        used.setdefault((protocol, port), set()).add(ip)
    return conflict(pod.spec.ports, used)
