"""SchedulingGates: a Pod with gates stays out of the queue until the last one is gone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from edged.scheduling.core.cluster_events import Action, ClusterEvent, EventRegistration
from edged.scheduling.core.framework import Handle, Plugin
from edged.scheduling.core.plugin_status import Code, Status
from edged.scheduling.objects.pods import PodInfo


class SchedulingGates(Plugin):
    name = "SchedulingGates"
    points = frozenset({"pre_enqueue"})
    depends_on = frozenset()

    def __init__(self, args: Mapping[str, object], handle: Handle) -> None:
        pass

    def events_to_register(self) -> Iterable[EventRegistration]:
        return (EventRegistration(ClusterEvent("Pod", Action.UPDATE_POD_GATES_ELIMINATED), _gates_are_gone),)

    def pre_enqueue(self, pod: PodInfo) -> Status | None:
        gates = pod.spec.gates
        if not gates:
            return None
        return Status(Code.UNRESOLVABLE, (f"waiting for scheduling gates: [{' '.join(gates)}]",), self.name)


def _gates_are_gone(pod: PodInfo, old: PodInfo | None, new: PodInfo | None) -> bool:
    return new is not None and new.uid == pod.uid and not new.spec.gates
