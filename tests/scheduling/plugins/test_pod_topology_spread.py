"""PodTopologySpread: skew, domains, inclusion policies, scores."""

from edged.scheduling.core.cycle import OfflineHandle, evaluate, offline
from edged.scheduling.core.framework import CycleState
from edged.scheduling.core.snapshot import Snapshot
from edged.scheduling.plugins import pod_topology_spread
from edged.scheduling.plugins.pod_topology_spread import PodTopologySpread
from tests.scheduling.makers import pod, pod_info
from tests.scheduling.plugins.topology import HOST, SELECTOR, WEB, ZONE, cluster, on, verdicts


def spread(key=ZONE, skew=1, hard=True, **more):
    when = "DoNotSchedule" if hard else "ScheduleAnyway"
    made = {"maxSkew": skew, "topologyKey": key, "whenUnsatisfiable": when, "labelSelector": SELECTOR}
    return [{**made, **more}]


SKEWED = (2, "node(s) didn't match pod topology spread constraints")
NO_LABEL = (3, "node(s) didn't match pod topology spread constraints (missing required label)")


def test_skew_is_counted_per_domain():
    nodes = cluster(a="x", b="x", c="y", d="")
    incoming = pod("p", labels=WEB, topologySpreadConstraints=spread())
    assert verdicts(nodes, [on("a", "q")], incoming) == {"a": SKEWED, "b": SKEWED, "c": None, "d": NO_LABEL}
    assert set(verdicts(nodes, [on("a", "q"), on("c", "r")], incoming).values()) == {None, NO_LABEL}


def test_others_namespaces_terminating_pods_and_empty_selectors_do_not_count():
    nodes = cluster(a="x", c="y")
    incoming = pod("p", labels=WEB, topologySpreadConstraints=spread())
    going = on("a", "going")
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert verdicts(nodes, [on("a", "far", namespace="other"), going], incoming) == {"a": None, "c": None}
    everyone = pod("p", labels=WEB, topologySpreadConstraints=spread(labelSelector={}))
    assert verdicts(nodes, [on("a", "q"), on("a", "r")], everyone) == {"a": None, "c": None}


def test_too_few_domains_make_the_minimum_zero():
    nodes, pods = cluster(a="x", b="y"), [on("a", "q"), on("b", "r")]
    incoming = pod("p", labels=WEB, topologySpreadConstraints=spread(minDomains=3))
    assert verdicts(nodes, pods, incoming) == {"a": SKEWED, "b": SKEWED}


def test_inclusion_policies():
    nodes = cluster(a="x", b="y", c="z")
    nodes[2]["spec"]["taints"] = [{"key": "k", "effect": "NoSchedule"}]
    pods = [on("a", "q"), on("b", "r")]
    ignoring = pod("p", labels=WEB, topologySpreadConstraints=spread())
    assert verdicts(nodes, pods, ignoring)["a"] == SKEWED
    honoring = pod("p", labels=WEB, topologySpreadConstraints=spread(nodeTaintsPolicy="Honor"))
    assert verdicts(nodes, pods, honoring)["a"] is None
    limited = pod("p", labels=WEB, topologySpreadConstraints=spread(), nodeSelector={HOST: "a"})
    assert verdicts(nodes, [on("a", "q")], limited)["a"] is None


def test_soft_constraints_score():
    nodes = cluster(a="x", b="y", c="")
    incoming = pod("p", labels=WEB, topologySpreadConstraints=spread(hard=False))
    result = evaluate(None, nodes, [on("a", "q"), on("a", "r")], incoming)
    assert result.raw_scores()["PodTopologySpread"] == {"a": 3, "b": 0, "c": 0}  # 2 * ln(4) = 2.77
    assert result.final_scores()["PodTopologySpread"] == {"a": 0, "b": 200, "c": 0}


def test_soft_constraints_on_hosts():
    incoming = pod("p", labels=WEB, topologySpreadConstraints=spread(HOST, 3, hard=False))
    result = evaluate(None, cluster(a="", b=""), [on("a", "q")], incoming)
    assert result.raw_scores()["PodTopologySpread"] == {"a": 3, "b": 2}  # ln(4) + 2
    assert result.final_scores()["PodTopologySpread"] == {"a": 2 * (100 * (3 + 2 - 3) // 3), "b": 200}


def test_it_says_when_it_has_nothing_to_do():
    handle = OfflineHandle(Snapshot())
    assert PodTopologySpread({}, handle).skips(pod_info())
    assert not PodTopologySpread({}, handle).skips(pod_info(topologySpreadConstraints=spread()))


def test_the_pods_of_a_node_are_counted_again_only_when_it_changed(monkeypatch):
    """Else each Pod would cost as much as there are Pods in the cluster."""
    counted = []
    matching = pod_topology_spread.matching_pods
    monkeypatch.setattr(
        pod_topology_spread, "matching_pods",
        lambda constraint, waiting, node: counted.append(node.name) or matching(constraint, waiting, node),
    )  # fmt: skip
    cache, _, snapshot = offline(cluster(a="x", b="x", c="y"), [on("a", "q")])
    plugin = PodTopologySpread({}, OfflineHandle(snapshot))
    for number in range(3):
        waiting, state = pod_info(f"p{number}", labels=WEB, topologySpreadConstraints=spread()), CycleState()
        plugin.pre_filter(state, waiting, snapshot.nodes)
        skewed = [node.name for node in snapshot.nodes if plugin.filter(state, waiting, node)]
        assert skewed == (["a", "b"] if number != 1 else [])
        cache.assume(waiting, "c" if number != 1 else "b")
        cache.update_snapshot(snapshot)
    assert counted == ["a", "c", "b", "c", "b"]  # all, then the nodes of the Pods placed
