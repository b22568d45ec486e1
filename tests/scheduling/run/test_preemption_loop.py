"""Preemption in the scheduler's loop: whom it deletes, what it writes and tells, what happens meanwhile."""

from __future__ import annotations

import copy

import pytest
import trio

from edged.kube.client import ApiError, NoAnswer
from edged.kube.values.names import NamespacedName
from edged.scheduling.core.plugin_status import Code, Status
from tests.scheduling.makers import node, pod
from tests.scheduling.run.test_scheduler_loop import FakeInformer, World, guest, play, settle

FOUND = "preemption: found a potential placement for pod on node a, preempting"


def running(name, priority=0, cpu="1", **fields):
    return pod(name, node="a", priority=priority, requests={"cpu": cpu}, **fields)


def key(name):
    return NamespacedName("default", name)


def conditions(world, name):
    return {c["type"]: c for c in world.pods.objects[key(name)]["status"].get("conditions", [])}


def test_a_victim_is_told_deleted_and_replaced():
    world = World([node("a", cpu="1")], [running("low"), pod("p", requests={"cpu": "1"}, priority=10)])

    async def script():
        await settle()
        assert world.writes.deleted == ["default/low"]
        assert conditions(world, "low")["DisruptionTarget"] == {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "PreemptionByScheduler",
            "message": "edged: preempting to accommodate a higher priority pod",
            "lastTransitionTime": "2001-09-09T01:46:40Z",
        }
        assert world.pods.objects[key("p")]["status"]["nominatedNodeName"] == "a"
        message = f"0/1 nodes are available: 1 Insufficient cpu. {FOUND} 1 victims"
        assert world.condition("p")["message"] == message
        assert ("FailedScheduling", message) in world.writes.notes()
        event = next(e for e in world.writes.events if e["reason"] == "Preempted")
        assert (event["type"], event["action"], event["note"]) == (
            "Normal", "Preempting", "Preempted by pod uid-p on node a",
        )  # fmt: skip
        assert (event["regarding"]["name"], event["related"]["name"]) == ("low", "p")
        await trio.sleep(30)
        assert len(world.writes.deleted) == 1  # it waits for the one that is going
        world.pods.remove(key("low"))
        await trio.sleep(15)
        assert world.writes.bound == {"default/p": "a"}
        assert not world.scheduler.state.nominator

    play(world, script)
    assert world.scheduler.state.metrics.histograms["preemption_victims"][()].total == 1


def test_equals_do_not_take_the_room_that_was_made():
    world = World([node("a", cpu="1")], [running("low"), pod("p", requests={"cpu": "1"}, priority=10)])

    async def script():
        await settle()
        world.pods.remove(key("low"))
        world.pods.put(pod("q", requests={"cpu": "1"}, priority=5))
        await trio.sleep(30)
        assert world.writes.bound == {"default/p": "a"}

    play(world, script)


def test_room_elsewhere_ends_the_nomination():
    world = World([node("a", cpu="1")], [running("low"), pod("p", requests={"cpu": "1"}, priority=10)])

    async def script():
        await settle()
        world.nodes.put(node("b"))
        await trio.sleep(15)
        assert world.writes.bound == {"default/p": "b"}
        assert not world.scheduler.state.nominator

    play(world, script)


def test_a_more_important_pod_takes_the_nomination_from_a_less_important_one():
    world = World([node("a", cpu="1")], [running("low"), pod("p", requests={"cpu": "1"}, priority=10)])

    async def script():
        await settle()
        world.pods.put(pod("vip", requests={"cpu": "1"}, priority=20))
        await settle()
        assert world.writes.deleted == ["default/low"]  # it is on its way already
        await trio.sleep(5)
        world.pods.remove(key("low"))
        await trio.sleep(15)
        assert world.writes.bound == {"default/vip": "a"}

    play(world, script)


def test_the_last_victim_goes_last():
    pods = [running(f"low{i}") for i in range(3)]
    world = World([node("a", cpu="3")], [*pods, pod("p", requests={"cpu": "3"}, priority=10)])
    at_last = []

    async def script():
        delete = world.writes.delete

        async def watched(pod_key, uid):
            at_last.append((str(pod_key), list(world.writes.deleted), world.scheduler.preemption.running("uid-p")))
            await delete(pod_key, uid)

        world.writes.delete = watched
        await settle()

    world.scheduler.state.queue.wake = lambda: None
    play(world, script)
    assert len(world.writes.deleted) == 3
    assert len(at_last[-1][1]) == 2
    assert all(was_running for _, _, was_running in at_last)


def test_a_refused_deletion_is_told_and_tried_again():
    world = World([node("a", cpu="1")], [running("low"), pod("p", requests={"cpu": "1"}, priority=10)])
    world.writes.refusals = [ApiError(403, "Forbidden", "no")]

    async def script():
        await settle()
        assert world.writes.deleted == []
        await trio.sleep(4)
        assert len(world.writes.events) == 1  # it is not tried over and over
        await trio.sleep(20)
        assert world.writes.deleted == ["default/low"]

    play(world, script)


def test_a_server_that_is_away_for_a_moment_costs_nothing():
    world = World([node("a", cpu="1")], [running("low"), pod("p", requests={"cpu": "1"}, priority=10)])
    world.writes.refusals = [NoAnswer("away"), ApiError(503, "", "busy")]

    async def script():
        await trio.sleep(0.5)
        assert world.writes.deleted == ["default/low"]

    play(world, script)


def test_victims_that_vanish_while_others_are_being_evicted():
    pods = [running(f"low{i}") for i in range(3)]
    world = World([node("a", cpu="3")], [*pods, pod("p", requests={"cpu": "3"}, priority=10)])

    async def script():
        async def slow(pod_key, uid):
            await trio.sleep(3)
            if world.pods.get(pod_key) is None:
                raise ApiError(404, "NotFound", "gone")
            world.pods.remove(pod_key)

        world.writes.delete = slow
        await trio.sleep(2)
        for i in range(3):  # by somebody else, and all of it is seen before the last one's turn
            world.pods.remove(key(f"low{i}"))
        await trio.sleep(20)
        assert world.writes.bound == {"default/p": "a"}

    play(world, script)


def test_a_last_victim_that_ends_while_others_are_being_evicted():
    pods = [running(f"low{i}") for i in range(3)]
    world = World([node("a", cpu="3")], [*pods, pod("p", requests={"cpu": "3"}, priority=10)])

    async def script():
        async def slow(pod_key, uid):
            await trio.sleep(3)

        world.writes.delete = slow
        await trio.sleep(2)
        for i in range(3):  # they run to their end: from now on they count for nothing, and their deletion says nothing
            ended = world.pods.get(key(f"low{i}"))
            ended["status"]["phase"] = "Succeeded"
            world.pods.put(ended)
        await trio.sleep(10)  # the last deletion is answered before it is seen
        for i in range(3):
            world.pods.remove(key(f"low{i}"))
        await trio.sleep(20)
        assert world.writes.bound == {"default/p": "a"}

    play(world, script)


@pytest.mark.parametrize("seen_after_s", [0.0, 1.0, 2.0, 3.0, 9.0])
def test_a_victim_that_is_evicted_again_before_its_end_is_seen(seen_after_s):
    """The watch is slow, something else wakes the Pod, and the second eviction finds that the victim is gone."""
    pods = [running("low"), running("other", priority=20), pod("p", requests={"cpu": "1"}, priority=10)]
    world = World([node("a", cpu="2")], pods)
    evicted = []

    async def script():
        async def delete(pod_key, uid):
            evicted.append(str(pod_key))
            if len(evicted) > 1:
                await trio.sleep(2)
                raise ApiError(404, "NotFound", "gone")

        world.writes.delete = delete
        await trio.sleep(0.5)
        assert evicted == ["default/low"]
        world.pods.put(running("other", priority=20, cpu="500m"))
        await trio.sleep(seen_after_s)
        world.pods.remove(key("low"))
        await trio.sleep(20)
        assert world.writes.bound == {"default/p": "a"}

    play(world, script)
    assert set(evicted) == {"default/low"}
    assert len(evicted) > 1 or seen_after_s < 2


def test_room_that_was_promised_to_a_pod_which_went_elsewhere_is_told_of():
    world = World([node("a", cpu="1")], [running("low"), pod("p", requests={"cpu": "1"}, priority=10)])
    told = []

    async def script():
        await settle()
        ended = world.scheduler.state.queue.nomination_ended
        world.scheduler.state.queue.nomination_ended = lambda pod, now: (told.append(pod.key.name), ended(pod, now))
        world.nodes.put(node("b", cpu="1"))
        await trio.sleep(15)
        assert world.writes.bound == {"default/p": "b"}

    play(world, script)
    assert told == ["p"]


def test_a_withdrawn_nomination_does_not_come_back():
    """The first word about it is still on its way when the second is spoken."""
    world = World([node("a", cpu="1")], [running("low"), pod("p", requests={"cpu": "1"}, priority=10)])
    patch = world.writes.patch_status
    written = []

    async def slow(pod_key, uid, condition, nominated_node):
        if pod_key.name == "p":
            await trio.sleep(5 if nominated_node else 0)
            written.append(nominated_node)
        await patch(pod_key, uid, condition, nominated_node)

    world.writes.patch_status = slow

    async def script():
        await settle()
        cordoned = world.nodes.objects[NamespacedName("", "a")]
        cordoned["spec"]["unschedulable"] = True
        world.nodes.put(cordoned)
        world.pods.remove(key("low"))
        await trio.sleep(30)
        assert written[0] == "a"
        assert not world.scheduler.state.nominator
        assert not world.pods.objects[key("p")]["status"].get("nominatedNodeName")

    play(world, script)


def test_a_victim_that_only_waits_is_not_deleted():
    plugin = guest("permit", permit=(Status(Code.WAIT), 600.0))
    world = World([node("a", cpu="1")], [pod("low", requests={"cpu": "1"})], [plugin])

    async def script():
        await settle()
        assert world.scheduler.handle.waiting_pod("uid-low") is not None
        world.pods.put(pod("p", requests={"cpu": "1"}, priority=10))
        await trio.sleep(0)
        await settle()
        assert world.writes.deleted == []
        assert world.scheduler.handle.waiting_pod("uid-low") is None
        notes = [note for reason, note in world.writes.notes() if reason == "Preempted"]
        assert notes == ["Preempted by pod uid-p on node a (in kube-scheduler memory)."]
        assert world.condition("low")["reason"] == "SchedulerError"
        await trio.sleep(3)
        assert world.scheduler.handle.waiting_pod("uid-p") is not None

    play(world, script)


def test_a_victim_in_pre_bind_is_taken_back():
    plugin = guest("pre_bind")

    async def for_ever(state, pod, node_name):
        if pod.key.name == "low":
            await trio.sleep_forever()

    plugin.__dict__["pre_bind"] = for_ever
    world = World([node("a", cpu="1")], [pod("low", requests={"cpu": "1"})], [plugin])

    async def script():
        await settle()
        world.pods.put(pod("p", requests={"cpu": "1"}, priority=10))
        await trio.sleep(5)
        assert world.writes.deleted == []
        assert world.writes.bound == {"default/p": "a"}

    play(world, script)


def test_nothing_is_preempted_before_budgets_are_known():
    world = World([node("a", cpu="1")], [running("low"), pod("p", requests={"cpu": "1"}, priority=10)])
    budgets = FakeInformer()
    budgets.synced, budgets.generation, budgets.items = False, 0, lambda: iter(())
    world.scheduler.preemption.respect(budgets)

    async def script():
        await settle()
        assert world.writes.deleted == []
        assert world.condition("p")["message"].endswith("preemption: PodDisruptionBudgets are not known yet.")

    play(world, script)


def test_a_pod_that_is_gone_by_now_evicts_nobody():
    world = World([node("a", cpu="1")], [running("low"), pod("p", requests={"cpu": "1"}, priority=10)], [])

    async def script():
        await settle()

    original = world.pods.get
    # The cycle began, and the Pod was deleted before its PostFilter.
    world.pods.get = lambda k: None if k.name == "p" else copy.deepcopy(original(k))
    play(world, script)
    assert world.writes.deleted == []
