"""NodeResourcesBalancedAllocation: the score of the change that a Pod makes."""

import pytest

from tests.scheduling.makers import node, pod
from tests.scheduling.plugins.support import scores


def test_balanced_allocation_scores_the_change_the_pod_makes():
    nodes = [node("a", cpu="10", memory="10Gi"), node("b", cpu="10", memory="10Gi")]
    lopsided = [pod("q", node="b", requests={"memory": "5Gi"})]
    raw, _ = scores("NodeResourcesBalancedAllocation", nodes, pods=lopsided, requests={"cpu": "5"})
    assert raw == {"a": 50 + (50 + 75 - 100) // 2, "b": 50 + (50 + 100 - 75) // 2}
    with pytest.raises(KeyError):
        scores("NodeResourcesBalancedAllocation", nodes)
