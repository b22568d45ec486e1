"""What `edged schedule explain` says in words: why a node won, and which events a Pod waits for."""

from __future__ import annotations

from edged.scheduling.core.cluster_events import Action, ClusterEvent
from edged.scheduling.core.cycle import evaluate
from edged.scheduling.explain.sentences import event_words, why_chosen
from tests.scheduling.makers import node, pod


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
