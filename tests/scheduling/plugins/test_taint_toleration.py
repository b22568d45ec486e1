"""TaintToleration: which tolerations match, and how preferred taints score."""

import pytest

from tests.scheduling.makers import node
from tests.scheduling.plugins.support import reason, scores


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
