"""InterPodAffinity: what a Pod asks of others, what they demand, scores, hints."""

import pytest

from edged.scheduling.core.cycle import OfflineHandle, evaluate
from edged.scheduling.core.snapshot import Snapshot
from edged.scheduling.objects.other_objects import Space
from edged.scheduling.plugins.inter_pod_affinity import InterPodAffinity
from tests.scheduling.makers import pod, pod_info
from tests.scheduling.plugins.topology import SELECTOR, WEB, ZONE, cluster, on, verdicts


def namespace(name, **labels):
    return {"kind": "Namespace", "metadata": {"name": name, "labels": labels}}


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


def test_a_namespace_that_is_not_known_has_no_labels_to_terms_of_others_and_is_no_choice_of_own_terms():
    """As for kube-scheduler, which lists namespaces for the terms of the Pod to place."""
    unlabelled = term(namespaceSelector={"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]})
    far = [on("a", "q", namespace="other")]
    for known, verdict in (([], FAR), ([namespace("other")], None)):
        incoming = pod("p", affinity=required("podAffinity", unlabelled))
        assert verdicts(cluster(a="x"), far, incoming, known) == {"a": verdict}
    guarded = [on("a", "q", namespace="third", affinity=required("podAntiAffinity", unlabelled))]
    for known, verdict in (([], EXISTING), ([namespace("default", team="a")], None)):
        assert verdicts(cluster(a="x"), guarded, pod("p", labels=WEB), known) == {"a": verdict}


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


def test_a_pod_that_may_be_the_first_of_its_kind_is_woken_when_the_last_other_goes():
    """A rolling update with one replica on a cordoned node: the old Pod is the only one that matches, until it is gone.
    kube-scheduler's hint takes the end of a Pod for no help to affinity."""
    concerns = InterPodAffinity({}, OfflineHandle(Snapshot()))._concerns
    waiting = pod_info("new", labels=WEB, affinity=required("podAffinity", term()))
    assert concerns(waiting, pod_info("old", node="a", labels=WEB), None)
    assert not concerns(waiting, pod_info("other", node="a"), None)


def test_hints_of_namespaces():
    """The loop's side of it is tested in tests/scheduling/run/test_object_feed.py."""
    concerns = InterPodAffinity({}, OfflineHandle(Snapshot()))._space_concerns
    labelled = term(namespaceSelector={"matchLabels": {"team": "a"}})
    plain, chosen = Space("other", {}), Space("other", {"team": "a"})
    near = pod_info("p", affinity=required("podAffinity", labelled))
    away = pod_info("p", affinity=required("podAntiAffinity", labelled))
    assert concerns(near, plain, chosen) and concerns(near, None, chosen) and concerns(near, chosen, None)
    assert not concerns(near, plain, Space("other", {"team": "b"}))
    assert concerns(away, chosen, plain) and concerns(away, chosen, None)
    assert not concerns(away, plain, chosen) and not concerns(away, None, chosen)
    named = term(namespaces=["other"], namespaceSelector={"matchLabels": {"team": "a"}})
    everywhere = term(namespaceSelector={})
    for fixed in (named, everywhere):
        for kind in ("podAffinity", "podAntiAffinity"):
            assert not concerns(pod_info("p", affinity=required(kind, fixed)), chosen, plain)


def test_it_says_when_it_has_nothing_to_do():
    handle = OfflineHandle(Snapshot())
    assert InterPodAffinity({}, handle).skips(pod_info())
    assert not InterPodAffinity({}, handle).skips(pod_info(affinity=preferred("podAffinity", 1)))
