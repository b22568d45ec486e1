"""The scheduler's loop on virtual time: fakes for informers and writes, real everything else."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Awaitable, Callable

import trio
import trio.testing

from edged.kube.client import ApiError, NoAnswer
from edged.kube.informers import Change
from edged.kube.values.names import NamespacedName, key_of
from edged.scheduling.core.framework import Plugin
from edged.scheduling.core.plugin_status import Code, Status
from edged.scheduling.core.profile import with_guests
from edged.scheduling.run.scheduler import Scheduler
from edged.scheduling.run.scheduler_state import Environment
from edged.telemetry.logs import Logger, LogStyle
from tests.scheduling.makers import node, pod


class Replayed:
    async def wait_replayed(self):
        await trio.lowlevel.checkpoint()


class FakeInformer:
    """Objects by key; tells its handler of every change at once."""

    def __init__(self, *objects):
        self.objects = {key_of(obj): obj for obj in objects}
        self.handlers = []
        self.current = True

    def get(self, key):
        return copy.deepcopy(self.objects.get(key))

    async def wait_synced(self):
        await trio.lowlevel.checkpoint()

    def add_handler(self, handler, *, heartbeats=True):
        self.handlers.append(handler)
        for key, obj in list(self.objects.items()):
            handler(Change("added", key, copy.deepcopy(obj), None))
        return Replayed()

    def remove_handler(self, handler):
        self.handlers.remove(handler)

    def put(self, obj):
        key = key_of(obj)
        kind = "modified" if key in self.objects else "added"
        self.objects[key] = obj
        for handler in list(self.handlers):
            handler(Change(kind, key, copy.deepcopy(obj), None))

    def remove(self, key):
        obj = self.objects.pop(key)
        for handler in list(self.handlers):
            handler(Change("deleted", key, obj, None))


class FakeWrites:
    """Binds in the informer, as the API server and its watch would; `refusals` are raised first."""

    def __init__(self, pods):
        self.pods = pods
        self.bound = {}
        self.deleted = []
        self.patches = []
        self.events = []
        self.refusals = []

    async def bind(self, key, uid, node_name):
        await trio.lowlevel.checkpoint()
        if self.refusals:
            raise self.refusals.pop(0)
        self.bound[str(key)] = node_name
        obj = self.pods.get(key)
        obj["spec"]["nodeName"] = node_name
        self.pods.put(obj)

    async def patch_status(self, key, uid, condition, nominated_node):
        await trio.lowlevel.checkpoint()
        self.patches.append((str(key), condition, nominated_node))
        obj = self.pods.get(key)
        if obj is not None:
            status = obj["status"]
            if condition:
                status["conditions"] = [condition]
            if nominated_node is not None:
                status["nominatedNodeName"] = nominated_node
            self.pods.put(obj)

    async def delete(self, key, uid):
        await trio.lowlevel.checkpoint()
        if self.refusals:
            raise self.refusals.pop(0)
        self.deleted.append(str(key))
        obj = self.pods.get(key)
        obj["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        self.pods.put(obj)

    def record(self, event):
        self.events.append(event)

    def notes(self):
        return [(event["reason"], event["note"]) for event in self.events]


class World:
    def __init__(self, nodes, pods, plugins=(), **options):
        self.pods, self.nodes = FakeInformer(*pods), FakeInformer(*nodes)
        self.writes = FakeWrites(self.pods)
        self.lines = []
        options.setdefault("log", Logger(LogStyle("json", journal=False), write=self.lines.append))
        environment = Environment(
            self.pods, self.nodes, self.writes, random=random.Random(1), clock=lambda: 10**18, **options
        )
        self.scheduler = Scheduler(environment)
        self.scheduler.use([with_guests("edged", self.scheduler.handle, [(plugin, 1) for plugin in plugins])])

    def said(self, message):
        """Lines of the log with this message."""
        return [line for line in map(json.loads, self.lines) if line["msg"] == message]

    def condition(self, name):
        conditions = self.pods.objects[NamespacedName("default", name)]["status"].get("conditions")
        return conditions[0] if conditions else None


def play(world: World, script: Callable[[], Awaitable[None]]) -> None:
    async def main():
        async with trio.open_nursery() as nursery:
            await nursery.start(world.scheduler.run)
            with trio.fail_after(600):
                await script()
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


async def settle():
    await trio.testing.wait_all_tasks_blocked()


def test_nothing_is_placed_while_only_one_of_pods_and_nodes_is_watched_again():
    world = World([node("a"), node("b")], [])

    async def script():
        await settle()
        world.pods.current = world.nodes.current = False
        await trio.sleep(100)
        world.pods.current = True
        world.pods.put(pod("p"))
        await trio.sleep(20)
        assert world.writes.bound == {}
        world.nodes.remove(NamespacedName("", "a"))
        world.nodes.current = True
        await trio.sleep(3)
        assert world.writes.bound == {"default/p": "b"}

    play(world, script)


def test_a_watch_that_does_not_come_back_is_not_waited_for_for_ever():
    world = World([node("a")], [pod("p")])
    world.nodes.current = False

    async def script():
        await trio.sleep(35)
        assert world.writes.bound == {"default/p": "a"}
        world.pods.put(pod("q"))
        await trio.sleep(1)
        assert world.writes.bound == {"default/p": "a", "default/q": "a"}
        world.nodes.current = True  # it comes and goes again
        world.pods.put(pod("r"))
        await trio.sleep(1)
        assert "default/r" in world.writes.bound
        world.nodes.current = False
        world.pods.put(pod("s"))
        await trio.sleep(20)
        assert "default/s" not in world.writes.bound

    play(world, script)


def test_pods_are_bound_and_told_of():
    world = World(
        [node("a"), node("b")], [pod("p", requests={"cpu": "1"}), pod("other", scheduler="someone")]
    )

    async def script():
        await settle()
        world.pods.put(pod("q", requests={"cpu": "1"}))
        await settle()

    play(world, script)
    assert set(world.writes.bound) == {"default/p", "default/q"}
    assert set(world.writes.bound.values()) == {"a", "b"}  # the emptier node wins
    event = world.writes.events[0]
    assert event["note"] == f"Successfully assigned default/p to {world.writes.bound['default/p']}"
    assert (event["type"], event["reason"], event["action"]) == ("Normal", "Scheduled", "Binding")
    assert event["reportingController"] == "edged"
    assert not world.scheduler.state.cache.assumed
    assert len(world.scheduler.state.queue) == 0
    assert world.scheduler.state.metrics.counters["schedule_attempts_total"] == {("scheduled", "edged"): 2}
    why = world.scheduler.why(NamespacedName("default", "q"))
    assert why["node"] == world.writes.bound["default/q"]
    assert why["nodes"]["a"]["filter"]["NodeResourcesFit"] == "passed"
    assert set(why["nodes"]["a"]["score"]) >= {"NodeResourcesFit", "TaintToleration"}


def test_a_pod_that_does_not_fit_is_told_why_and_waits_for_room():
    world = World([node("a", cpu="1")], [pod("p", requests={"cpu": "2"})])
    text = (
        "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: "
        "1 Preemption is not helpful for scheduling."
    )

    async def script():
        await settle()
        assert world.writes.notes() == [("FailedScheduling", text)]
        condition = world.condition("p")
        assert (condition["type"], condition["status"], condition["reason"]) == (
            "PodScheduled",
            "False",
            "Unschedulable",
        )
        assert condition["message"] == text
        await trio.sleep(60)
        assert len(world.writes.events) == 1
        assert world.scheduler.why(NamespacedName("default", "p"))["message"] == text
        world.nodes.put(node("b"))
        await trio.sleep(2)
        assert world.writes.bound == {"default/p": "b"}
        assert len(world.writes.patches) == 1

    play(world, script)


def test_the_log_tells_of_bindings():
    world = World([node("a")], [pod("p")])
    play(world, settle)
    (line,) = world.said("pod bound")
    assert (line["level"], line["pod"], line["node"], line["scheduler"]) == ("info", "default/p", "a", "edged")
    assert line["attempts"] == 1 and [each["profiles"] for each in world.said("scheduling")] == ["edged"]


def test_the_log_tells_why_a_pod_is_not_bound_once_for_each_reason():
    world = World([node("a", cpu="1")], [pod("p", requests={"cpu": "2"})])

    def tries():
        return sum(world.scheduler.state.metrics.counters["schedule_attempts_total"].values())

    async def script():
        await settle()
        (line,) = world.said("pod not bound")
        assert line["level"] == "info" and line["reason"].startswith("0/1 nodes are available: 1 Insufficient cpu.")
        world.nodes.put(node("b", cpu="1"))
        await trio.sleep(400)
        assert tries() > 1 and len(world.said("pod not bound")) == 1, "another count of nodes is the same reason"
        world.writes.refusals.append(NoAnswer("the server is away"))
        world.nodes.put(node("c", cpu="4"))
        await trio.sleep(0.5)
        assert [each["level"] for each in world.said("pod not bound")] == ["info", "warning"]
        assert "the server is away" in world.said("pod not bound")[1]["reason"]
        await trio.sleep(60)
        assert world.said("pod bound")[0]["node"] == "c"

    play(world, script)


def test_a_second_failure_with_the_same_text_is_not_patched_again():
    world = World([node("a", cpu="1")], [pod("p", requests={"cpu": "2"})])

    async def script():
        await trio.sleep(331)
        assert len(world.writes.events) == 2
        assert len(world.writes.patches) == 1

    play(world, script)


def test_a_refused_binding_gives_the_room_back_and_is_tried_again():
    world = World([node("a", cpu="1")], [pod("p", requests={"cpu": "1"})])
    world.writes.refusals.append(NoAnswer("the server is away"))

    async def script():
        await settle()
        assert world.writes.bound == {}
        assert not world.scheduler.state.cache.pods
        assert world.condition("p")["reason"] == "SchedulerError"
        await trio.sleep(3)
        assert world.writes.bound == {"default/p": "a"}

    play(world, script)
    reason, note = world.writes.notes()[0]
    assert reason == "FailedScheduling"
    assert note == 'running Bind plugin "DefaultBinder": the server is away'


def test_a_pod_that_someone_else_bound_is_left_alone():
    world = World([node("a"), node("b")], [pod("p")])
    world.writes.refusals.append(ApiError(409, "Conflict", "pod p is already assigned to node b"))

    async def script():
        world.pods.objects[NamespacedName("default", "p")]["spec"]["nodeName"] = "b"
        await settle()
        world.pods.put(world.pods.get(NamespacedName("default", "p")))
        await trio.sleep(30)

    play(world, script)
    assert world.writes.bound == {}
    assert world.writes.patches == []
    assert list(world.scheduler.state.cache.pods) == ["uid-p"]
    assert len(world.scheduler.state.queue) == 0


def test_a_pod_deleted_while_it_waits_is_forgotten():
    world = World([node("a", cpu="1")], [pod("p", requests={"cpu": "2"})])

    async def script():
        await settle()
        world.pods.remove(NamespacedName("default", "p"))
        world.nodes.put(node("b"))
        await trio.sleep(20)

    play(world, script)
    assert world.writes.bound == {}
    assert len(world.scheduler.state.queue) == 0


def test_a_terminating_pod_is_skipped_with_an_event():
    going = pod("p")
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    world = World([node("a")], [going])
    play(world, settle)
    assert world.writes.notes() == [("FailedScheduling", "skip schedule deleting pod: default/p")]
    assert world.writes.bound == {}


def test_room_freed_by_a_finished_pod_is_used():
    running = pod("old", node="a", requests={"cpu": "1"})
    world = World([node("a", cpu="1")], [running, pod("p", requests={"cpu": "1"})])

    async def script():
        await settle()
        assert world.writes.bound == {}
        world.pods.put({**running, "status": {"phase": "Succeeded"}})
        await trio.sleep(2)
        assert world.writes.bound == {"default/p": "a"}

    play(world, script)


class Recording(Plugin):
    """A plugin of async points that notes its calls, as a guest is one."""

    name = "Guest"
    awaits = True

    def __init__(self, *points, **answers):
        self.points = frozenset(points)
        self.answers = answers
        self.calls = []

    def __getattr__(self, point):
        if point.startswith("_") or point not in {*self.points, "end_cycle", "unreserve"}:
            raise AttributeError(point)

        async def call(state, *args):
            await trio.lowlevel.checkpoint()
            self.calls.append(point)
            return self.answers.get(point)

        return call


def guest(*points, **answers):
    made = Recording(*points, **answers)
    made.end_cycle = made.__getattr__("end_cycle")
    return made


def test_every_point_is_awaited_in_order():
    plugin = guest(
        "pre_filter",
        "filter",
        "pre_score",
        "score",
        "reserve",
        "permit",
        "pre_bind",
        "bind",
        "post_bind",
        score=1,
        permit=(None, 0.0),
        bind=Status(Code.SKIP),
    )
    world = World([node("a"), node("b")], [pod("p")], [plugin])
    play(world, settle)
    assert plugin.calls == [
        "pre_filter",
        "filter",
        "filter",
        "pre_score",
        "score",
        "score",
        "reserve",
        "permit",
        "pre_bind",
        "bind",
        "post_bind",
        "end_cycle",
    ]
    assert set(world.writes.bound) == {"default/p"}
    assert world.writes.patches == [("default/p", None, world.writes.bound["default/p"])]


def test_a_rejection_at_reserve_undoes_and_names_one_node():
    plugin = guest("reserve", reserve=Status(Code.UNSCHEDULABLE, ("taken",)))
    world = World([node("a"), node("b")], [pod("p")], [plugin])
    play(world, settle)
    assert plugin.calls == ["reserve", "unreserve", "end_cycle"]
    assert world.writes.notes() == [("FailedScheduling", "0/1 nodes are available: 1 taken.")]
    assert not world.scheduler.state.cache.pods
    assert world.scheduler.state.queue.rejected_by() == {("Guest", "edged"): 1}


def test_permit_waits_and_times_out():
    plugin = guest("permit", permit=(Status(Code.WAIT), 10.0))
    world = World([node("a")], [pod("p")], [plugin])

    async def script():
        await settle()
        assert world.scheduler.handle.waiting_pod("uid-p") is not None
        assert world.writes.patches == [("default/p", None, "a")]
        await trio.sleep(11)

    play(world, script)
    _, note = world.writes.notes()[0]
    assert note == "0/1 nodes are available: 1 rejected due to timeout after waiting 10s at plugin Guest."
    assert world.writes.patches[1][2] == ""


def test_permit_allows():
    plugin = guest("permit", permit=(Status(Code.WAIT), 10.0))
    world = World([node("a")], [pod("p")], [plugin])

    async def script():
        await settle()
        world.scheduler.handle.waiting_pod("uid-p").allow("Guest")
        await settle()

    play(world, script)
    assert world.writes.bound == {"default/p": "a"}
    assert world.scheduler.handle.waiting_pod("uid-p") is None


def test_a_node_that_goes_while_its_pod_waits_gets_no_binding():
    """Neither kube-scheduler nor the API server looks: the Pod would be bound to a node that does not exist."""
    plugin = guest("permit", permit=(Status(Code.WAIT), 10.0))
    world = World([node("a")], [pod("p")], [plugin])

    async def script():
        await settle()
        world.nodes.remove(NamespacedName("", "a"))
        world.scheduler.handle.waiting_pod("uid-p").allow("Guest")
        await settle()
        assert world.writes.bound == {} and not world.scheduler.state.cache.pods
        world.nodes.put(node("b"))
        while world.scheduler.handle.waiting_pod("uid-p") is None:
            await trio.sleep(1)
        world.scheduler.handle.waiting_pod("uid-p").allow("Guest")
        await settle()

    play(world, script)
    assert world.writes.bound == {"default/p": "b"}


def test_a_waiting_pod_that_is_deleted_is_let_go():
    plugin = guest("permit", permit=(Status(Code.WAIT), 10.0))
    world = World([node("a")], [pod("p")], [plugin])

    async def script():
        await settle()
        world.pods.remove(NamespacedName("default", "p"))
        await settle()

    play(world, script)
    assert not world.scheduler.state.cache.pods
    assert plugin.calls == ["permit", "end_cycle"]
    assert world.writes.events == []


def test_a_broken_plugin_is_an_error_of_the_scheduler():
    plugin = guest("filter", filter=Status(Code.ERROR, ("wasm: filter error: unreachable",)))
    world = World([node("a")], [pod("p")], [plugin])
    play(world, settle)
    assert world.condition("p")["reason"] == "SchedulerError"
    assert world.condition("p")["message"] == 'running "Guest" filter plugin: wasm: filter error: unreachable'
    why = world.scheduler.state.records.why(NamespacedName("default", "p"))
    assert (why["message"], why["node"]) == (world.condition("p")["message"], "")
    assert plugin.calls == ["filter", "end_cycle"]


def test_a_flood_is_bound_completely():
    world = World(
        [node(f"n{i}") for i in range(20)], [pod(f"p{i}", requests={"cpu": "100m"}) for i in range(300)]
    )
    play(world, lambda: trio.sleep(5))
    assert len(world.writes.bound) == 300
    assert not world.scheduler.state.cache.assumed
    assert world.scheduler.answers.gauges()["cache_size"][("pods",)] == 300
