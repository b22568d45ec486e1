"""Each unit of the scheduler's work fails alone: what it held is given back, and the others go on."""

from __future__ import annotations

import json

import pytest
import trio

from edged.kube.values.names import NamespacedName
from edged.scheduling.core.plugin_status import Code, Status
from edged.telemetry.logs import Logger, LogStyle
from tests.scheduling.makers import node, pod
from tests.scheduling.plugins.volumes import claim, storage_class, using
from tests.scheduling.run.test_extender_loop import FakeExtender
from tests.scheduling.run.test_object_feed import Cluster
from tests.scheduling.run.test_preemption_loop import running
from tests.scheduling.run.test_scheduler_loop import World, guest, play, settle


class TooDeep(RecursionError):
    """Stands for what a tenant's object can do to a library."""


def both_at_once():
    return ExceptionGroup("two tasks", [ValueError("odd"), TooDeep("too deep")])


ERRORS = pytest.mark.parametrize("make", [lambda: ValueError("odd"), lambda: TooDeep("too deep"), both_at_once])


class Lines:
    """What a world's logger wrote."""

    def __init__(self):
        self.events = []
        style = LogStyle("json", journal=False)
        self.log = Logger(style, write=lambda line: self.events.append(json.loads(line)), clock=lambda: 7.0)

    def unreadable(self):
        """What the objects are that could not be read; there are no internal errors beside them."""
        assert not self.units()
        return [event["error"] for event in self.events if event["msg"].endswith("cannot be read")]

    def units(self):
        return [event["unit"] for event in self.events if event["msg"] == "internal error"]


def world_with_log(nodes, pods, plugins=(), **options):
    lines = Lines()
    return World(nodes, pods, plugins, log=lines.log, **options), lines


class Breaking:
    """A plugin of the loop's tests that raises at `point` for Pods named `bad`."""

    def __new__(cls, point, make, **answers):
        made = guest(point, **answers)
        calls = []

        def raising(name, answer):
            async def call(state, first, *rest):
                await trio.lowlevel.checkpoint()
                calls.append((name, first.key.name))
                if name == point and first.key.name == "bad":
                    raise make()
                return answer

            return call

        for name in (point, "unreserve", "end_cycle"):
            setattr(made, name, raising(name, answers.get(name)))
        made.calls = calls
        return made


def holds_nothing(world):
    """No Pod is assumed, in flight, in a binding or on its way to be evicted."""
    state = world.scheduler.state
    assert not state.cache.assumed
    assert not state.queue._in_flight._began
    assert world.scheduler.handle.waiting_pod("uid-bad") is None
    assert not world.scheduler._bindings._permitting and not world.scheduler._bindings._pre_binding
    assert not world.scheduler.preemption._running
    return True


# --- one Pod's attempt


@ERRORS
@pytest.mark.parametrize("point", ["pre_filter", "filter", "pre_score", "score", "reserve", "permit"])
def test_an_attempt_that_breaks_costs_its_pod_a_backoff(point, make):
    answers = {"score": 1, "permit": (None, 0.0)}
    plugin = Breaking(point, make, **{point: answers.get(point)})
    pods = [pod("bad", priority=10), pod("good"), pod("other")]
    world, lines = world_with_log([node("a"), node("b")], pods, [plugin])

    async def script():
        await settle()
        assert set(world.writes.bound) == {"default/good", "default/other"}
        assert world.condition("bad")["reason"] == "SchedulerError"
        assert world.condition("bad")["message"].startswith("internal error: ")
        assert holds_nothing(world)
        assert world.scheduler.state.queue.pending()["backoff"] == 1
        await trio.sleep(100)

    play(world, script)
    assert set(lines.units()) == {"attempt"}
    tries = [name for name, who in plugin.calls if name == point and who == "bad"]
    assert 8 <= len(tries) < 20  # every ten seconds at most, once it has failed five times
    ends = [who for name, who in plugin.calls if name == "end_cycle"]
    assert ends.count("good") == 1


@ERRORS
def test_a_preemption_that_breaks(make):
    plugin = Breaking("post_filter", make)
    plugin.post_filter = raising_for_everybody(make)
    world, lines = world_with_log([node("a", cpu="1")], [pod("bad", requests={"cpu": "2"}), pod("good")], [plugin])
    world.scheduler.state.profiles["edged"].calls["post_filter"] = tuple(
        call for call in world.scheduler.state.profiles["edged"].calls["post_filter"] if call.name == "Guest"
    )
    play(world, settle)
    assert set(world.writes.bound) == {"default/good"}
    assert holds_nothing(world) and lines.units() == ["attempt"]


def raising_for_everybody(make):
    async def call(*args):
        raise make()

    return call


def test_a_step_of_the_way_back_that_breaks_does_not_stop_the_others():
    plugin = Breaking("reserve", lambda: ValueError("odd"))
    plugin.unreserve = plugin.end_cycle = raising_for_everybody(lambda: TooDeep("too deep"))
    world, lines = world_with_log([node("a")], [pod("bad", priority=10), pod("good")], [plugin])

    async def script():
        await settle()
        assert set(world.writes.bound) == {"default/good"}
        assert holds_nothing(world)
        assert world.scheduler.state.queue.pending()["backoff"] == 1

    play(world, script)
    assert len(lines.units()) == 4  # the attempt, unreserve, its end of cycle; the end of the good one's


def test_a_hint_that_breaks_counts_as_true():
    """The event is not lost for the Pods behind: kube-scheduler queues where a hint fails."""
    pods = [pod(name, requests={"cpu": "2"}) for name in ("p", "q")]
    world, lines = world_with_log([node("a", cpu="1")], pods)

    async def script():
        await settle()
        assert world.scheduler.state.queue.pending()["unschedulable"] == 2
        queue = world.scheduler.state.queue
        events = queue._interests._events["edged"]
        broken = tuple(
            each._replace(hint=lambda waiting, old, new: raise_it(ValueError("odd")))
            for each in events["NodeResourcesFit"]
        )
        queue._interests._events["edged"] = {**events, "NodeResourcesFit": broken}
        world.nodes.put(node("b"))
        await trio.sleep(3)
        assert set(world.writes.bound) == {"default/p", "default/q"}

    play(world, script)
    assert set(lines.units()) == {"object"}


def raise_it(error):
    raise error


# --- one binding


@ERRORS
@pytest.mark.parametrize("point", ["pre_bind", "bind"])
def test_a_binding_that_breaks_frees_its_node(point, make):
    plugin = Breaking(point, make, bind=Status(Code.SKIP))
    pods = [pod("bad", priority=10, requests={"cpu": "1"}), pod("good", requests={"cpu": "1"})]
    world, lines = world_with_log([node("a", cpu="1")], pods, [plugin])

    async def script():
        await settle()
        await trio.sleep(0.5)
        assert holds_nothing(world)
        await trio.sleep(30)
        assert set(world.writes.bound) == {"default/good"}

    play(world, script)
    assert set(lines.units()) == {"binding"}
    assert ("unreserve", "bad") not in plugin.calls  # it is no Reserve plugin


@ERRORS
def test_writes_that_break(make):
    world, lines = world_with_log([node("a")], [pod("bad", priority=10), pod("good")])
    bind = world.writes.bind

    async def breaking(key, uid, node_name):
        if key.name == "bad":
            raise make()
        await bind(key, uid, node_name)

    world.writes.bind = breaking
    play(world, settle)
    assert set(world.writes.bound) == {"default/good"}
    assert holds_nothing(world) and lines.units() == ["binding"]


def test_what_breaks_after_a_binding_does_not_take_it_back():
    plugin = Breaking("post_bind", lambda: ValueError("odd"))
    world, lines = world_with_log([node("a")], [pod("bad", priority=10), pod("good")], [plugin])

    def told(record):
        raise TooDeep("too deep")

    world.scheduler.state.told = told
    play(world, settle)
    assert set(world.writes.bound) == {"default/bad", "default/good"}
    assert holds_nothing(world) and len(world.scheduler.state.cache.pods) == 2
    assert world.condition("bad") is None
    assert ("end_cycle", "bad") in plugin.calls
    assert set(lines.units()) == {"binding"}


def test_a_pod_in_permit_is_told_of_although_its_nomination_cannot_be_written():
    plugin = guest("permit", permit=(Status(Code.WAIT), 10.0))
    world, lines = world_with_log([node("a")], [pod("bad")], [plugin])
    world.writes.patch_status = raising_for_everybody(lambda: ValueError("odd"))

    async def script():
        await settle()
        world.scheduler.handle.waiting_pod("uid-bad").allow("Guest")
        await settle()

    play(world, script)
    assert set(world.writes.bound) == {"default/bad"}
    assert lines.units() == ["write"] and holds_nothing(world)


def test_an_error_beside_a_cancellation_ends_the_binding_and_not_the_cancellation():
    plugin = guest("bind")
    started = []

    async def bind(state, pod, node_name):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(breaks_when_cancelled)
            started.append(pod.key.name)
            await trio.sleep_forever()

    async def breaks_when_cancelled():
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("odd")

    plugin.bind = bind
    world, lines = world_with_log([node("a")], [pod("bad")], [plugin])
    play(world, settle)  # ends by cancelling
    assert started == ["bad"]
    assert lines.units() == ["binding"]


# --- status writes and evictions


def test_a_status_that_cannot_be_written_costs_nobody_else_theirs():
    pods = [pod("bad", requests={"cpu": "9"}, priority=10), pod("poor", requests={"cpu": "9"}), pod("good")]
    world, lines = world_with_log([node("a", cpu="1")], pods)
    write = world.writes.patch_status

    async def breaking(key, uid, condition, nominated_node):
        if key.name == "bad":
            raise ValueError("odd")
        await write(key, uid, condition, nominated_node)

    world.writes.patch_status = breaking
    play(world, settle)
    assert world.condition("poor")["reason"] == "Unschedulable"
    assert set(world.writes.bound) == {"default/good"}
    statuses = world.scheduler._statuses
    assert lines.units() == ["write"] and not statuses._wishes and not statuses._writing


@ERRORS
def test_an_eviction_that_breaks_is_tried_again(make):
    victims = [running("low"), running("lower", cpu="1")]
    world, lines = world_with_log([node("a", cpu="2")], [*victims, pod("p", requests={"cpu": "2"}, priority=10)])
    delete, failures = world.writes.delete, [make(), make()]

    async def breaking(key, uid):
        if failures:
            raise failures.pop()
        await delete(key, uid)

    world.writes.delete = breaking

    async def script():
        await settle()
        await trio.sleep(60)
        assert set(world.writes.deleted) == {"default/low", "default/lower"}
        for name in ("low", "lower"):
            world.pods.remove(NamespacedName("default", name))
        await trio.sleep(15)
        assert world.writes.bound == {"default/p": "a"}

    play(world, script)
    assert set(lines.units()) == {"eviction"} and holds_nothing(world)


# --- watched objects


def broken_object(name, **metadata):
    obj = pod(name)
    obj["metadata"].update(metadata)
    obj["spec"]["containers"] = 17
    return obj


def test_a_pod_that_cannot_be_read_is_left_out():
    world, lines = world_with_log([node("a")], [broken_object("bad"), pod("good")])
    play(world, settle)
    assert set(world.writes.bound) == {"default/good"}
    assert lines.unreadable() == ["Pod default/bad: spec.containers: must be a list, not an integer"]


@ERRORS
def test_a_reader_that_breaks_costs_the_object_only(make):
    world, lines = world_with_log([node("bad"), node("a")], [pod("bad"), pod("good")])

    def breaking(parse):
        def read(obj, *known):
            if obj["metadata"]["name"] == "bad":
                raise make()
            return parse(obj, *known)

        return read

    for parser in (world.scheduler.state.pod_parser, world.scheduler._feed._node_parser):
        parser.parse = breaking(parser.parse)
    play(world, settle)
    assert world.writes.bound == {"default/good": "a"}
    assert lines.units() == ["object", "object"]


def test_a_pod_that_cannot_be_read_any_more_goes_when_it_is_deleted():
    world, lines = world_with_log([node("a", cpu="1")], [pod("bad", node="a", requests={"cpu": "1"})])

    async def script():
        await settle()
        world.pods.put(broken_object("bad"))
        world.pods.put(pod("good", requests={"cpu": "1"}))
        await settle()
        assert not world.writes.bound  # what was known of it counts
        world.pods.remove(NamespacedName("default", "bad"))
        await trio.sleep(2)
        assert world.writes.bound == {"default/good": "a"}

    play(world, script)
    assert set(lines.unreadable()) == {"Pod default/bad: spec.containers: must be a list, not an integer"}


def test_a_waiting_pod_that_cannot_be_read_any_more_is_tried_as_it_was():
    world, _ = world_with_log([node("a", cpu="1")], [pod("bad", requests={"cpu": "2"})])

    async def script():
        await settle()
        world.pods.put(broken_object("bad"))
        world.nodes.put(node("b"))
        await trio.sleep(20)
        assert world.writes.bound == {"default/bad": "b"}
        assert world.scheduler.state.cache.pods["uid-bad"].node_name == "b"  # it counts, though nobody could confirm it
        world.pods.remove(NamespacedName("default", "bad"))

    play(world, script)
    assert holds_nothing(world) and not world.scheduler.state.cache.pods


def test_a_node_that_cannot_be_read_is_left_out():
    broken = node("broken")
    broken["spec"]["taints"] = [17]
    world, lines = world_with_log([broken, node("a")], [pod("good")])
    play(world, settle)
    assert world.writes.bound == {"default/good": "a"}
    assert lines.unreadable() == ["Node broken: spec.taints[0]: must be an object, not an integer"]


def test_an_event_that_breaks_half_way_wakes_all_that_wait():
    world, lines = world_with_log([node("a", cpu="1")], [pod("p", requests={"cpu": "2"})])

    async def script():
        await settle()
        queue = world.scheduler.state.queue
        move_all = queue.move_all

        def breaking(event, *args):
            queue.move_all = move_all
            raise ValueError("odd")

        queue.move_all = breaking
        world.nodes.put(node("b"))
        await trio.sleep(3)
        assert world.writes.bound == {"default/p": "b"}

    play(world, script)
    assert lines.units() == ["object"]


def test_an_object_of_another_kind_that_cannot_be_read_is_left_out():
    bad = claim("bad", storage_class="slow")
    bad["spec"]["resources"] = 17
    lines = Lines()
    cluster = Cluster(
        [node("n")], [using("bad", priority=10), pod("good")], bad, claim("other"), storage_class("slow"),
        log=lines.log,
    )  # fmt: skip
    play(cluster, settle)
    assert set(cluster.writes.bound) == {"default/good"}
    where = "PersistentVolumeClaim default/bad: spec.resources"
    assert lines.unreadable() == [f"{where}: must be an object, not an integer"] and holds_nothing(cluster)


# --- extenders


@ERRORS
def test_an_extender_that_breaks(make):
    def breaking(pod, names):
        raise make()

    world, lines = world_with_log([node("a")], [pod("bad")])
    profiles = list(world.scheduler.state.profiles.values())
    world.scheduler.ask([FakeExtender(filter=breaking)])
    world.scheduler.use(profiles)
    play(world, settle)
    assert lines.units() == ["attempt"] and holds_nothing(world)


# --- loops


def test_the_loops_survive_what_breaks_in_them():
    world, lines = world_with_log([node("a")], [])

    async def script():
        await settle()
        queue = world.scheduler.state.queue
        pop, flush, failures = queue.pop, queue.flush, []

        def once(method):
            def call(*args):
                if method not in failures:
                    failures.append(method)
                    raise ValueError("odd")
                return method(*args)

            return call

        queue.pop, queue.flush = once(pop), once(flush)
        world.pods.put(pod("good"))
        await trio.sleep(5)
        assert world.writes.bound == {"default/good": "a"}

    play(world, script)
    assert lines.units() == ["loop", "loop"]
