"""NodeUnschedulable: cordoned nodes, and Pods that tolerate them."""

from tests.scheduling.makers import node
from tests.scheduling.plugins.support import reason


def test_cordoned_nodes_can_be_tolerated():
    assert reason(node("a", unschedulable=True)) == (3, "node(s) were unschedulable")
    toleration = {"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}
    assert reason(node("a", unschedulable=True), tolerations=[toleration]) is None
