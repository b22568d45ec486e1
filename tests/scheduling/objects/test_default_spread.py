"""Topology spread of Pods without constraints: whose selector counts, what a profile can say about it."""

import pytest

from edged.scheduling.core.cycle import OfflineHandle, evaluate
from edged.scheduling.core.framework import ArgumentError
from edged.scheduling.core.point_plan import ProfileConfig
from edged.scheduling.core.snapshot import Snapshot
from edged.scheduling.objects.other_objects import Objects
from edged.scheduling.objects.pods import PodParser
from edged.scheduling.plugins.pod_topology_spread import PodTopologySpread
from tests.scheduling.makers import node, nothing, pod

ZONE, HOST = "topology.kubernetes.io/zone", "kubernetes.io/hostname"
WEB = {"app": "web"}


def service(name, selector, namespace="default"):
    return {"kind": "Service", "metadata": {"name": name, "namespace": namespace}, "spec": {"selector": selector}}


def workload(kind, selector, name="w"):
    return {"kind": kind, "metadata": {"name": name, "namespace": "default"}, "spec": {"selector": selector}}


def owned(incoming, version, kind, name="w"):
    incoming["metadata"]["ownerReferences"] = [{"apiVersion": version, "kind": kind, "name": name, "controller": True}]
    return incoming


def scores(incoming, *objects, args=None, pods=None):
    nodes = [
        node("a", labels={HOST: "a", ZONE: "x"}),
        node("b", labels={HOST: "b", ZONE: "y"}),
        node("c", labels={HOST: "c"}),
    ]
    running = pods if pods is not None else [pod("q", node="a", labels=WEB)]
    config = ProfileConfig("edged", args={"PodTopologySpread": args or {}})
    return evaluate(config, nodes, running, incoming, objects=objects).raw_scores().get("PodTopologySpread")


def test_a_service_spreads_its_pods_and_nodes_without_a_zone_take_part():
    found = scores(pod("p", labels=WEB), service("s", WEB))
    assert found is not None
    assert found["a"] > found["b"] > found["c"]  # counts, and the larger skew is allowed where there is a zone
    assert scores(pod("p", labels=WEB)) is None
    assert scores(pod("p"), service("s", WEB)) is None
    assert scores(pod("p", labels=WEB), service("s", None)) is None
    assert scores(pod("p", labels=WEB), service("s", WEB, namespace="other")) is None


@pytest.mark.parametrize(
    ("version", "kind", "selector"),
    [
        ("apps/v1", "ReplicaSet", {"matchLabels": WEB}),
        ("apps/v1", "StatefulSet", {"matchExpressions": [{"key": "app", "operator": "Exists"}]}),
        ("v1", "ReplicationController", WEB),
    ],
)
def test_workloads_spread_their_pods(version, kind, selector):
    incoming = owned(pod("p", labels=WEB), version, kind)
    assert scores(incoming, workload(kind, selector)) is not None
    assert scores(incoming, workload(kind, selector, name="another")) is None
    assert scores(owned(pod("p", labels=WEB), "batch/v1", "Job"), workload(kind, selector)) is None


def test_selectors_are_found_anew_when_something_changes():
    objects = Objects()
    plugin = PodTopologySpread({}, OfflineHandle(Snapshot(), objects))
    waiting = PodParser(nothing).parse(owned(pod("p", labels=WEB), "apps/v1", "ReplicaSet"))
    assert not plugin.scores_anew(waiting)
    objects.put("Service", service("s", WEB))
    assert plugin.scores_anew(waiting)
    objects.put("Service", service("s", {"app": "other"}))
    assert not plugin.scores_anew(waiting)
    assert plugin.skips(waiting)  # they never keep a Pod from a node
    assert plugin.wishes(waiting) == {"Service", "ReplicaSet"}
    assert plugin.needs(waiting) == set()


def test_a_profile_can_have_defaults_of_its_own():
    hard = {"maxSkew": 1, "topologyKey": ZONE, "whenUnsatisfiable": "DoNotSchedule"}
    args = {"defaultingType": "List", "defaultConstraints": [hard]}
    config = ProfileConfig("edged", args={"PodTopologySpread": args})
    nodes = [node("a", labels={ZONE: "x"}), node("b", labels={ZONE: "y"})]
    running = [pod("q", node="a", labels=WEB)]
    result = evaluate(config, nodes, running, pod("p", labels=WEB), objects=[service("s", WEB)])
    assert result.feasible_names() == ["b"]
    plugin = PodTopologySpread(args, OfflineHandle(Snapshot()))
    waiting = PodParser(nothing).parse(pod("p", labels=WEB))
    assert plugin.needs(waiting) == {"Service"}  # it decides where the Pod may go
    assert plugin.wishes(waiting) == set()
    assert scores(pod("p", labels=WEB), service("s", WEB), args={"defaultingType": "List"}) is None


GOOD = {"maxSkew": 1, "topologyKey": ZONE, "whenUnsatisfiable": "ScheduleAnyway"}


@pytest.mark.parametrize(
    ("args", "path"),
    [
        ({"defaultingType": "Mine"}, "defaultingType"),
        ({"defaultConstraints": [GOOD]}, "defaultingType"),
        ({"defaultingType": "List", "defaultConstraints": {}}, None),
        ({"defaultingType": "List", "defaultConstraints": [{**GOOD, "maxSkew": 0}]}, "defaultConstraints[0].maxSkew"),
        (
            {"defaultingType": "List", "defaultConstraints": [{**GOOD, "topologyKey": "a b"}]},
            "defaultConstraints[0].topologyKey",
        ),
        (
            {"defaultingType": "List", "defaultConstraints": [{**GOOD, "whenUnsatisfiable": ""}]},
            "defaultConstraints[0].whenUnsatisfiable",
        ),
        (
            {"defaultingType": "List", "defaultConstraints": [{**GOOD, "labelSelector": {}}]},
            "defaultConstraints[0].labelSelector",
        ),
        ({"defaultingType": "List", "defaultConstraints": [GOOD, GOOD]}, "defaultConstraints[1]"),
        ({"default": 1}, "default"),
    ],
)
def test_arguments(args, path):
    if path is None:
        PodTopologySpread(args, OfflineHandle(Snapshot()))
        return
    with pytest.raises(ArgumentError) as caught:
        PodTopologySpread(args, OfflineHandle(Snapshot()))
    assert caught.value.path == path


def test_label_keys_are_merged_where_the_api_server_has_not():
    constraint = {
        "maxSkew": 1, "topologyKey": ZONE, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {},
        "matchLabelKeys": ["version"],
    }  # fmt: skip
    nodes = [node("a", labels={ZONE: "x"}), node("b", labels={ZONE: "y"})]
    running = [pod("q", node="a", labels={"version": "1"}), pod("r", node="b", labels={"version": "2"})]
    incoming = pod("p", labels={"version": "1"}, topologySpreadConstraints=[constraint])
    assert evaluate(None, nodes, running, incoming).feasible_names() == ["b"]
