"""Plain Node and Pod objects for tests of the scheduler, with what a test cares about as arguments."""

from __future__ import annotations

from typing import Any

from edged.scheduling.objects.nodes import Node, NodeInfo, NodeParser
from edged.scheduling.objects.pods import PodInfo, PodParser


def node(
    name: str,
    *,
    cpu: str = "4",
    memory: str = "8Gi",
    pods: str = "110",
    labels: dict[str, str] | None = None,
    taints: list[dict[str, str]] | None = None,
    unschedulable: bool = False,
    images: dict[str, int] | None = None,
    **allocatable: str,
) -> dict[str, Any]:
    """Further resources as keywords; `__` in a keyword stands for `/`."""
    amounts = {"cpu": cpu, "memory": memory, "pods": pods}
    amounts |= {key.replace("__", "/"): value for key, value in allocatable.items()}
    return {
        "metadata": {"name": name, "labels": labels or {}},
        "spec": {"taints": taints or [], "unschedulable": unschedulable},
        "status": {
            "allocatable": amounts,
            "images": [{"names": [image], "sizeBytes": size} for image, size in (images or {}).items()],
        },
    }


def pod(
    name: str,
    *,
    requests: dict[str, str] | None = None,
    node: str = "",
    priority: int = 0,
    nominated: str = "",
    labels: dict[str, str] | None = None,
    ports: list[dict[str, Any]] | None = None,
    image: str = "registry.local/app:1",
    namespace: str = "default",
    scheduler: str = "edged",
    **spec: Any,
) -> dict[str, Any]:
    """Further spec fields as keywords."""
    container = {
        "name": "main",
        "image": image,
        "ports": ports or [],
        "resources": {"requests": requests or {}},
    }
    body: dict[str, Any] = {
        "schedulerName": scheduler,
        "priority": priority,
        "containers": [container],
        **spec,
    }
    if node:
        body["nodeName"] = node
    return {
        "metadata": {"name": name, "namespace": namespace, "uid": f"uid-{name}", "labels": labels or {}},
        "spec": body,
        "status": {"nominatedNodeName": nominated} if nominated else {},
    }


def nothing(key: object) -> None:
    """A source of objects that has none."""


def pod_info(name: str = "p", **fields: Any) -> PodInfo:
    return PodParser(nothing).parse(pod(name, **fields))


def parsed_node(name: str = "n", **fields: Any) -> Node:
    return NodeParser(nothing).parse(node(name, **fields))


def node_info(name: str = "n", *pods: PodInfo, **fields: Any) -> NodeInfo:
    info = NodeInfo(name)
    info.set_node(parsed_node(name, **fields))
    for each in pods:
        info.add_pod(each)
    return info
