"""Filters and scores of the native plugins, on the smallest states that show each rule."""

import pytest

from edged.errors import ConfigError
from edged.scheduling.core.cycle import evaluate
from edged.scheduling.core.plugin_status import Code
from edged.scheduling.core.profile import ProfileConfig
from edged.scheduling.objects.pods import HostPort, normalized_image_name
from edged.scheduling.plugins.node_ports import conflict
from edged.scheduling.plugins.resource_scoring import (
    balance,
    least_allocated,
    most_allocated,
    piecewise_linear,
    requested_to_capacity_ratio,
)
from tests.scheduling.makers import node, pod

MIB = 1024 * 1024


def reason(node_object, **fields):
    status = evaluate(None, [node_object], fields.pop("pods", ()), pod("p", **fields)).status(
        node_object["metadata"]["name"]
    )
    return None if status is None else (status.code, *status.reasons)


def scores(plugin, nodes, *, args=None, pods=(), **fields):
    config = ProfileConfig("edged", args=args or {})
    result = evaluate(config, nodes, pods, pod("p", **fields))
    return result.raw_scores()[plugin], result.final_scores()[plugin]


def test_node_name():
    assert reason(node("a"), node="b") == (3, "node(s) didn't match the requested node name")
    assert reason(node("a"), node="a") is None


def test_cordoned_nodes_can_be_tolerated():
    assert reason(node("a", unschedulable=True)) == (3, "node(s) were unschedulable")
    toleration = {"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}
    assert reason(node("a", unschedulable=True), tolerations=[toleration]) is None


@pytest.mark.parametrize(
    ("toleration", "tolerated"),
    [
        ({"operator": "Exists"}, True),
        ({"key": "k", "operator": "Exists"}, True),
        ({"key": "k", "value": "v"}, True),
        ({"key": "k", "operator": "Equal", "value": "w"}, False),
        ({"key": "k", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "other", "operator": "Exists"}, False),
        ({"key": "k", "operator": "Gt", "value": "v"}, False),
    ],
)
def test_taints(toleration, tolerated):
    tainted = node("a", taints=[{"key": "k", "value": "v", "effect": "NoSchedule"}])
    assert (reason(tainted, tolerations=[toleration]) is None) is tolerated
    assert reason(tainted) == (3, "node(s) had untolerated taint(s)")


def test_preferred_taints_score_reversed():
    soft = [{"key": k, "effect": "PreferNoSchedule"} for k in "abc"]
    nodes = [node("three", taints=soft), node("one", taints=soft[:1]), node("none")]
    raw, final = scores("TaintToleration", nodes)
    assert raw == {"three": 3, "one": 1, "none": 0}
    assert final == {"three": 0, "one": 3 * 67, "none": 300}
    tolerant = [{"operator": "Exists", "effect": "PreferNoSchedule"}]
    assert set(scores("TaintToleration", nodes, tolerations=tolerant)[1].values()) == {300}


def test_node_affinity_filter_and_score():
    ssd = {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [ssd]}}
    text = "node(s) didn't match Pod's node affinity/selector"
    assert reason(node("a"), affinity={"nodeAffinity": required}) == (3, text)
    assert reason(node("a"), nodeSelector={"disk": "ssd"}) == (3, text)
    preferred = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 30, "preference": ssd}]}
    nodes = [node("ssd", labels={"disk": "ssd"}), node("hdd")]
    raw, final = scores("NodeAffinity", nodes, affinity={"nodeAffinity": preferred})
    assert raw == {"ssd": 30, "hdd": 0}
    assert final == {"ssd": 200, "hdd": 0}


def test_added_affinity_is_enforced():
    term = {"matchExpressions": [{"key": "pool", "operator": "Exists"}]}
    added = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    config = ProfileConfig("edged", args={"NodeAffinity": {"addedAffinity": added}})
    result = evaluate(config, [node("a"), node("b", labels={"pool": ""})], [], pod("p"))
    assert result.node_name == "b"
    assert result.status("a").reasons == ("node(s) didn't match scheduler-enforced node affinity",)


def test_host_ports():
    taken = [pod("q", node="a", ports=[{"containerPort": 80, "hostPort": 80}])]
    text = "node(s) didn't have free ports for the requested pod ports"
    assert reason(node("a"), pods=taken, ports=[{"containerPort": 1, "hostPort": 80}]) == (2, text)
    assert (
        reason(node("a"), pods=taken, ports=[{"containerPort": 1, "hostPort": 80, "protocol": "UDP"}]) is None
    )


@pytest.mark.parametrize(
    ("wanted", "used", "clash"),
    [("0.0.0.0", "10.0.0.1", True), ("10.0.0.1", "0.0.0.0", True), ("10.0.0.1", "10.0.0.2", False)],
)
def test_the_any_address_clashes_with_all(wanted, used, clash):
    assert conflict([HostPort(wanted, "TCP", 80)], {("TCP", 80): {used}}) is clash


def test_fit_reports_all_that_lacks():
    small = node("a", cpu="1", memory="1Gi", example__com="0", pods="0")
    result = evaluate(
        None,
        [small],
        [],
        pod("p", requests={"cpu": "2", "memory": "2Gi", "ephemeral-storage": "1", "example.com/x": "1"}),
    )
    status = result.status("a")
    assert status.code == Code.UNRESOLVABLE
    assert status.reasons == (
        "Too many pods", "Insufficient cpu", "Insufficient memory", "Insufficient ephemeral-storage",
        "Insufficient example.com/x",
    )  # fmt: skip


def test_fit_is_resolvable_while_the_node_is_large_enough():
    busy = [pod("q", node="a", requests={"cpu": "3"})]
    assert reason(node("a"), pods=busy, requests={"cpu": "2"}) == (2, "Insufficient cpu")
    assert reason(node("a"), pods=busy, requests={"cpu": "1"}) is None
    assert reason(node("a", pods="1"), pods=busy) == (2, "Too many pods")


def test_an_overcommitted_node_takes_pods_that_do_not_ask_for_it():
    busy = [pod("q", node="a", requests={"cpu": "9"})]
    assert reason(node("a"), pods=busy, requests={"memory": "1Gi"}) is None


def test_ignored_extended_resources():
    for args in ({"ignoredResources": ["example.com/x"]}, {"ignoredResourceGroups": ["example.com"]}):
        config = ProfileConfig("edged", args={"NodeResourcesFit": args})
        assert evaluate(config, [node("a")], [], pod("p", requests={"example.com/x": "1"})).node_name == "a"


def test_fit_scores_with_assumed_amounts_on_both_sides():
    nodes = [node("a", cpu="1", memory="1000Mi"), node("b", cpu="1", memory="1000Mi")]
    raw, _ = scores("NodeResourcesFit", nodes, pods=[pod("q", node="b")])
    assert raw == {"a": (90 + 80) // 2, "b": (80 + 60) // 2}


def test_strategies():
    assert least_allocated([(25, 100, 1), (150, 100, 3)]) == 75 // 4
    assert least_allocated([]) == 0
    assert most_allocated([(25, 100, 1), (150, 100, 3)]) == (25 + 300) // 4
    ratio = requested_to_capacity_ratio([(0, 0), (100, 10)])
    assert ratio([(50, 100, 1), (25, 100, 2)]) == 33
    assert ratio([(0, 100, 1)]) == 0
    falling = [(0, 100), (30, 50), (100, 0)]
    assert [piecewise_linear(falling, x) for x in (0, 10, 30, 31, 100)] == [100, 84, 50, 50, 0]


def test_a_bad_strategy_names_the_argument():
    args = {"NodeResourcesFit": {"scoringStrategy": {"type": "Random"}}}
    with pytest.raises(ConfigError, match=r"arguments of NodeResourcesFit: scoringStrategy.type: must be"):
        evaluate(ProfileConfig("edged", args=args), [], [], pod("p"))


def test_balance():
    assert balance([0.5, 0.5]) == 100
    assert balance([1.0, 0.0]) == 50
    assert balance([0.3]) == 100
    assert balance([0.0, 0.5, 1.0]) == 59


def test_balanced_allocation_scores_the_change_the_pod_makes():
    nodes = [node("a", cpu="10", memory="10Gi"), node("b", cpu="10", memory="10Gi")]
    lopsided = [pod("q", node="b", requests={"memory": "5Gi"})]
    raw, _ = scores("NodeResourcesBalancedAllocation", nodes, pods=lopsided, requests={"cpu": "5"})
    assert raw == {"a": 50 + (50 + 75 - 100) // 2, "b": 50 + (50 + 100 - 75) // 2}
    with pytest.raises(KeyError):
        scores("NodeResourcesBalancedAllocation", nodes)


def test_image_locality():
    image = "registry.local/app:1"
    nodes = [node("has", images={image: 600 * MIB}), node("not"), node("out", unschedulable=True)]
    raw, _ = scores("ImageLocality", nodes, image=image)
    assert raw == {"has": 100 * (200 - 23) // (1000 - 23), "not": 0}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("app", "app:latest"),
        ("host:5000/app", "host:5000/app:latest"),
        ("app:1", "app:1"),
        ("a@sha256:0", "a@sha256:0"),
    ],
)
def test_image_names(name, expected):
    assert normalized_image_name(name) == expected
