"""That differential.py reads kube-scheduler's log rightly, shown on a state whose outcome is known."""

from __future__ import annotations

import pytest

from tests.cluster.differential import LogLine, RealScheduler, interpret, parse_line
from tests.cluster.states import HOME, Object, State, make_state

PREFIX = "I1122 19:40:00.123456   12345 schedule_one.go:984] "


def _node(name: str, cpu: str, **spec: object) -> Object:
    status = {"allocatable": {"cpu": cpu, "memory": "4Gi", "pods": "10"}}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": spec, "status": status}


def _pod(name: str, cpu: str) -> Object:
    container = {"name": "c", "image": "i", "resources": {"requests": {"cpu": cpu, "memory": "1Gi"}}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": HOME},
        "spec": {"containers": [container]},
    }


def test_structured_lines_are_parsed() -> None:
    line = parse_line(PREFIX + '"Plugin scored node for pod" pod="a/b" plugin="NodeAffinity" score=12')
    assert line == LogLine(
        "Plugin scored node for pod", {"pod": "a/b", "plugin": "NodeAffinity", "score": "12"}
    )


def test_quoted_values_are_unquoted() -> None:
    line = parse_line(PREFIX + r'"Unable" err="1 node(s) didn\'t \"fit\", = \x41"'.replace(r"\'", "'"))
    assert line is not None
    assert line.fields == {"err": '1 node(s) didn\'t "fit", = A'}


@pytest.mark.parametrize("text", ["", "panic: no", "I1122 plain", PREFIX + "not quoted"])
def test_other_lines_are_ignored(text: str) -> None:
    assert parse_line(text) is None


def test_a_single_feasible_node_is_known_from_the_choice() -> None:
    state = State(0, (), (), _pod("p", "1"))
    other = LogLine("Successfully bound pod to node", {"pod": f"{HOME}/q", "node": "b"})
    mine = LogLine("Successfully bound pod to node", {"pod": f"{HOME}/p", "node": "a"})
    observed = interpret(state, "default-scheduler", [other, mine])
    assert observed.feasible == {"a"}
    assert observed.chosen == "a"
    assert not observed.scores


def test_a_seed_always_makes_the_same_state() -> None:
    assert make_state(7) == make_state(7)
    assert make_state(7) != make_state(8)


@pytest.mark.kube
def test_known_placement_is_observed(real_scheduler: RealScheduler) -> None:
    assigned = _pod("assigned", "1")
    assigned["spec"]["nodeName"] = "two"
    nodes = (_node("one", "4"), _node("two", "4"), _node("off", "4", unschedulable=True))
    default, most, _ = real_scheduler.observe(State(0, nodes, (assigned,), _pod("incoming", "1")))
    assert default.feasible == most.feasible == {"one", "two"}
    # LeastAllocated: (3/4 + 3/4)/2 and (2/4 + 2/4)/2 of 100.
    assert (default.scores["one"]["NodeResourcesFit"], default.scores["two"]["NodeResourcesFit"]) == (75, 50)
    assert (default.chosen, most.chosen) == ("one", "two")
    assert most.scores["two"]["NodeResourcesFit"] == 50 * 5
    assert default.totals["one"] == sum(default.scores["one"].values())


@pytest.mark.kube
def test_known_failure_is_observed(real_scheduler: RealScheduler) -> None:
    nodes = (_node("one", "1"), _node("off", "4", unschedulable=True))
    observed = real_scheduler.observe(State(0, nodes, (), _pod("incoming", "2")))
    assert {o.feasible for o in observed} == {frozenset()}
    assert {o.chosen for o in observed} == {None}
    first = "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable."
    assert observed[0].message.startswith(first)


@pytest.mark.kube
def test_no_nodes_is_observed(real_scheduler: RealScheduler) -> None:
    observed = real_scheduler.observe(State(0, (), (), _pod("incoming", "2")))
    assert {o.message for o in observed} == {"no nodes available to schedule pods"}
