"""UnsupportedPod: keeps Pods waiting whose spec asks for a rule that no plugin here enforces. Not upstream's.

Part of every profile: placing a Pod with resource claims would start it without its devices.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from edged.scheduling.core.cluster_events import EventRegistration
from edged.scheduling.core.framework import CycleState, Handle, Plugin
from edged.scheduling.core.plugin_status import Code, Status
from edged.scheduling.objects.nodes import NodeInfo
from edged.scheduling.objects.pods import PodInfo

_SKIP = Status(Code.SKIP, (), "UnsupportedPod")


class UnsupportedPod(Plugin):
    name = "UnsupportedPod"
    points = frozenset({"pre_filter"})
    depends_on = frozenset({"pod"})

    def __init__(self, args: Mapping[str, object], handle: Handle) -> None:
        pass

    def events_to_register(self) -> Iterable[EventRegistration]:
        return ()

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        reasons = pod.spec.unsupported
        return Status(Code.UNRESOLVABLE, reasons, self.name) if reasons else _SKIP
