"""PodTopologySpread and InterPodAffinity: filters, scores, what existing Pods demand."""

import pytest

from edged.scheduling.core.cycle import OfflineHandle, evaluate
from edged.scheduling.core.snapshot import Snapshot
from edged.scheduling.plugins.inter_pod_affinity import InterPodAffinity
from edged.scheduling.plugins.pod_topology_spread import PodTopologySpread
from tests.scheduling.makers import node, pod, pod_info

ZONE, HOST = "topology.kubernetes.io/zone", "kubernetes.io/hostname"
SELECTOR = {"matchLabels": {"app": "web"}}
WEB = {"app": "web"}


def cluster(**zones):
    return [
        node(name, labels={ZONE: zone, HOST: name} if zone else {HOST: name}) for name, zone in zones.items()
    ]


def on(node_name, name, **fields):
    return pod(name, node=node_name, labels=fields.pop("labels", WEB), **fields)


def namespace(name, **labels):
    return {"kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def verdicts(nodes, pods, incoming, objects=()):
    result = evaluate(None, nodes, pods, incoming, objects=objects)
    found = {each["metadata"]["name"]: result.status(each["metadata"]["name"]) for each in nodes}
    return {
        name: None if status is None else (status.code, *status.reasons) for name, status in found.items()
    }


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


def term(key=ZONE, **more):
    return {"topologyKey": key, "labelSelector": SELECTOR, **more}


def required(kind, *terms):
    return {kind: {"requiredDuringSchedulingIgnoredDuringExecution": list(terms)}}


def preferred(kind, weight, key=ZONE):
    weighted = [{"weight": weight, "podAffinityTerm": term(key)}]
    return {kind: {"preferredDuringSchedulingIgnoredDuringExecution": weighted}}


FAR = (3, "node(s) didn't match pod affinity rules")
ANTI = (2, "node(s) didn't match pod anti-affinity rules")
EXISTING = (2, "node(s) didn't satisfy existing pods anti-affinity rules")


def test_required_affinity():
    nodes = cluster(a="x", b="x", c="y", d="")
    incoming = pod("p", affinity=required("podAffinity", term()))
    assert verdicts(nodes, [on("a", "q")], incoming) == {"a": None, "b": None, "c": FAR, "d": FAR}
    assert set(verdicts(nodes, [], incoming).values()) == {FAR}


def test_the_first_of_a_series_may_match_itself():
    nodes = cluster(a="x", d="")
    incoming = pod("p", labels=WEB, affinity=required("podAffinity", term()))
    assert verdicts(nodes, [], incoming) == {"a": None, "d": FAR}


def test_one_pod_must_match_all_terms():
    other = {"topologyKey": ZONE, "labelSelector": {"matchLabels": {"tier": "db"}}}
    incoming = pod("p", affinity=required("podAffinity", term(), other))
    nodes = cluster(a="x")
    split = [on("a", "q"), on("a", "r", labels={"tier": "db"})]
    assert verdicts(nodes, split, incoming) == {"a": FAR}
    assert verdicts(nodes, [on("a", "q", labels={**WEB, "tier": "db"})], incoming) == {"a": None}


def test_required_anti_affinity_both_ways():
    nodes = cluster(a="x", b="x", c="y")
    away = required("podAntiAffinity", term())
    assert verdicts(nodes, [on("a", "q")], pod("p", affinity=away)) == {"a": ANTI, "b": ANTI, "c": None}
    guarded = [on("a", "q", affinity=away)]
    assert verdicts(nodes, guarded, pod("p", labels=WEB)) == {"a": EXISTING, "b": EXISTING, "c": None}
    assert set(verdicts(nodes, guarded, pod("p")).values()) == {None}


def test_namespaces():
    nodes, far = cluster(a="x"), [on("a", "q", namespace="other")]
    for extra, expected in (({}, FAR), ({"namespaces": ["other"]}, None), ({"namespaceSelector": {}}, None)):
        incoming = pod("p", affinity=required("podAffinity", term(**extra)))
        assert verdicts(nodes, far, incoming) == {"a": expected}


def test_namespaces_are_chosen_by_their_labels():
    labelled = term(namespaceSelector={"matchLabels": {"team": "a"}})
    spaces = [namespace("default", team="a"), namespace("other", team="b")]
    for near, where in (("default", None), ("other", FAR)):
        incoming = pod("p", affinity=required("podAffinity", labelled))
        assert verdicts(cluster(a="x"), [on("a", "q", namespace=near)], incoming, spaces) == {"a": where}
    for home, verdict in (("default", EXISTING), ("other", None), ("unknown", None)):
        guarded = [on("a", "q", namespace="third", affinity=required("podAntiAffinity", labelled))]
        assert verdicts(cluster(a="x"), guarded, pod("p", labels=WEB, namespace=home), spaces) == {"a": verdict}


@pytest.mark.parametrize(("kind", "best"), [("podAffinity", "a"), ("podAntiAffinity", "c")])
def test_preferred_terms_score(kind, best):
    nodes = cluster(a="x", c="y")
    result = evaluate(None, nodes, [on("a", "q")], pod("p", affinity=preferred(kind, 10)))
    assert result.final_scores()["InterPodAffinity"][best] == 200
    assert sorted(result.final_scores()["InterPodAffinity"].values()) == [0, 200]


def test_existing_pods_attract_with_required_and_preferred_terms():
    nodes = cluster(a="x", c="y", d="z")
    pods = [
        on("a", "q", affinity=required("podAffinity", term())),
        on("c", "r", affinity=preferred("podAffinity", 4)),
    ]
    result = evaluate(None, nodes, pods, pod("p", labels=WEB))
    assert result.raw_scores()["InterPodAffinity"] == {"a": 1, "c": 4, "d": 0}
    assert result.final_scores()["InterPodAffinity"] == {"a": 50, "c": 200, "d": 0}
    assert "InterPodAffinity" not in evaluate(None, nodes, pods, pod("p")).scores


def test_a_nominated_pods_anti_affinity_is_not_looked_at():
    away = required("podAntiAffinity", term())
    nominated = pod("n", labels=WEB, nominated="a", priority=9, affinity=away)
    assert verdicts(cluster(a="x"), [nominated], pod("p", labels=WEB)) == {"a": None}
    assert verdicts(cluster(a="x"), [nominated], pod("p", labels=WEB, affinity=away)) == {"a": ANTI}


def test_hints():
    concerns = InterPodAffinity({}, OfflineHandle(Snapshot()))._concerns
    waiting = pod_info("p", affinity=required("podAffinity", term()))
    assert concerns(waiting, None, pod_info("q", labels=WEB))
    assert not concerns(waiting, None, pod_info("q"))
    assert concerns(
        pod_info("p", labels=WEB), pod_info("q", affinity=required("podAntiAffinity", term())), None
    )


def test_plugins_say_when_they_have_nothing_to_do():
    handle = OfflineHandle(Snapshot())
    assert InterPodAffinity({}, handle).skips(pod_info())
    assert not InterPodAffinity({}, handle).skips(pod_info(affinity=preferred("podAffinity", 1)))
    assert PodTopologySpread({}, handle).skips(pod_info())
    assert not PodTopologySpread({}, handle).skips(pod_info(topologySpreadConstraints=spread()))
