"""Pods and Nodes of a row's cluster: making them, waiting for nodes, and what must be true of them afterwards."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from tests.cluster.api import Api
from tests.cluster.scheduling import node, pod
from tests.fire.rows import Tally

SPACE = "/api/v1/namespaces/default/pods"
EVENTS = "/apis/events.k8s.io/v1/namespaces/default/events"


def add_nodes(
    api: Api, names: Iterable[str], *, pods: str = "110", cpu: str = "4", memory: str = "8Gi"
) -> None:
    """Ready Nodes. kube-apiserver puts a taint on each new one that a controller would take away."""
    for name in names:
        api.create("/api/v1/nodes", node(name, pods=pods, cpu=cpu, memory=memory))
        patch = {"spec": {"taints": None}}
        api.request("PATCH", f"/api/v1/nodes/{name}", patch, "application/merge-patch+json")


def add_pods(api: Api, names: Iterable[str], **spec: Any) -> None:
    """For the scheduler `edged`, unless `spec` says otherwise."""
    for name in names:
        api.create(SPACE, pod(name, **spec))


def placement(api: Api) -> dict[str, str]:
    """Pod -> node; "" for those without one."""
    return {found["metadata"]["name"]: found["spec"].get("nodeName", "") for found in api.get(SPACE)["items"]}


def wait_bound(api: Api, tally: Tally, count: int, seconds: float) -> None:
    """Until so many Pods have a node; those that do not in time are late, and lost if they have none a minute later."""
    deadline = time.monotonic() + seconds
    late = False
    while (left := count - sum(map(bool, placement(api).values()))) > 0:
        if time.monotonic() > deadline and not late:
            late = True
            tally.add_late(f"{left} Pods without a node after {seconds:.0f} s")
        if time.monotonic() > deadline + 60:
            for _ in range(left):
                tally.add_lost(f"without a node: {[name for name, on in placement(api).items() if not on][:5]}")
            return
        time.sleep(0.2)


def wrong_bindings(api: Api, room: int) -> Iterator[str]:
    """Nodes that hold more Pods than they have room for, and Pods of which two events say that they were scheduled."""
    for name, count in Counter(on for on in placement(api).values() if on).items():
        if count > room:
            yield f"{name} holds {count} Pods of {room}"
    events = [event for event in api.get(EVENTS)["items"] if event["reason"] == "Scheduled"]
    for name, count in Counter(event["regarding"]["name"] for event in events).items():
        if count > 1:
            yield f"{name} was scheduled {count} times"
