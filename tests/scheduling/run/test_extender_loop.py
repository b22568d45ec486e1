"""Extenders in the scheduler's loop: who binds, who has a say in preemption, what wakes whom they turned down."""

from __future__ import annotations

import pytest
import trio

from edged.errors import PeerError
from edged.kube.values.names import NamespacedName
from tests.scheduling.makers import node, pod
from tests.scheduling.run.test_scheduler_loop import World, play, settle


class Answer:
    def __init__(self, names, failed=None):
        self.names, self.failed, self.unresolvable = names, failed or {}, {}


class FakeExtender:
    """Does what the test says; None for a verb: it does not take part."""

    def __init__(self, *, filter=None, prioritize=None, preempt=None, bind=None, ignorable=False):
        self.name, self.ignorable, self.weight = "http://extender", ignorable, 1
        self.waited_s = 0.0
        self.filters, self.prioritizes = filter is not None, prioritize is not None
        self.preempts, self.binds = preempt is not None, bind is not None
        self._filter, self._prioritize, self._preempt, self._bind = filter, prioritize, preempt, bind
        self.bound = []

    def interested(self, pod):
        return not pod.key.name.startswith("other")

    def judges(self, pod):
        return (self.filters or self.prioritizes) and self.interested(pod)

    async def filter(self, pod, nodes):
        await trio.lowlevel.checkpoint()
        return self._filter(pod, [node.name for node in nodes])

    async def prioritize(self, pod, nodes):
        return self._prioritize([node.name for node in nodes])

    async def preempt(self, pod, candidates):
        return self._preempt(candidates)

    async def bind(self, pod, node_name):
        self.bound.append((pod.key.name, node_name))
        self._bind(pod)


class Extended(World):
    def __init__(self, nodes, pods, *extenders):
        super().__init__(nodes, pods)
        profiles = list(self.scheduler.state.profiles.values())
        self.scheduler.ask(extenders)
        self.scheduler.use(profiles)


def fail(pod):
    raise PeerError("extender is away")


class Binding(FakeExtender):
    """Binds to `node`, if to any, when it is asked; then says what `answer` makes of it."""

    def __init__(self, node, answer=lambda pod: None, **more):
        super().__init__(bind=answer, **more)
        self.node, self.world = node, None

    async def bind(self, incoming, node_name):
        if self.node:
            self.world.pods.put(pod(incoming.key.name, node=self.node))
        await super().bind(incoming, node_name)


def bound_by(extender, *pods):
    extender.world = Extended([node("a")], [pod("p"), *pods], extender)
    return extender.world


def test_an_extender_binds_instead_of_the_plugins():
    extender = Binding("a")
    world = bound_by(extender, pod("other"))
    play(world, settle)
    assert extender.bound == [("p", "a")]
    assert set(world.writes.bound) == {"default/other"}
    scheduled = {event["regarding"]["name"] for event in world.writes.events}
    assert scheduled == {"p", "other"}


def test_a_binding_counts_when_the_pod_shows_a_node():
    liar = Binding("")
    world = bound_by(liar)

    async def wait():
        await trio.sleep(10.5)  # then it is tried again

    play(world, wait)
    assert world.condition("p")["message"].startswith("an extender says that it has bound the Pod, which")
    assert not world.scheduler.state.cache.assumed
    assert {event["reason"] for event in world.writes.events} == {"FailedScheduling"}

    pessimist = Binding("a", fail)
    world = bound_by(pessimist)
    play(world, settle)
    assert {event["reason"] for event in world.writes.events} == {"Scheduled"}
    assert any(b"says otherwise" in line for line in world.lines)


class Contrary(Binding):
    """Binds to another node than it is told, after a while."""

    async def bind(self, incoming, node_name):
        await trio.sleep(1)
        await super().bind(incoming, node_name)


@pytest.mark.parametrize("answer", [lambda pod: None, fail])
def test_a_pod_that_is_on_another_node_was_not_bound_by_us(answer):
    """Nobody is told so, and who waits for the room on the node that was chosen gets it."""
    extender, sizes = Contrary("b", answer), {"cpu": "1"}
    nodes = [node("a", cpu="1"), node("b", cpu="1")]
    waiting = [pod("p", requests=sizes, priority=1), pod("other", requests=sizes)]
    world = extender.world = Extended(nodes, [pod("full", node="b", requests=sizes), *waiting], extender)

    async def script():
        await trio.sleep(10)

    play(world, script)
    assert extender.bound == [("p", "a")]
    assert {event["regarding"]["name"] for event in world.writes.events if event["reason"] == "Scheduled"} == {"other"}
    assert world.writes.bound == {"default/other": "a"}
    assert not world.scheduler.state.cache.assumed
    assert len(world.scheduler.state.queue) == 0


def test_a_pod_that_is_gone_was_not_bound():
    extender = Binding("", lambda pod: extender.world.pods.remove(pod.key))
    world = bound_by(extender)
    play(world, settle)
    assert world.writes.events == [] or {event["reason"] for event in world.writes.events} == {"FailedScheduling"}
    assert not world.scheduler.state.cache.assumed


def test_a_binding_extender_that_fails():
    world = Extended([node("a")], [pod("p")], FakeExtender(bind=fail))
    play(world, settle)
    assert world.condition("p")["message"] == "extender is away"
    assert not world.scheduler.state.cache.assumed
    world = Extended([node("a")], [pod("p")], FakeExtender(bind=fail, ignorable=True))
    play(world, settle)
    assert world.writes.bound == {"default/p": "a"}


def test_whom_an_extender_turned_down_anything_may_help():
    closed = {"a": "busy"}
    extender = FakeExtender(filter=lambda pod, names: Answer([n for n in names if n not in closed], closed))
    world = Extended([node("a")], [pod("p")], extender)

    async def script():
        await settle()
        assert world.condition("p")["message"].startswith("0/1 nodes are available: 1 busy.")
        told = world.scheduler.why(NamespacedName("default", "p"))
        assert told["state"]["wakes_on"] == {"Extender": ["anything"]}
        closed.clear()
        world.pods.put(pod("other", node="a"))
        await trio.sleep(15)
        assert world.writes.bound == {"default/p": "a"}

    play(world, script)


def test_verdicts_are_shared_only_among_pods_that_no_extender_judges():
    asked = []
    extender = FakeExtender(filter=lambda pod, names: asked.append(pod.key.name) or Answer(names))
    world = Extended([node("a")], [pod(f"p{i}") for i in range(3)] + [pod("other")], extender)
    play(world, settle)
    assert sorted(asked) == ["p0", "p1", "p2"]
    assert len(world.writes.bound) == 4


def victims(world):
    return sorted(world.writes.deleted)


def test_an_extender_has_a_say_in_whom_to_evict():
    running = [pod(f"on-{name}", node=name, requests={"cpu": "1"}) for name in ("a", "b")]
    incoming = pod("p", requests={"cpu": "1"}, priority=10)
    nodes = [node("a", cpu="1"), node("b", cpu="1")]
    spares_b = FakeExtender(preempt=lambda candidates: [c for c in candidates if c.node_name == "a"])
    world = Extended(nodes, [*running, incoming], spares_b)
    play(world, settle)
    assert victims(world) == ["default/on-a"]

    spares_all = FakeExtender(preempt=lambda candidates: [])
    world = Extended(nodes, [*running, incoming], spares_all)
    play(world, settle)
    assert victims(world) == []
    assert world.condition("p")["message"].endswith("preemption: no candidate node for preemption")

    empty = FakeExtender(preempt=lambda candidates: [c._replace(victims=()) for c in candidates])
    world = Extended(nodes, [*running, incoming], empty)
    play(world, settle)
    assert victims(world) == []
    assert 'expected at least one victim pod on node "' in world.condition("p")["message"]
