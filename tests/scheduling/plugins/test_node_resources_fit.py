"""NodeResourcesFit: what a node lacks, and how its strategies score."""

import pytest

from edged.errors import ConfigError
from edged.scheduling.core.cycle import evaluate
from edged.scheduling.core.plugin_status import Code
from edged.scheduling.core.point_plan import ProfileConfig
from tests.scheduling.makers import node, pod
from tests.scheduling.plugins.support import reason, scores

MIB = 1024 * 1024


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


def test_a_bad_strategy_names_the_argument():
    args = {"NodeResourcesFit": {"scoringStrategy": {"type": "Random"}}}
    with pytest.raises(ConfigError, match=r"arguments of NodeResourcesFit: scoringStrategy.type: must be"):
        evaluate(ProfileConfig("edged", args=args), [], [], pod("p"))
