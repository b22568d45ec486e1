"""Nodes in zones, Pods on them, and what their plugins said of each node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edged.scheduling.core.cycle import evaluate
from tests.scheduling.makers import node, pod

ZONE, HOST = "topology.kubernetes.io/zone", "kubernetes.io/hostname"
SELECTOR = {"matchLabels": {"app": "web"}}
WEB = {"app": "web"}


def cluster(**zones: str) -> list[dict[str, Any]]:
    """Nodes by name, each in its zone; "" for none."""
    return [
        node(name, labels={ZONE: zone, HOST: name} if zone else {HOST: name}) for name, zone in zones.items()
    ]


def on(node_name: str, name: str, **fields: Any) -> dict[str, Any]:
    return pod(name, node=node_name, labels=fields.pop("labels", WEB), **fields)


def verdicts(
    nodes: list[dict[str, Any]],
    pods: list[dict[str, Any]],
    incoming: dict[str, Any],
    objects: Sequence[dict[str, Any]] = (),
) -> dict[str, tuple[int | str, ...] | None]:
    """By node: the code and the reasons of its Status; None where the Pod may go."""
    result = evaluate(None, nodes, pods, incoming, objects=objects)
    found = {each["metadata"]["name"]: result.status(each["metadata"]["name"]) for each in nodes}
    return {
        name: None if status is None else (status.code, *status.reasons) for name, status in found.items()
    }
