"""What a plugin said of a Node, on the smallest state that shows it."""

from edged.scheduling.core.cycle import evaluate
from edged.scheduling.core.profile import ProfileConfig
from tests.scheduling.makers import pod


def reason(node_object, **fields):
    status = evaluate(None, [node_object], fields.pop("pods", ()), pod("p", **fields)).status(
        node_object["metadata"]["name"]
    )
    return None if status is None else (status.code, *status.reasons)


def scores(plugin, nodes, *, args=None, pods=(), **fields):
    config = ProfileConfig("edged", args=args or {})
    result = evaluate(config, nodes, pods, pod("p", **fields))
    return result.raw_scores()[plugin], result.final_scores()[plugin]
