"""NodeDeclaredFeatures: a Pod that needs a feature goes to nodes that declare it in `status.declaredFeatures`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from edged.scheduling.core.cluster_events import Action, ClusterEvent, EventRegistration
from edged.scheduling.core.framework import NODE, POD, CycleState, Handle, Plugin
from edged.scheduling.core.plugin_status import Code, Status
from edged.scheduling.objects.nodes import Node, NodeInfo
from edged.scheduling.objects.pods import PodInfo

_NAME = "NodeDeclaredFeatures"
_LACKING = Status(Code.UNRESOLVABLE, ("node(s) didn't match Pod's required features",), _NAME)
_SKIP = Status(Code.SKIP, (), _NAME)


class NodeDeclaredFeatures(Plugin):
    name = _NAME
    points = frozenset({"pre_filter", "filter"})
    depends_on = frozenset({POD, NODE})

    def __init__(self, args: Mapping[str, object], handle: Handle) -> None:
        pass

    def events_to_register(self) -> Iterable[EventRegistration]:
        node = ClusterEvent("Node", Action.ADD | Action.UPDATE_NODE_DECLARED_FEATURE)
        return (
            EventRegistration(node, _declares_otherwise),
            EventRegistration(ClusterEvent("Pod", Action.UPDATE), _needs_otherwise),
        )

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        return None if pod.spec.features else _SKIP

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        declared = node.node.features if node.node is not None else ()
        return None if pod.spec.features.issubset(declared) else _LACKING


def _declares_otherwise(pod: PodInfo, old: Node | None, new: Node | None) -> bool:
    return new is not None and (old is None or old.features != new.features)


def _needs_otherwise(pod: PodInfo, old: PodInfo | None, new: PodInfo | None) -> bool:
    """The Pod itself changed in what it needs."""
    if old is None or new is None or new.uid != pod.uid:
        return False
    return old.spec.features != new.spec.features
