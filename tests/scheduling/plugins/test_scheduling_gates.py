"""SchedulingGates: which Pods are held back, and which change lets them go."""

from edged.scheduling.core.cycle import OfflineHandle
from edged.scheduling.core.snapshot import Snapshot
from edged.scheduling.plugins.scheduling_gates import SchedulingGates
from tests.scheduling.makers import pod_info

GATES = [{"name": "a"}, {"name": "b"}]


def test_the_message_names_the_gates():
    plugin = SchedulingGates({}, OfflineHandle(Snapshot()))
    status = plugin.pre_enqueue(pod_info(schedulingGates=GATES))
    assert (status.code, status.reasons) == (3, ("waiting for scheduling gates: [a b]",))
    assert plugin.pre_enqueue(pod_info()) is None


def test_only_the_pods_own_last_gate_wakes_it():
    (registration,) = SchedulingGates({}, OfflineHandle(Snapshot())).events_to_register()
    waiting = pod_info("p", schedulingGates=GATES)
    assert registration.hint(waiting, waiting, pod_info("p"))
    assert not registration.hint(waiting, waiting, pod_info("p", schedulingGates=GATES[:1]))
    assert not registration.hint(waiting, None, pod_info("q"))
    assert not registration.hint(waiting, waiting, None)
