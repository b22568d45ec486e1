"""NodeName: a Pod that names its node."""

from tests.scheduling.makers import node
from tests.scheduling.plugins.support import reason


def test_node_name():
    assert reason(node("a"), node="b") == (3, "node(s) didn't match the requested node name")
    assert reason(node("a"), node="a") is None
