"""How many Pods wait where, and for which plugin, as the metrics name it."""

from edged.scheduling.core.queued_pod import (
    ACTIVE,
    BACKOFF,
    ERROR_BACKOFF,
    IN_FLIGHT,
    UNSCHEDULABLE,
    QueuedPod,
    count_pending,
    count_rejected,
)  # fmt: skip
from tests.scheduling.makers import pod_info


def queued(place, *rejectors, gated_by=""):
    made = QueuedPod(pod_info(), 0.0)
    made.place, made.gated_by, made.unschedulable_plugins = place, gated_by, frozenset(rejectors)
    return made


def test_pods_are_counted_by_queue():
    places = (ACTIVE, BACKOFF, ERROR_BACKOFF, UNSCHEDULABLE, IN_FLIGHT)
    pods = [queued(place) for place in places] + [queued(UNSCHEDULABLE, gated_by="SchedulingGates")]
    assert count_pending(pods) == {"active": 1, "backoff": 2, "unschedulable": 1, "gated": 1}


def test_pods_are_counted_by_the_plugin_that_rejected_them():
    pods = [
        queued(UNSCHEDULABLE, "NodeName", "NodePorts"),
        queued(BACKOFF, "NodePorts"),
        queued(IN_FLIGHT, "NodePorts"),
        queued(UNSCHEDULABLE, "NodePorts", gated_by="SchedulingGates"),
    ]
    assert count_rejected(pods) == {
        ("NodeName", "edged"): 1, ("NodePorts", "edged"): 2, ("SchedulingGates", "edged"): 1,
    }  # fmt: skip


def test_rejectors_are_those_that_refused_and_those_that_wait():
    rejected = queued(UNSCHEDULABLE, "NodeName")
    rejected.pending_plugins = frozenset({"Guest"})
    assert rejected.rejectors == {"NodeName", "Guest"}
