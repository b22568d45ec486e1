"""Events while Pods are being tried: each Pod gets those since it began, and none is kept that nobody needs."""

from edged.scheduling.core.cluster_events import Action, ClusterEvent
from edged.scheduling.core.in_flight import InFlight

NODE_ADD = ClusterEvent("Node", Action.ADD)


def test_each_pod_gets_the_events_since_it_began():
    events = InFlight()
    events.record(NODE_ADD, None, "before anybody")
    events.start("a")
    events.record(NODE_ADD, None, "first")
    events.start("b")
    events.record(NODE_ADD, None, "second")
    assert [seen.new for seen in events.finish("b")] == ["second"]
    assert [seen.new for seen in events.finish("a")] == ["first", "second"]
    assert len(events) == 0


def test_events_are_dropped_when_the_oldest_attempt_ends():
    events = InFlight()
    events.start("a")
    events.record(NODE_ADD, None, "first")
    events.start("b")
    events.record(NODE_ADD, None, "second")
    events.finish("a")
    assert len(events) == 1
    assert [seen.new for seen in events.finish("b")] == ["second"]


def test_a_pod_that_is_not_in_flight_missed_nothing():
    assert InFlight().finish("a") == ()
