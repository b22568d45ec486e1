"""Who has to go, and from which node: DefaultPreemption on plain objects, without a cluster."""

from __future__ import annotations

import pytest

from edged.scheduling.core.point_plan import ProfileConfig
from edged.scheduling.core.preemption import parse_budget, split_by_budgets
from edged.scheduling.core.what_if import preempt
from tests.scheduling.makers import node, pod, pod_info

NOT_HELPFUL = "Preemption is not helpful for scheduling"
NO_VICTIMS = "No preemption victims found for incoming pod"


def running(name, on, priority=0, cpu="1", start="", **fields):
    made = pod(name, node=on, priority=priority, requests={"cpu": cpu}, **fields)
    if start:
        made["status"]["startTime"] = f"2026-01-01T00:00:{start}Z"
    return made


def budget(allowed, labels, namespace="default", disrupted=()):
    return {
        "metadata": {"name": "b", "namespace": namespace},
        "spec": {"selector": {"matchLabels": labels}},
        "status": {"disruptionsAllowed": allowed, "disruptedPods": dict.fromkeys(disrupted, "x")},
    }


def wanted(cpu="1", priority=10, **fields):
    return pod("p", requests={"cpu": cpu}, priority=priority, **fields)


def outcome(nodes, pods, incoming, **options):
    """(node, victims' names, message)."""
    evaluation, result, candidate = preempt(None, nodes, pods, incoming, choose=lambda n: 0, **options)
    victims = [victim.key.name for victim in candidate.victims] if candidate else []
    return result.nominated_node, victims, evaluation.message()


def test_no_more_victims_than_needed_and_the_most_important_stay():
    pods = [running("low", "a", 1), running("mid", "a", 5), running("old", "a", 1, start="01"), running("vip", "a", 10)]
    chosen, victims, message = outcome([node("a", cpu="4")], pods, wanted())
    assert (chosen, victims) == ("a", ["low"])  # it began last
    assert message == (
        "0/1 nodes are available: 1 Insufficient cpu. "
        "preemption: found a potential placement for pod on node a, preempting 1 victims"
    )


def test_equal_priority_is_safe_and_told():
    assert outcome([node("a", cpu="1")], [running("same", "a", 10)], wanted()) == (
        "",
        [],
        f"0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 {NO_VICTIMS}.",
    )


def test_nodes_that_no_eviction_helps_are_counted():
    nodes = [node("a", cpu="1"), node("b", unschedulable=True), node("c", cpu="500m")]
    _, victims, message = outcome(nodes, [running("same", "a", 10)], wanted())
    assert not victims
    assert message.endswith(f"preemption: 0/3 nodes are available: 1 {NO_VICTIMS}, 2 {NOT_HELPFUL}.")


def test_a_pod_that_must_not_preempt_says_so():
    incoming = wanted(preemptionPolicy="Never")
    chosen, victims, message = outcome([node("a", cpu="1")], [running("low", "a")], incoming)
    assert (chosen, victims) == ("", [])
    assert message.endswith("1 Insufficient cpu. preemption: not eligible due to preemptionPolicy=Never.")


def preempted(name, on, **fields):
    victim = running(name, on, **fields)
    victim["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    condition = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
    victim["status"]["conditions"] = [condition]
    return victim


def test_victims_that_are_still_going_are_waited_for():
    pods = [preempted("going", "a"), running("low", "b")]
    nodes = [node("a", cpu="1"), node("b", cpu="1")]
    _, victims, message = outcome(nodes, pods, wanted(nominated="a"))
    assert not victims
    assert message.endswith("preemption: not eligible due to a terminating pod on the nominated node.")
    # Without the nomination nothing is known of who evicted it: it counts as a victim like any other.
    chosen, victims, _ = outcome(nodes[:1], pods[:1], wanted())
    assert (chosen, victims) == ("a", ["going"])


def test_a_nominated_node_beyond_help_does_not_hold_it_back():
    nodes = [node("a", cpu="1", unschedulable=True), node("b", cpu="1")]
    chosen, victims, _ = outcome(nodes, [preempted("going", "a"), running("low", "b")], wanted(nominated="a"))
    assert (chosen, victims) == ("b", ["low"])


@pytest.mark.parametrize(
    ("on_a", "on_b", "budgets"),
    [
        pytest.param([("x", 0)], [("y", 5)], [budget(0, {"app": "x"})], id="fewest budgets violated"),
        pytest.param([("x", 5)], [("y", 4), ("z", 4)], [], id="lowest highest priority"),
        pytest.param([("x", 5), ("w", 5)], [("y", 5), ("z", 2)], [], id="smallest sum"),
        pytest.param([("x", 5), ("w", 5)], [("y", 5)], [], id="fewest"),
    ],
)
def test_the_node_where_it_hurts_least(on_a, on_b, budgets):
    def all_of(on, pods):
        share = {1: "2", 2: "1"}[len(pods)]
        return [running(n, on, p, cpu=share, labels={"app": n}) for n, p in pods]

    pods = all_of("a", on_a) + all_of("b", on_b)
    chosen, victims, _ = outcome([node("a", cpu="2"), node("b", cpu="2")], pods, wanted("2"), budgets=budgets)
    assert (chosen, sorted(victims)) == ("b", sorted(name for name, _ in on_b))


def test_among_equals_the_node_whose_victims_began_last():
    pods = [running("x", "a", start="05"), running("y", "b", start="09"), running("z", "c", start="07")]
    nodes = [node(name, cpu="1") for name in "abc"]
    assert outcome(nodes, pods, wanted())[:2] == ("b", ["y"])
    assert outcome(nodes, [*pods[:1], *pods[2:], running("y", "b")], wanted())[:2] == ("b", ["y"])


def test_who_would_violate_a_budget_is_spared_first():
    pods = [running("guarded", "a", 1, labels={"app": "x"}), running("free", "a", 5)]
    assert outcome([node("a", cpu="2")], pods, wanted())[1] == ["guarded"]
    assert outcome([node("a", cpu="2")], pods, wanted(), budgets=[budget(0, {"app": "x"})])[1] == ["free"]


def test_budgets_are_counted_down_and_skip_who_is_gone_already():
    pods = [pod_info(name, labels={"app": "x"}) for name in ("a", "b", "c")]
    two = parse_budget(budget(2, {"app": "x"}))
    assert [p.key.name for p in split_by_budgets(pods, [two])[0]] == ["c"]
    disrupted = parse_budget(budget(2, {"app": "x"}, disrupted=["a"]))
    assert split_by_budgets(pods, [disrupted])[0] == []
    elsewhere, everything = parse_budget(budget(0, {"app": "x"}, "other")), parse_budget(budget(0, {}))
    assert split_by_budgets(pods, [elsewhere, everything])[0] == []


def test_the_state_of_plugins_goes_along():
    """Host ports, anti-affinity and spreading: each is in the way only as long as its Pod is there."""
    port = [{"containerPort": 80, "hostPort": 80}]
    taken = [running("low", "a", cpu="0", ports=port), running("other", "a", cpu="0")]
    assert outcome([node("a")], taken, wanted(ports=port))[1] == ["low"]

    labelled = node("a", labels={"zone": "a"})
    term = {"labelSelector": {"matchLabels": {"app": "x"}}, "topologyKey": "zone"}
    rule = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    pods = [running("x", "a", cpu="0", labels={"app": "x"}), running("y", "a", cpu="0", labels={"app": "y"})]
    assert outcome([labelled], pods, wanted(affinity=rule))[1] == ["x"]

    spread = {
        "maxSkew": 1,
        "topologyKey": "zone",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "x"}},
    }
    nodes = [labelled, node("b", labels={"zone": "b"}, unschedulable=True)]
    incoming = wanted(topologySpreadConstraints=[spread], labels={"app": "x"})
    assert outcome(nodes, pods, incoming)[1] == ["x"]


def test_room_promised_to_an_equal_is_not_taken():
    nominated = pod("n", requests={"cpu": "1"}, priority=10, nominated="a")
    pods = [running("low", "a"), running("lower", "a")]
    chosen, victims, _ = outcome([node("a", cpu="2")], [*pods, nominated], wanted())
    assert (chosen, sorted(victims)) == ("a", ["low", "lower"])


def test_enough_candidates_end_the_search():
    nodes = [node(f"n{i}", cpu="1") for i in range(20)]
    pods = [running(f"p{i}", f"n{i}", priority=9 - i % 10) for i in range(20)]
    config = ProfileConfig(
        "edged", args={"DefaultPreemption": {"minCandidateNodesPercentage": 5, "minCandidateNodesAbsolute": 1}}
    )
    _, result, _ = preempt(config, nodes, pods, wanted(), choose=lambda n: 3 if n == 20 else 0)
    assert result.nominated_node == "n3"
    _, result, _ = preempt(None, nodes, pods, wanted(), choose=lambda n: 0)
    assert result.nominated_node == "n9"


def test_nobody_goes_for_a_port_that_another_pod_holds_too():
    port = [{"containerPort": 80, "hostPort": 80}]
    pods = [running("low", "a", ports=port), running("vip", "a", 99, ports=port)]
    chosen, victims, message = outcome([node("a")], pods, wanted(ports=port))
    assert (chosen, victims) == ("", [])
    assert message.endswith("1 node(s) didn't have free ports for the requested pod ports.")
    assert outcome([node("a")], pods[:1], wanted(ports=port))[1] == ["low"]


def mirror(*args, **fields):
    made = running(*args, **fields)
    made["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "0123"}
    return made


def test_a_mirror_pod_is_no_victim():
    """Deleting it frees nothing: the static Pod runs on, and its kubelet tells of it again."""
    assert outcome([node("a", cpu="1")], [mirror("static", "a")], wanted())[:2] == ("", [])
    assert NO_VICTIMS in outcome([node("a", cpu="1")], [mirror("static", "a")], wanted())[2]
    pods = [mirror("static", "a"), running("low", "a", 5)]
    assert outcome([node("a", cpu="2")], pods, wanted())[:2] == ("a", ["low"])
    assert outcome([node("a", cpu="2")], pods, wanted(cpu="2"))[:2] == ("", [])
