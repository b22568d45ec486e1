"""Why a Pod is where it is, as the running scheduler answers it."""

from __future__ import annotations

from typing import Any

import trio

from edged.kube.values.names import NamespacedName
from edged.scheduling.core.framework import Plugin
from edged.scheduling.core.plugin_status import Code, Status
from tests.scheduling.makers import node, pod
from tests.scheduling.run.test_scheduler_loop import World, play, settle


def key(name: str) -> NamespacedName:
    return NamespacedName("default", name)


class Holder(Plugin):
    """Makes one Pod wait, for a minute."""

    name = "Holder"
    points = frozenset({"permit"})

    def permit(self, state: Any, pod: Any, node_name: str) -> Any:
        return (Status(Code.WAIT), 60.0) if pod.key.name == "held" else (None, 0.0)


def test_states_of_pods() -> None:
    world = World(
        [node("a", cpu="2")],
        [
            pod("huge", requests={"cpu": "9"}),
            pod("held", requests={"cpu": "1"}),
            pod("gated", schedulingGates=[{"name": "g"}]),
            pod("placed"),
            pod("foreign", scheduler="someone"),
        ],
        [Holder()],
    )
    found: dict[str, Any] = {}

    async def script() -> None:
        await settle()
        await trio.sleep(20)
        names = ("huge", "held", "gated", "placed", "foreign")
        found.update({name: world.scheduler.why(key(name)) for name in names})
        world.pods.remove(key("placed"))
        found["gone"] = world.scheduler.why(key("placed"))
        assert world.scheduler.why(key("never")) is None

    play(world, script)
    huge = found["huge"]
    assert huge["state"]["place"] == "unschedulable"
    assert huge["state"]["rejected_by"] == ["NodeResourcesFit"]
    assert "Node added, allocatable changed" in huge["state"]["wakes_on"]["NodeResourcesFit"]
    assert huge["why"] == "no node passes all filters"
    held = found["held"]["state"]
    assert held["place"] == "permit"
    assert 35 <= held["waits_for"]["Holder"] <= 40
    gated = found["gated"]
    assert (gated["state"]["place"], gated["state"]["gated_by"]) == ("gated", "SchedulingGates")
    assert "Pod last scheduling gate removed" in gated["state"]["wakes_on"]["SchedulingGates"]
    assert "uid" not in gated
    assert found["placed"]["state"] == {"place": "bound", "text": "runs on a", "node": "a"}
    assert "only node" in found["placed"]["why"]
    assert "'someone'" in found["foreign"]["state"]["text"]
    assert found["gone"]["state"]["place"] == "gone"


def test_a_pod_in_backoff_says_for_how_long() -> None:
    class Breaks(Plugin):
        name = "Breaks"
        points = frozenset({"filter"})

        def filter(self, state: Any, pod: Any, node: Any) -> Status:
            return Status(Code.ERROR, ("broken",))

    world = World([node("a")], [pod("p")], [Breaks()])
    found: list[Any] = []

    async def script() -> None:
        await settle()
        found.append(world.scheduler.why(key("p")))
        await trio.sleep(30)
        found.append(world.scheduler.why(key("p")))

    play(world, script)
    first, later = found
    assert first["state"]["place"] == "error_backoff"
    assert 0 < first["state"]["backoff_s"] <= 1
    assert first["why"].startswith("the attempt broke off: ")
    assert later["attempts"] == len(later["earlier"]) + 1 > 2
    assert later["earlier"][0]["message"] == 'running "Breaks" filter plugin: broken'


def test_the_remembered_ones_in_a_list() -> None:
    world = World([node("a")], [pod("p"), pod("huge", requests={"cpu": "9"})])
    play(world, settle)
    told = {line["pod"]: (line["node"], bool(line["message"])) for line in world.scheduler.remembered()}
    assert told == {"default/p": ("a", False), "default/huge": ("", True)}
