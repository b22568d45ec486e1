"""NodeAffinity: what a Pod asks for, and what its profile adds."""

from edged.scheduling.core.cycle import evaluate
from edged.scheduling.core.point_plan import ProfileConfig
from tests.scheduling.makers import node, pod
from tests.scheduling.plugins.support import reason, scores


def test_node_affinity_filter_and_score():
    ssd = {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [ssd]}}
    text = "node(s) didn't match Pod's node affinity/selector"
    assert reason(node("a"), affinity={"nodeAffinity": required}) == (3, text)
    assert reason(node("a"), nodeSelector={"disk": "ssd"}) == (3, text)
    preferred = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 30, "preference": ssd}]}
    nodes = [node("ssd", labels={"disk": "ssd"}), node("hdd")]
    raw, final = scores("NodeAffinity", nodes, affinity={"nodeAffinity": preferred})
    assert raw == {"ssd": 30, "hdd": 0}
    assert final == {"ssd": 200, "hdd": 0}


def test_added_affinity_is_enforced():
    term = {"matchExpressions": [{"key": "pool", "operator": "Exists"}]}
    added = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    config = ProfileConfig("edged", args={"NodeAffinity": {"addedAffinity": added}})
    result = evaluate(config, [node("a"), node("b", labels={"pool": ""})], [], pod("p"))
    assert result.node_name == "b"
    assert result.status("a").reasons == ("node(s) didn't match scheduler-enforced node affinity",)
