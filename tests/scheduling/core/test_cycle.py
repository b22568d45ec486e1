"""One scheduling cycle: texts, node name sets, sampling, nominated Pods, scores, errors."""

import pytest

from edged.scheduling.core.cycle import (
    Algorithm,
    CycleError,
    OfflineHandle,
    evaluate,
    nodes_to_find,
    offline,
    run_now,
)
from edged.scheduling.core.framework import CycleState, Plugin, PostFilterResult
from edged.scheduling.core.nominator import Nominator
from edged.scheduling.core.plugin_status import Code, Status
from edged.scheduling.core.point_plan import PluginRef, ProfileConfig
from edged.scheduling.core.profile import build, default_profile, with_guests
from edged.scheduling.core.snapshot import Snapshot
from tests.scheduling.makers import node, pod


class Scripted(Plugin):
    """A plugin whose points answer what the test says."""

    depends_on = frozenset({"unknown"})

    def __init__(self, name, **points):
        self.name = name
        self.points = frozenset(points)
        for point, function in points.items():
            setattr(self, point, function)


def cycle(nodes, incoming, *plugins, pods=(), weights=None, choose=lambda n: 0, percentage=None, start=0):
    _, parser, snapshot = offline(nodes, pods)
    handle = OfflineHandle(snapshot)
    profile = with_guests("edged", handle, [(p, (weights or {}).get(p.name, 1)) for p in plugins])
    nominator = Nominator()
    for each in pods:
        if not each["spec"].get("nodeName"):
            nominator.add(parser.parse(each))
    algorithm = Algorithm(snapshot, nominator, choose, percentage)
    algorithm.start = start
    result = run_now(algorithm.schedule(profile, CycleState(), parser.parse(incoming)))
    return result, algorithm


def test_no_nodes():
    assert evaluate(None, [], [], pod("p")).message() == "no nodes available to schedule pods"


def test_the_text_counts_reasons_and_sorts_whole_strings():
    nodes = [node(f"small-{i}", cpu="1") for i in range(10)]
    nodes += [
        node("cordoned", unschedulable=True),
        node("full", pods="0"),
        node("both", cpu="1", memory="1Gi"),
    ]
    result = evaluate(None, nodes, [], pod("p", requests={"cpu": "2", "memory": "2Gi"}))
    assert result.message() == (
        "0/13 nodes are available: 1 Insufficient memory, 1 Too many pods, 1 node(s) were unschedulable, "
        "11 Insufficient cpu."
    )
    assert result.rejectors() == (frozenset({"NodeResourcesFit", "NodeUnschedulable"}), frozenset())
    assert result.status("full").code == Code.UNSCHEDULABLE
    assert result.status("small-0").code == Code.UNRESOLVABLE


def by_name(*names):
    fields = [{"key": "metadata.name", "operator": "In", "values": [name]} for name in names]
    terms = [{"matchFields": [field]} for field in fields]
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}


def test_a_node_name_set_limits_the_search():
    nodes = [node("a"), node("b", unschedulable=True), node("c")]
    result = evaluate(None, nodes, [], pod("p", affinity=by_name("b", "gone")))
    assert result.message() == (
        "0/3 nodes are available: 1 node(s) were unschedulable, "
        "2 node(s) didn't satisfy plugin(s) [NodeAffinity]."
    )
    assert evaluate(None, nodes, [], pod("p", affinity=by_name("c"))).node_name == "c"


def test_a_set_of_unknown_names_turns_all_nodes_down():
    result = evaluate(None, [node("a"), node("b")], [], pod("p", affinity=by_name("gone")))
    assert result.message() == "0/2 nodes are available: 2 node(s) didn't satisfy plugin(s) [NodeAffinity]."
    assert result.rejectors()[0] == {"NodeAffinity"}


def test_conflicting_name_terms_stop_in_pre_filter():
    affinity = by_name("a")
    term = affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"][0]
    term["matchFields"].append({"key": "metadata.name", "operator": "In", "values": ["b"]})
    result = evaluate(None, [node("a"), node("b")], [], pod("p", affinity=affinity))
    assert result.message() == "0/2 nodes are available: pod affinity terms conflict."
    assert result.status("a").code == Code.UNRESOLVABLE


def test_disjoint_sets_of_two_plugins():
    other = Scripted("Other", pre_filter=lambda state, pod, nodes: (frozenset({"b"}), None))
    result, _ = cycle([node("a"), node("b")], pod("p", affinity=by_name("a")), other)
    assert result.message() == (
        "0/2 nodes are available: node(s) didn't satisfy plugin(s) [NodeAffinity Other] simultaneously."
    )
    assert result.rejectors()[0] == {"NodeAffinity", "Other"}


def test_an_unschedulable_pre_filter_is_kept_until_the_others_ran():
    asked = []
    first = Scripted("First", pre_filter=lambda *a: Status(Code.UNSCHEDULABLE, ("no",)))
    second = Scripted("Second", pre_filter=lambda *a: asked.append(1))
    result, _ = cycle([node("a")], pod("p"), first, second)
    assert asked == [1]
    assert result.message() == "0/1 nodes are available: no."
    assert result.rejectors()[0] == {"First"}


def test_a_broken_pre_filter_is_an_error():
    broken = Scripted("Broken", pre_filter=lambda *a: Status(Code.ERROR, ("boom",)))
    with pytest.raises(CycleError, match='running PreFilter plugin "Broken": boom'):
        cycle([node("a")], pod("p"), broken)


def test_a_broken_filter_aborts_the_cycle():
    broken = Scripted("Broken", filter=lambda *a: Status(Code.SKIP, ("odd",)))
    with pytest.raises(CycleError, match='running "Broken" filter plugin: odd') as caught:
        cycle([node("a")], pod("p"), broken)
    assert caught.value.plugin == "Broken"


def test_skip_in_pre_filter_spares_the_filter_and_code_zero_with_a_reason_is_success():
    def never(*args):
        raise AssertionError

    skipper = Scripted("Skipper", pre_filter=lambda *a: Status(Code.SKIP), filter=never)
    fine = Scripted("Fine", filter=lambda *a: Status(0, ("unused",)))
    result, _ = cycle([node("a")], pod("p"), skipper, fine)
    assert result.node_name == "a"


@pytest.mark.parametrize(
    ("total", "percentage", "expected"),
    [(99, 5, 99), (100, None, 100), (100, 0, 100), (1000, None, 420), (5000, None, 500), (6000, None, 300),
     (10000, None, 500), (1000, 30, 300), (200, 10, 100), (1000, 100, 1000)],
)  # fmt: skip
def test_nodes_to_find(total, percentage, expected):
    assert nodes_to_find(total, percentage) == expected


def test_the_search_starts_where_the_last_one_ended():
    nodes = [node(f"n{i}", unschedulable=i % 2 == 1) for i in range(250)]
    result, algorithm = cycle(nodes, pod("p"), start=100)
    assert len(result.feasible) == 120  # 48 per cent of 250
    assert result.feasible_names()[0] == "n100"
    assert algorithm.start == (100 + 239) % 250


def test_a_single_feasible_node_is_not_scored():
    def never(*args):
        raise AssertionError

    result, _ = cycle([node("a"), node("b", unschedulable=True)], pod("p"), Scripted("S", score=never))
    assert (result.node_name, result.scores) == ("a", {})


def test_without_scorers_one_node_is_enough():
    _, parser, snapshot = offline([node("a"), node("b")], [])
    profile = default_profile("edged", OfflineHandle(snapshot))
    bare = type(profile)(
        profile.scheduler_name, None, profile.plugins, {**profile.calls, "score": ()}, False, (), False
    )
    result = run_now(Algorithm(snapshot, Nominator()).schedule(bare, CycleState(), parser.parse(pod("p"))))
    assert result.feasible_names() == ["a"]


def test_ties_are_broken_by_the_given_choice():
    nodes = [node(name) for name in "abc"]
    assert cycle(nodes, pod("p"), choose=lambda n: n - 1)[0].node_name == "c"
    assert cycle(nodes, pod("p"), choose=lambda n: 0)[0].node_name == "a"


def test_weights_and_normalizing():
    def halve(state, pod, nodes, scores):
        scores[:] = [score // 2 for score in scores]

    scorer = Scripted("S", score=lambda s, p, n: 200 if n.name == "b" else 10, normalize_score=halve)
    result, _ = cycle([node("a"), node("b")], pod("p"), scorer, weights={"S": 7})
    assert result.raw_scores()["S"] == {"a": 10, "b": 200}
    assert result.final_scores()["S"] == {"a": 35, "b": 700}
    assert result.node_name == "b"
    assert result.totals()["b"] - result.totals()["a"] == 665


def test_a_score_out_of_range_is_an_error():
    scorer = Scripted("S", score=lambda *a: 101)
    with pytest.raises(
        CycleError, match=r'plugin "S" returns an invalid score 101, it should in the range of'
    ):
        cycle([node("a"), node("b")], pod("p"), scorer)


def test_failing_score_points_are_errors():
    boom = Status(Code.ERROR, ("boom",))
    with pytest.raises(CycleError, match='running Score plugins: plugin "S" failed with: boom'):
        cycle([node("a"), node("b")], pod("p"), Scripted("S", score=lambda *a: boom))
    with pytest.raises(CycleError, match='running PreScore plugin "S": boom'):
        cycle([node("a"), node("b")], pod("p"), Scripted("S", pre_score=lambda *a: boom, score=lambda *a: 1))
    normalize = Scripted("S", score=lambda *a: 1, normalize_score=lambda *a: boom)
    with pytest.raises(CycleError, match='running Normalize on Score plugins: plugin "S" failed with: boom'):
        cycle([node("a"), node("b")], pod("p"), normalize)


def test_a_nominated_pods_room_is_kept_for_it():
    nodes, waiting = [node("a", cpu="2")], pod("waiting", requests={"cpu": "2"}, nominated="a", priority=5)
    result, _ = cycle(nodes, pod("p", requests={"cpu": "1"}, priority=5), pods=[waiting])
    assert result.message() == "0/1 nodes are available: 1 Insufficient cpu."
    assert cycle(nodes, pod("p", requests={"cpu": "1"}, priority=6), pods=[waiting])[0].node_name == "a"
    assert cycle(nodes, waiting, pods=[waiting])[0].node_name == "a"


def test_a_nominated_node_that_a_pre_filter_rules_out_by_now_is_not_tried():
    """kube-scheduler tries it all the same, and a plugin that only names nodes is not asked again."""
    named = Scripted("Named", pre_filter=lambda state, pod, nodes: (frozenset({"b"}), None))
    nodes = [node("a"), node("b")]
    assert cycle(nodes, pod("p", nominated="a"), named)[0].node_name == "b"
    assert cycle(nodes, pod("p", nominated="b"), named)[0].node_name == "b"
    result = cycle([node("a")], pod("p", nominated="a"), named)[0]
    assert result.message() == "0/1 nodes are available: 1 node(s) didn't satisfy plugin(s) [Named]."


def test_the_nominated_node_is_taken_when_it_still_fits():
    nodes = [node("roomy", cpu="64"), node("tight", cpu="1")]
    assert cycle(nodes, pod("p", requests={"cpu": "1"}, nominated="tight"))[0].node_name == "tight"
    assert cycle(nodes, pod("p", requests={"cpu": "2"}, nominated="tight"))[0].node_name == "roomy"


def test_a_pod_that_needs_what_is_not_built_waits():
    result = evaluate(None, [node("a")], [], pod("p", resourceClaims=[{"name": "gpu"}]))
    assert result.message().startswith("0/1 nodes are available: edged does not allocate devices:")
    assert result.rejectors()[0] == {"UnsupportedPod"}


def test_post_filter_plugins_speak_in_order():
    from edged.scheduling.core.cycle import run_post_filter

    first = Scripted("First", post_filter=lambda *a: (None, Status(Code.UNSCHEDULABLE, ("one",))))
    second = Scripted("Second", post_filter=lambda *a: (PostFilterResult("n", True), Status(2, ("two",))))
    handle = OfflineHandle(Snapshot())
    result = evaluate(None, [node("a", cpu="1")], [], pod("p", requests={"cpu": "2"}))
    names = tuple(PluginRef(name) for name in ("PrioritySort", "DefaultBinder", "First", "Second"))
    profile = build(
        ProfileConfig("edged", multi_point=names), handle, {"First": first, "Second": second}
    )
    assert run_now(run_post_filter(profile, CycleState(), result)) == PostFilterResult("n", True)
    assert result.message() == "0/1 nodes are available: 1 Insufficient cpu. one, two"
