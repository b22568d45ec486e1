"""A plugin that takes all its time, at whatever extension point, costs other profiles the rest of one cycle at most.

With plugins and extenders that sleep, on virtual time; once more with guests that spin, on the real clock: there
attempts are counted.
"""

from __future__ import annotations

import pytest
import trio
import trio.testing

from edged.errors import PeerError
from edged.scheduling.core.framework import Plugin
from edged.scheduling.core.plugin_status import Code, Status
from edged.scheduling.core.profile import default_profile, with_guests
from edged.scheduling.run.object_feed import PATIENCE_S
from edged.scheduling.run.pod_bindings import BINDING_BACKLOG
from edged.wasm.account import Budget
from tests.scheduling.makers import node, pod
from tests.scheduling.run.test_extender_loop import FakeExtender
from tests.scheduling.run.test_guest_loop import GuestWorld, engine, i32, i64, until, wat
from tests.scheduling.run.test_object_feed import Cluster
from tests.scheduling.run.test_scheduler_loop import World

CALL_S = 20.0
NODES = [node(name, cpu="4") for name in ("a", "b", "c")]
QUICK = [f"quick-{i}" for i in range(3)]
VICTIMS = [pod(f"low-{name}", node=name) for name in ("a", "b", "c")]
NOMINATED = pod("n", priority=9, nominated="a", schedulingGates=[{"name": "later"}])


class Sleeps(Plugin):
    """Answers after 20 s at one point, and fails there; at all others at once. Its time counts as a guest's does."""

    name = "Sleeps"
    awaits = True
    pre_filter_extensions = True

    def __init__(self, at, points, answers):
        self.at = at
        self.points = frozenset(points)
        self.answers = answers
        self.end_cycle = self.__getattr__("end_cycle")

    def __getattr__(self, name):
        if name.startswith("_") or name not in CALLS:
            raise AttributeError(name)

        async def call(state, *_):
            if name == self.at:
                await trio.sleep(CALL_S)
                state.spent.wall_s += CALL_S
            return self.answers.get(name, CALLS[name])

        return call


BROKEN = Status(Code.ERROR, ("no answer",))
NO = Status(Code.UNSCHEDULABLE, ("no",))
CALLS = {
    "pre_filter": None, "add_pod": None, "remove_pod": None, "filter": None, "post_filter": (None, NO),
    "pre_score": None, "score": 0, "normalize_score": None, "reserve": None, "unreserve": None, "permit": (None, 0.0),
    "pre_bind": None, "bind": Status(Code.SKIP, ()), "post_bind": None, "end_cycle": None,
}  # fmt: skip
BY_POINT = {
    "pre_filter": ({"pre_filter"}, {"pre_filter": BROKEN}),
    "filter": ({"filter"}, {"filter": BROKEN}),
    "post_filter": ({"filter", "post_filter"}, {"filter": NO, "post_filter": (None, BROKEN)}),
    "remove_pod": ({"pre_filter", "filter"}, {"filter": NO, "remove_pod": BROKEN}),
    "add_pod": ({"pre_filter", "filter"}, {"add_pod": BROKEN}),
    "pre_score": ({"pre_score", "score"}, {"pre_score": BROKEN}),
    "score": ({"score"}, {"score": BROKEN}),
    "normalize_score": ({"score", "normalize_score"}, {"normalize_score": BROKEN}),
    "reserve": ({"reserve"}, {"reserve": BROKEN}),
    "unreserve": ({"reserve"}, {"reserve": NO}),
    "permit": ({"permit"}, {"permit": (BROKEN, 0.0)}),
    "end_cycle": ({"filter"}, {"filter": NO}),
    "pre_bind": ({"pre_bind"}, {"pre_bind": BROKEN}),
    "bind": ({"bind"}, {"bind": BROKEN}),
    "post_bind": ({"post_bind"}, {}),
}


def pods(slow, **fields):
    """The slow profile's Pods come first, and are as important."""
    mine = [pod(f"slow-{i}", priority=7, **fields) for i in range(slow)]
    return [*mine, *(pod(name, priority=7, scheduler="other") for name in QUICK)]


class TwoProfiles(World):
    def __init__(self, plugin, waiting):
        super().__init__(NODES, waiting)
        handle = self.scheduler.handle
        self.scheduler.use([with_guests("edged", handle, [(plugin, 1)]), default_profile("other", handle)])

    @property
    def quick(self):
        return sum(f"default/{name}" in self.writes.bound for name in QUICK)


def on_virtual_time(world, script):
    async def main():
        async with trio.open_nursery() as nursery:
            await nursery.start(world.scheduler.run)
            await script()
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


@pytest.mark.parametrize("at", BY_POINT)
def test_pods_of_another_profile_wait_for_one_call_at_most(at):
    points, answers = BY_POINT[at]
    waiting = [*(VICTIMS if at == "remove_pod" else []), *([NOMINATED] if at == "add_pod" else []), *pods(12)]
    world = TwoProfiles(Sleeps(at, points, answers), waiting)
    calls = len(NODES) if at == "remove_pod" else 1  # the trial of each node is one

    async def script():
        await trio.sleep(calls * CALL_S + 1)
        assert world.quick == len(QUICK)
        world.pods.put(pod("late", scheduler="other"))
        await trio.sleep(calls * CALL_S + 1)
        assert "default/late" in world.writes.bound

    on_virtual_time(world, script)


def test_two_slow_profiles_do_not_take_turns_at_the_cost_of_a_third():
    world = World(NODES, [pod(f"slow-{i}", scheduler=f"slow{i % 2}") for i in range(20)])
    handle = world.scheduler.handle
    slow = [with_guests(f"slow{i}", handle, [(Sleeps("score", *BY_POINT["score"]), 1)]) for i in range(2)]
    world.scheduler.use([*slow, default_profile("other", handle)])

    async def script():
        for i in range(10):
            name = f"quick-{i}"
            world.pods.put(pod(name, scheduler="other"))
            await trio.sleep((2 if i == 0 else 1) * CALL_S + 1)
            assert f"default/{name}" in world.writes.bound, i

    on_virtual_time(world, script)


class SlowExtender(FakeExtender):
    """For Pods of the profile `edged`."""

    def interested(self, pod):
        return pod.scheduler_name == "edged"

    async def filter(self, pod, nodes):
        await trio.sleep(CALL_S)
        self.waited_s += CALL_S
        raise PeerError("no answer")


def test_pods_of_another_profile_wait_for_one_call_of_an_extender():
    world = World(NODES, pods(12))
    handle = world.scheduler.handle
    world.scheduler.ask([SlowExtender(filter=lambda: None)])
    world.scheduler.use([default_profile(name, handle) for name in ("edged", "other")])

    async def script():
        await trio.sleep(CALL_S + 1)
        assert {f"default/{name}" for name in QUICK} <= world.writes.bound.keys()

    on_virtual_time(world, script)


def test_a_native_profile_that_waited_for_objects_does_not_rest():
    """The API server may be slow; the order of Pods is by priority all the same."""
    sizes = {"cpu": "4"}
    first = pod("first", priority=9, volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}])
    rivals = [pod("important", priority=7, requests=sizes), pod("batch", scheduler="other", requests=sizes)]
    world = Cluster(NODES[:1], [first, *rivals], problems={"PersistentVolumeClaim": "no answer"})
    handle = world.scheduler.handle
    world.scheduler.use([default_profile(name, handle) for name in ("edged", "other")])

    async def script():
        await trio.sleep(PATIENCE_S / 2)
        assert world.writes.bound == {}
        await trio.sleep(PATIENCE_S)
        assert world.writes.bound == {"default/important": "a"}

    on_virtual_time(world, script)


def test_a_profile_whose_binders_are_all_busy_is_held_and_goes_on_when_there_is_room():
    many = BINDING_BACKLOG + 20
    waiting = [pod(f"slow-{i}") for i in range(many)]
    world = TwoProfiles(Sleeps("bind", {"bind"}, {}), waiting)

    async def script():
        await trio.sleep(1)
        queue = world.scheduler.state.queue
        assert queue.pending()["active"] == many - BINDING_BACKLOG - world.scheduler.state.settings.binders
        world.pods.put(pod("quick", scheduler="other"))
        await trio.sleep(1)
        assert set(world.writes.bound) == {"default/quick"}
        await trio.sleep(many * CALL_S)
        assert len(world.writes.bound) == many + 1

    on_virtual_time(world, script)


# --- guests


def spin(name, result="i32"):
    results, last = (f"(result {result})", f"({result}.const 0)") if result else ("", "")
    return f'(func (export "{name}") {results} (loop $on (br $on)) {last})'


GUESTS = {
    "prefilter": ([spin("prefilter"), i32("filter", 0)], ()),
    "filter": ([spin("filter")], ()),
    "postfilter": ([i32("filter", 2), spin("postfilter", "i64")], ()),
    "removepod": ([i32("filter", 2), spin("removepod"), i32("addpod", 0)], ()),
    "addpod": ([i32("filter", 0), spin("addpod"), i32("removepod", 0)], ()),
    "prescore": ([spin("prescore"), i64("score", 0)], ()),
    "score": ([spin("score", "i64")], ()),
    "normalizescore": ([i64("score", 0), spin("normalizescore")], ()),
    "reserve": ([spin("reserve")], ()),
    "unreserve": ([i32("reserve", 2), spin("unreserve", "")], ()),
    "permit": ([spin("permit", "i64")], ()),
    "prebind": ([i32("bind", 5), spin("prebind")], ("bind", "prebind")),
    "bind": ([spin("bind")], ("bind",)),
    "postbind": ([i32("bind", 5), spin("postbind", "")], ("bind", "postbind")),
}


class TwoGuestProfiles(GuestWorld):
    async def load(self):
        await super().load()
        handle = self.scheduler.handle
        guests = with_guests("edged", handle, [(plugin, 1) for plugin in self.plugins])
        self.scheduler.use([guests, default_profile("other", handle)])

    def ended(self):
        """Attempts of the guests' profile that are over. A Pod that is bound counts when its guest has failed."""
        counts = self.scheduler.state.metrics.counters["schedule_attempts_total"]
        here = {result: count for (result, profile), count in counts.items() if profile == "edged"}
        failed = sum(here.values()) - here.get("scheduled", 0)
        return failed + sum(message == "failed postbind" for message, _ in self.failures)


@pytest.mark.parametrize("export", GUESTS)
def test_a_guest_that_never_answers_costs_other_profiles_one_attempt(export):
    functions, points = GUESTS[export]
    nominated = [NOMINATED] if export == "addpod" else []
    options = {"budget": Budget(cpu_s=0.15), "wall_timeout_s": 5.0, "points": points}
    with engine() as made:
        world = TwoGuestProfiles(made, NODES, [*VICTIMS, *nominated, *pods(12)], (wat(*functions), options))

        async def main():
            with trio.fail_after(60):
                await world.load()
                async with trio.open_nursery() as nursery:
                    await nursery.start(world.scheduler.run)
                    await until(lambda: all(f"default/{name}" in world.writes.bound for name in QUICK))
                    assert world.ended() <= 1
                    nursery.cancel_scope.cancel()
                for plugin in world.plugins:
                    plugin.close()

        trio.run(main)
