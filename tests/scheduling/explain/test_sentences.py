"""What `edged schedule explain` is told: why a node won, where a waiting Pod is, what is remembered and what not."""

from __future__ import annotations

from typing import Any

import trio

from edged.kube.values.names import NamespacedName
from edged.scheduling.core.cluster_events import Action, ClusterEvent
from edged.scheduling.core.cycle import evaluate
from edged.scheduling.core.framework import Plugin
from edged.scheduling.core.plugin_status import Code, Status
from edged.scheduling.explain.records import Record, Records
from edged.scheduling.explain.sentences import event_words, why_chosen
from tests.scheduling.explain.test_result_annotations import attempt
from tests.scheduling.makers import node, pod
from tests.scheduling.run.test_scheduler_loop import World, play, settle


def key(name: str) -> NamespacedName:
    return NamespacedName("default", name)


# --- in a sentence


def test_by_how_much_and_by_whom() -> None:
    nodes = [node("a"), node("b", cpu="16")]
    evaluation = evaluate(None, nodes, [], pod("p", requests={"cpu": "3"}, scheduler="default-scheduler"))
    totals = evaluation.totals()
    said = why_chosen(evaluation)
    assert said.startswith(f"b has the highest total ({totals['b']}), {totals['b'] - totals['a']} more than a: ")
    assert "NodeResourcesFit +" in said
    assert "TaintToleration" not in said  # it does not tell them apart


def test_chance_is_called_so() -> None:
    evaluation = evaluate(None, [node(n) for n in "abcdef"], [], pod("p"), choose=lambda n: 1)
    assert why_chosen(evaluation).startswith("b shares the highest total")
    assert "with a, c, d and 2 more; chance decided" in why_chosen(evaluation)


def test_nothing_to_score() -> None:
    alone = evaluate(None, [node("a")], [], pod("p"))
    assert why_chosen(alone) == "a is the only node and passes all filters: there was nothing to score"
    left = evaluate(None, [node("a"), node("b", cpu="1")], [], pod("p", requests={"cpu": "2"}))
    assert why_chosen(left) == "a is the only node that passes all filters: there was nothing to score"


def test_events_in_words() -> None:
    changes = Action.UPDATE_NODE_LABEL | Action.UPDATE_NODE_TAINT
    assert event_words(ClusterEvent("Node", Action.ADD | changes)) == "Node added, labels changed, taints changed"
    assert event_words(ClusterEvent("Pod", Action.DELETE)) == "Pod deleted"
    assert event_words(ClusterEvent("storage.k8s.io/CSINode", Action.ALL)) == "CSINode changed in any way"
    assert event_words(ClusterEvent("Pod", Action.ADD | Action.UPDATE)) == "Pod added, changed"
    assert event_words(ClusterEvent("*", Action.ALL)) == "anything"


# --- what is kept


def record(name: str, nodes: int = 2, attempts: int = 1) -> Record:
    found = attempt([node(f"n{i}") for i in range(nodes)], pod(name))
    found.attempts = attempts
    return found


def test_memory_is_bounded_in_pods_and_in_cells() -> None:
    records = Records(3)
    for n in range(5):
        records.add(record(f"p{n}"))
    assert [r.evaluation.pod.key.name for r in records.latest()] == ["p4", "p3", "p2"]
    one = record("large", nodes=50)
    records = Records(100, cells=2 * one.cells)
    for n in range(6):
        records.add(record(f"p{n}", nodes=50))
    assert len(records) == 2
    records.add(record("huge", nodes=500))
    assert len(records) == 1  # the latest is kept, whatever its size


def test_earlier_attempts_are_a_line_each() -> None:
    records = Records(3)
    for n in range(12):
        records.add(record("p", attempts=n + 1))
    assert len(records) == 1
    assert [earlier.attempts for earlier in records.earlier(key("p"))] == [4, 5, 6, 7, 8, 9, 10, 11]


# --- where a Pod is


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


# --- one node


class Scores(Plugin):
    """Counts what it is asked."""

    name = "Scores"
    points = frozenset({"filter", "pre_score", "score"})

    def __init__(self) -> None:
        self.asked: list[str] = []

    def filter(self, state: Any, pod: Any, node: Any) -> None:
        self.asked.append("filter")

    def pre_score(self, state: Any, pod: Any, nodes: Any) -> None:
        self.asked.append("pre_score")

    def score(self, state: Any, pod: Any, node: Any) -> int:
        self.asked.append("score")
        return 1


def test_on_one_node_plugins_filter_and_do_not_score() -> None:
    plugin = Scores()
    play(World([node("a")], [pod("p"), pod("q")], [plugin]), settle)
    assert plugin.asked == ["filter", "filter"]
    plugin = Scores()
    play(World([node("a"), node("b", unschedulable=True)], [pod("p")], [plugin]), settle)
    assert plugin.asked == ["filter"]  # one node is left
