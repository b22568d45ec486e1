"""What a plugin said of a Node, on the smallest state that shows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edged.scheduling.core.cycle import evaluate
from edged.scheduling.core.point_plan import ProfileConfig
from tests.scheduling.makers import pod


def reason(node_object: dict[str, Any], **fields: Any) -> tuple[int | str, ...] | None:
    """The code and the reasons of the Status of a Pod with these fields there; None where it may go."""
    status = evaluate(None, [node_object], fields.pop("pods", ()), pod("p", **fields)).status(
        node_object["metadata"]["name"]
    )
    return None if status is None else (status.code, *status.reasons)


def scores(
    plugin: str,
    nodes: list[dict[str, Any]],
    *,
    args: dict[str, Any] | None = None,
    pods: Sequence[dict[str, Any]] = (),
    **fields: Any,
) -> tuple[dict[str, int], dict[str, int]]:
    """A plugin's scores by node, raw and as they are summed up."""
    config = ProfileConfig("edged", args=args or {})
    result = evaluate(config, nodes, pods, pod("p", **fields))
    return result.raw_scores()[plugin], result.final_scores()[plugin]
