"""What changes of Pods and Nodes mean: which Pods wait, which count on a node, and whom a change wakes."""

import pytest

from edged.kube.values.names import NamespacedName
from edged.scheduling.core.cache import Cache
from edged.scheduling.core.cycle import OfflineHandle
from edged.scheduling.core.profile import default_profile
from edged.scheduling.core.queue import SchedulingQueue
from edged.scheduling.core.snapshot import Snapshot
from edged.scheduling.core.tracker import Tracker
from edged.scheduling.objects.pods import PodParser
from tests.scheduling.makers import parsed_node, pod, pod_info

KEY = NamespacedName("default", "p")


class World:
    def __init__(self):
        self.cache = Cache()
        self.queue = SchedulingQueue({"edged": default_profile("edged", OfflineHandle(Snapshot()))})
        self.deleted = []
        self.tracker = Tracker(self.cache, self.queue, ["edged"], self.deleted.append)

    def waits(self, uid="uid-p"):
        return self.queue.get(uid) is not None

    def reject(self, *plugins):
        queued = self.queue.pop(0.0)
        queued.unschedulable_plugins = frozenset(plugins)
        self.queue.put_back(queued, queued.pod, 0.0)


@pytest.fixture
def world():
    return World()


def test_only_pods_of_this_scheduler_wait(world):
    world.tracker.pod_is(pod_info("p"), 0.0)
    world.tracker.pod_is(pod_info("foreign", scheduler="someone"), 0.0)
    assert (world.waits(), world.waits("uid-foreign")) == (True, False)


def test_a_pod_that_was_bound_counts_on_its_node_and_waits_no_more(world):
    world.tracker.pod_is(pod_info("p"), 0.0)
    world.tracker.pod_is(pod_info("p", node="n"), 1.0)
    assert not world.waits()
    assert world.cache.pods["uid-p"].node_name == "n"


def test_a_pod_that_goes_makes_room_for_one_that_waits(world):
    world.tracker.pod_is(pod_info("runs", node="n", requests={"cpu": "1"}), 0.0)
    world.tracker.pod_is(pod_info("p", requests={"cpu": "1"}), 0.0)
    world.reject("NodeResourcesFit")
    assert world.queue.pop(20.0) is None
    world.tracker.pod_gone(NamespacedName("default", "runs"), "uid-runs", 20.0)
    assert world.queue.pop(20.0).pod.key == KEY
    assert "uid-runs" not in world.cache.pods
    assert world.deleted == ["uid-runs"]


def test_a_pod_that_has_ended_counts_as_gone(world):
    world.tracker.pod_is(pod_info("p", node="n"), 0.0)
    ended = pod("p", node="n") | {"status": {"phase": "Succeeded"}}
    world.tracker.pod_is(PodParser(lambda key: None).parse(ended), 1.0)
    assert not world.cache.pods


def test_another_pod_of_the_same_name_replaces_the_one_before(world):
    world.tracker.pod_is(pod_info("p"), 0.0)
    again = pod("p")
    again["metadata"]["uid"] = "uid-again"
    world.tracker.pod_is(PodParser(lambda key: None).parse(again), 1.0)
    assert (world.waits(), world.waits("uid-again")) == (False, True)
    assert world.deleted == ["uid-p"]


def test_a_new_node_wakes_and_the_same_node_again_does_not(world):
    world.tracker.pod_is(pod_info("p", requests={"cpu": "8"}), 0.0)
    world.reject("NodeResourcesFit")
    world.tracker.node_is(parsed_node("n"), 20.0)
    world.tracker.node_is(parsed_node("n"), 20.0)
    assert world.queue.pop(20.0) is None
    world.tracker.node_is(parsed_node("n", cpu="8"), 20.0)
    assert world.queue.pop(20.0).pod.key == KEY
    assert list(world.cache.nodes) == ["n"]
    world.tracker.node_gone("n", 21.0)
    world.tracker.node_gone("n", 21.0)
    assert not world.cache.nodes


def test_room_that_was_meant_for_a_pod_which_somebody_else_bound_elsewhere_is_told_of(world):
    """Another scheduler was faster, or an operator bound the Pod by hand."""
    for assumed in (True, False):
        world.tracker.pod_is(pod_info("p", requests={"cpu": "1"}), 0.0)
        world.reject("NodeResourcesFit")
        fast = pod_info("fast", requests={"cpu": "1"}, nominated="" if assumed else "n")
        world.tracker.pod_is(fast, 1.0)
        if assumed:
            world.queue.pop(1.0)
            world.cache.assume(fast, "n")
            world.queue.done(fast.uid)
        world.tracker.pod_is(pod_info("fast", requests={"cpu": "1"}, node="m"), 20.0)
        assert world.queue.pop(20.0).pod.key == KEY
        assert world.cache.nodes.keys() == {"m"}
        for name in ("p", "fast"):
            world.tracker.pod_gone(NamespacedName("default", name), f"uid-{name}", 30.0)
        world.queue.done("uid-p")
