"""UnsupportedPod: a Pod whose spec asks for what no plugin enforces stays waiting, and says why."""

from edged.scheduling.core.cycle import evaluate
from tests.scheduling.makers import node, pod


def test_a_pod_with_resource_claims_is_placed_nowhere():
    result = evaluate(None, [node("a")], [], pod("p", resourceClaims=[{"name": "gpu", "resourceClaimName": "c"}]))
    assert not result.node_name
    assert "edged does not allocate devices: Pods with resourceClaims need another scheduler" in result.message()
    assert evaluate(None, [node("a")], [], pod("p")).node_name == "a"
