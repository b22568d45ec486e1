"""The scheduling queue: order, backoff, hints, events in flight, gates. Time is an argument."""

from edged.scheduling.core.cluster_events import Action, ClusterEvent, EventRegistration
from edged.scheduling.core.cycle import OfflineHandle
from edged.scheduling.core.framework import Plugin
from edged.scheduling.core.plugin_status import Code, Status
from edged.scheduling.core.profile import default_profile, with_guests
from edged.scheduling.core.queue import SchedulingQueue
from edged.scheduling.core.snapshot import Snapshot
from tests.scheduling.makers import parsed_node, pod_info

NODE_ADD = ClusterEvent("Node", Action.ADD)


def new_queue(**options):
    return SchedulingQueue({"edged": default_profile("edged", OfflineHandle(Snapshot()))}, **options)


def names(queue, now):
    popped = []
    while (queued := queue.pop(now)) is not None:
        popped.append(queued.pod.key.name)
    return popped


def reject(queue, now, *plugins, pod=None):
    queued = queue.pop(now)
    queued.unschedulable_plugins = frozenset(plugins)
    queue.put_back(queued, pod or queued.pod, now)
    return queued


def test_higher_priority_first_then_longer_waiting():
    queue = new_queue()
    queue.add(pod_info("late"), now=2.0)
    queue.add(pod_info("early"), now=1.0)
    queue.add(pod_info("vip", priority=5), now=3.0)
    assert names(queue, 4.0) == ["vip", "early", "late"]


def of_two_profiles():
    handle = OfflineHandle(Snapshot())
    return SchedulingQueue({name: default_profile(name, handle) for name in ("edged", "other")})


def test_a_profile_whose_cycle_took_long_goes_last_for_a_while():
    queue = of_two_profiles()
    for number, (name, scheduler) in enumerate((("slow", "edged"), ("slow-2", "edged"), ("quick", "other"))):
        queue.add(pod_info(name, scheduler=scheduler, priority=9 if scheduler == "edged" else 0), now=float(number))
    assert queue.pop(3.0).pod.key.name == "slow"
    queue.took("edged", 10.0, now=13.0)
    assert names(queue, 13.0) == ["quick", "slow-2"], "and it is tried while nothing else is ready"
    queue.add(pod_info("slow-3", scheduler="edged", priority=9), now=14.0)
    queue.add(pod_info("quick-2", scheduler="other"), now=14.0)
    assert names(queue, 33.0) == ["slow-3", "quick-2"], "its rest is over"


def test_profiles_are_ranked_only_while_one_rests_or_is_held(monkeypatch):
    """For each Pod that is popped, so it has to cost nothing where nothing is wrong."""
    queue, asked = of_two_profiles(), []
    monkeypatch.setattr(queue._turns, "rests_until", lambda profile, now: asked.append(profile) or 0.0)
    for number in range(6):
        queue.add(pod_info(f"p{number}", scheduler=("edged", "other")[number % 2]), now=0.0)
    assert queue.pop(1.0).pod.key.name == "p0"
    assert asked == []
    assert queue.pop(1.0, held=["edged"]).pod.key.name == "p1"
    assert asked == ["other"]
    queue.took("edged", 10.0, now=11.0)
    assert queue.pop(11.0).pod.key.name == "p2"
    assert asked == ["other", "edged", "other"]
    asked.clear()
    assert queue.pop(100.0).pod.key.name == "p3"
    assert asked == []


def test_a_profile_that_is_held_is_passed_over():
    queue = of_two_profiles()
    queue.add(pod_info("a", scheduler="edged"), now=0.0)
    queue.add(pod_info("b", scheduler="other"), now=1.0)
    assert queue.pop(2.0, {"edged"}).pod.key.name == "b"
    assert queue.pop(2.0, {"edged"}) is None
    assert names(queue, 2.0) == ["a"]


def test_a_rejected_pod_waits_for_an_event_its_plugin_asked_for():
    queue = new_queue()
    queue.add(pod_info(requests={"cpu": "2"}), now=0.0)
    reject(queue, 0.0, "NodeResourcesFit")
    assert queue.pop(10.0) is None
    queue.move_all(NODE_ADD, None, parsed_node(cpu="1"), now=10.0)
    assert queue.pop(10.0) is None
    queue.move_all(NODE_ADD, None, parsed_node(cpu="2"), now=10.0)
    assert names(queue, 10.0) == ["p"]


def test_an_event_of_another_plugin_does_not_help():
    queue = new_queue()
    queue.add(pod_info(), now=0.0)
    reject(queue, 0.0, "NodeAffinity")
    queue.assigned_pod_deleted(pod_info("other", node="n"), now=1.0)
    assert queue.pending()["unschedulable"] == 1


def test_an_event_while_in_flight_is_not_lost():
    queue = new_queue()
    queue.add(pod_info(requests={"cpu": "1"}), now=0.0)
    queued = queue.pop(0.0)
    queue.move_all(NODE_ADD, None, parsed_node(), now=0.1)
    queued.unschedulable_plugins = frozenset({"NodeResourcesFit"})
    queue.put_back(queued, queued.pod, now=0.2)
    assert queue.pending()["backoff"] == 1


def test_backoff_doubles_to_its_limit_in_whole_seconds():
    queue = new_queue()
    queue.add(pod_info(), now=0.5)
    ends = []
    now = 0.5
    for _ in range(6):
        queued = reject(queue, now, "NodeName")
        ends.append(queue.times.backoff_end(queued) - int(now))
        now = 1000.5 * (len(ends) + 1)
        queue.activate([queued.pod.uid], now)
    assert ends == [1, 2, 4, 8, 10, 10]


def test_an_error_backs_off_and_is_not_popped_early():
    queue = new_queue()
    queue.add(pod_info(), now=0.0)
    queued = queue.pop(0.0)
    queue.put_back(queued, queued.pod, now=0.0)
    assert queue.pop(0.9) is None
    queue.flush(0.9)
    assert queue.pop(0.9) is None
    queue.flush(1.0)
    assert names(queue, 1.0) == ["p"]


def test_a_rejected_pod_in_backoff_is_popped_when_nothing_is_active():
    queue = new_queue()
    queue.add(pod_info(requests={"cpu": "1"}), now=0.0)
    reject(queue, 0.0, "NodeResourcesFit")
    queue.move_all(NODE_ADD, None, parsed_node(), now=0.1)
    assert queue.pending()["backoff"] == 1
    queue.add(pod_info("fresh"), now=0.2)
    assert names(queue, 0.2) == ["fresh", "p"]


def test_an_error_resets_when_a_rejection_follows():
    queue = new_queue()
    queue.add(pod_info(), now=0.0)
    queued = queue.pop(0.0)
    queue.put_back(queued, queued.pod, now=0.0)
    queue.flush(5.0)
    queued = reject(queue, 5.0, "NodeName")
    assert (queued.consecutive_errors, queued.unschedulable_count, queued.attempts) == (0, 1, 2)


def test_a_pending_plugin_is_answered_at_once():
    queue = new_queue()
    queue.add(pod_info(requests={"cpu": "1"}), now=0.0)
    queued = queue.pop(0.0)
    queued.pending_plugins = frozenset({"NodeResourcesFit"})
    queue.put_back(queued, queued.pod, now=0.0)
    queue.move_all(NODE_ADD, None, parsed_node(), now=0.1)
    assert queue.pending()["active"] == 1


def test_after_five_minutes_a_pod_is_tried_anyway():
    queue = new_queue()
    queue.add(pod_info(), now=0.0)
    reject(queue, 0.0, "NodeAffinity")
    queue.flush(299.0)
    assert queue.pop(299.0) is None
    queue.flush(330.0)
    queued = queue.pop(330.0)
    assert queued.was_flushed


def test_gates_hold_a_pod_back_until_the_last_is_gone():
    queue = new_queue()
    gated = pod_info(schedulingGates=[{"name": "a"}, {"name": "b"}])
    queue.add(gated, now=0.0)
    assert queue.pending() == {"active": 0, "backoff": 0, "unschedulable": 0, "gated": 1}
    queue.flush(1000.0)
    queue.update(gated, one := pod_info(schedulingGates=[{"name": "b"}]), now=1000.0)
    assert queue.pop(1000.0) is None
    queue.update(one, pod_info(), now=1001.0)
    assert names(queue, 1001.0) == ["p"]


def test_a_deleted_pod_is_never_popped_and_loses_its_nomination():
    queue = new_queue()
    queue.add(pod_info(nominated="n"), now=0.0)
    assert [p.key.name for p in queue.nominator.on("n")] == ["p"]
    queue.delete("uid-p")
    assert queue.pop(0.0) is None
    assert not queue.nominator


def test_an_update_in_active_changes_its_place():
    queue = new_queue()
    queue.add(pod_info("a"), now=0.0)
    queue.add(pod_info("b"), now=1.0)
    queue.update(None, pod_info("b", priority=9), now=2.0)
    assert names(queue, 2.0) == ["b", "a"]


def test_own_tolerations_help_a_pod_that_taints_kept_away():
    queue = new_queue()
    queue.add(before := pod_info(), now=0.0)
    reject(queue, 0.0, "TaintToleration")
    queue.update(before, pod_info(labels={"x": "y"}), now=100.0)
    assert queue.pop(100.0) is None
    queue.update(before, pod_info(tolerations=[{"operator": "Exists"}]), now=100.0)
    assert names(queue, 100.0) == ["p"]


def test_in_flight_events_are_dropped_when_nobody_needs_them():
    queue = new_queue()
    queue.add(pod_info("a"), now=0.0)
    queue.add(pod_info("b"), now=0.0)
    first, second = queue.pop(0.0), queue.pop(0.0)
    queue.move_all(NODE_ADD, None, parsed_node(), now=0.0)
    queue.done(first.pod.uid)
    assert len(queue._in_flight) == 1
    queue.done(second.pod.uid)
    assert len(queue._in_flight) == 0
    assert len(queue) == 0


# --- what preemption, gates and activation need of it


class Gate(Plugin):
    """Holds back the Pods whose names are in `closed`, and hears of deletions; never says that one helps."""

    name = "Gate"
    points = frozenset({"pre_enqueue"})
    depends_on = frozenset()

    def __init__(self):
        self.closed = set()

    def events_to_register(self):
        return (EventRegistration(ClusterEvent("Pod", Action.DELETE), lambda pod, old, new: False),)

    def pre_enqueue(self, pod):
        return Status(Code.UNRESOLVABLE, ("closed",), self.name) if pod.key.name in self.closed else None


def gated_queue():
    gate = Gate()
    profile = with_guests("edged", OfflineHandle(Snapshot()), [(gate, 1)])
    return gate, SchedulingQueue({"edged": profile})


def test_a_gate_that_closes_later_is_asked_wherever_a_pod_moves_on():
    gate, queue = gated_queue()
    queue.add(pod_info(requests={"cpu": "1"}), now=0.0)
    reject(queue, 0.0, "NodeResourcesFit")
    gate.closed.add("p")
    gone = pod_info("gone", node="n", requests={"cpu": "1"})
    queue.assigned_pod_deleted(gone, now=20.0)
    assert queue.pending()["gated"] == 1
    # An event that the gate does not wait for: nobody else is asked.
    queue.move_all(NODE_ADD, None, parsed_node(), now=21.0)
    gate.closed.clear()
    queue.move_all(NODE_ADD, None, parsed_node(), now=22.0)
    assert queue.pending()["gated"] == 1
    # One that it does: those who rejected the Pod before decide.
    queue.assigned_pod_deleted(gone, now=23.0)
    assert names(queue, 23.0) == ["p"]


def test_errors_pass_the_gate_before_their_backoff():
    gate, queue = gated_queue()
    queue.add(pod_info(), now=0.0)
    queued = queue.pop(0.0)
    gate.closed.add("p")
    queue.put_back(queued, queued.pod, now=0.0)
    assert queue.pending() == {"active": 0, "backoff": 0, "unschedulable": 0, "gated": 1}
    gate.closed.clear()
    queue.flush(301.0)
    assert names(queue, 301.0) == ["p"]


def test_backoff_does_not_ask_the_gate_again():
    gate, queue = gated_queue()
    queue.add(pod_info(), now=0.0)
    queued = queue.pop(0.0)
    queue.put_back(queued, queued.pod, now=0.0)
    gate.closed.add("p")
    queue.flush(5.0)
    assert names(queue, 5.0) == ["p"]


def test_a_gated_pod_is_looked_at_every_five_minutes_and_not_more_often():
    gate, queue = gated_queue()
    gate.closed.add("p")
    queue.add(pod_info(), now=0.0)
    for now in (0.0, 299.0, 330.0):
        queue.flush(now)
    assert queue.pending()["gated"] == 1  # looked at, and still closed
    gate.closed.clear()
    queue.flush(600.0)
    assert queue.pending()["gated"] == 1
    queue.flush(660.0)
    assert names(queue, 660.0) == ["p"]


def test_activation_of_a_pod_in_flight_counts_when_it_comes_back():
    _, queue = gated_queue()
    queue.add(pod_info("p"), now=0.0)
    queue.add(pod_info("q"), now=0.0)
    first, second = queue.pop(0.0), queue.pop(0.0)
    queue.activate([first.pod.uid], now=0.0)
    for queued in (first, second):
        queued.unschedulable_plugins = frozenset({"NodeAffinity"})
        queue.put_back(queued, queued.pod, now=0.0)
    assert queue.pending() == {"active": 0, "backoff": 1, "unschedulable": 1, "gated": 0}


def test_activation_ends_a_backoff():
    _, queue = gated_queue()
    queue.add(pod_info(), now=0.0)
    queued = queue.pop(0.0)
    queue.put_back(queued, queued.pod, now=0.0)
    assert queue.pop(0.1) is None
    queue.activate([queued.pod.uid], now=0.1)
    assert names(queue, 0.1) == ["p"]


def test_a_nomination_in_memory_survives_updates_that_do_not_know_of_it():
    _, queue = gated_queue()
    queue.add(before := pod_info(), now=0.0)
    reject(queue, 0.0, "NodeAffinity")
    queue.nominator.add(before, "n")
    queue.update(before, renamed := pod_info(labels={"a": "b"}), now=1.0)
    assert queue.nominator.node_of("uid-p") == "n"
    queue.update(renamed, written := pod_info(labels={"a": "b"}, nominated="n"), now=2.0)
    queue.update(written, pod_info(labels={"a": "b"}), now=3.0)
    assert not queue.nominator


def test_an_assigned_pod_is_looked_at_by_whoever_asked_for_it():
    """Not only by the affinity of the Pod: a guest may have asked for Pods too."""

    class Asks(Gate):
        name = "Asks"

        def events_to_register(self):
            return (EventRegistration(ClusterEvent("Pod", Action.ADD)),)

    queue = SchedulingQueue({"edged": with_guests("edged", OfflineHandle(Snapshot()), [(Asks(), 1)])})
    queue.add(pod_info("a"), now=0.0)
    queue.add(pod_info("b"), now=0.0)
    reject(queue, 0.0, "Asks")
    reject(queue, 0.0, "NodeAffinity")
    queue.assigned_pod_added(pod_info("other", node="n"), now=20.0)
    assert names(queue, 20.0) == ["a"]


def test_who_an_extender_turned_down_waits_for_anything():
    queue = new_queue(extenders=True)
    queue.add(pod_info(), now=0.0)
    reject(queue, 0.0, "Extender")
    queue.move_all(ClusterEvent("storage.k8s.io/CSINode", Action.ADD), None, {}, now=20.0)
    assert names(queue, 20.0) == ["p"]


def test_events_that_nobody_waits_for_are_not_kept():
    queue = SchedulingQueue({"edged": default_profile("edged", OfflineHandle(Snapshot()))})
    queue.add(pod_info(), now=0.0)
    queue.pop(0.0)
    queue.move_all(ClusterEvent("storage.k8s.io/VolumeAttachment", 1 << 20), None, {}, now=0.0)
    assert len(queue._in_flight) == 0
