"""Heartbeats of Nodes as the real API server sends them: recognised without being decoded, and nothing else is."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from edged.kube import writes
from edged.kube.client import ApiClient
from edged.kube.control.heartbeats import NODES
from edged.kube.values.names import NamespacedName
from tests.cluster.cluster import Cluster
from tests.cluster.test_clients import client_of, informers_at
from tests.kube.support import Recorder, run

pytestmark = pytest.mark.kube


async def beat(client: ApiClient, name: str, second: int, status: str = "True") -> None:
    """As a kubelet reports."""
    conditions = [
        {
            "type": kind,
            "status": value,
            "reason": "Kubelet",
            "message": "kubelet's status",
            "lastHeartbeatTime": f"2026-01-01T00:00:{second:02}Z",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        for kind, value in (("MemoryPressure", "False"), ("Ready", status))
    ]
    await writes.patch(client, NODES, name, {"status": {"conditions": conditions}}, subresource="status")


def node(name: str) -> dict[str, Any]:
    labels = {"lastHeartbeatTime": "2026", "zone": "a"}
    return {"metadata": {"name": name, "labels": labels, "annotations": {"resourceVersion": '"resourceVersion":"1"'}}}


def test_heartbeats_are_kept_unread_and_everything_else_is_told(kube_cluster: Cluster) -> None:
    async def main() -> None:
        client = client_of(kube_cluster.kubeconfig)
        await writes.create(client, NODES, node("beats"))
        async with informers_at(client) as informers:
            nodes, seen = informers.acquire(NODES, label_selector="zone=a"), Recorder()
            nodes.add_handler(seen, heartbeats=False)
            await seen.wait(lambda: seen.said() == [("added", "beats")])
            await beat(client, "beats", 1)
            await seen.wait(lambda: seen.said()[1:] == [("modified", "beats")])
            for second in range(2, 7):
                await beat(client, "beats", second)
            await writes.create(client, NODES, node("other"))
            await seen.wait(lambda: ("added", "other") in seen.said())
            assert seen.said()[2:] == [("added", "other")]
            now = await writes.get(client, NODES, "beats")
            del now["metadata"]["managedFields"]
            assert now["status"]["conditions"][0]["lastHeartbeatTime"] == "2026-01-01T00:00:06Z"
            assert nodes.raw(NamespacedName("", "beats")) == orjson.dumps(now)
            await beat(client, "beats", 7, "Unknown")
            await seen.wait(lambda: seen.said()[3:] == [("modified", "beats")])
            assert seen.changes[-1].object["status"]["conditions"][1]["status"] == "Unknown"
            taints = [{"key": "x", "effect": "NoSchedule"}]
            await writes.patch(client, NODES, "beats", {"spec": {"taints": taints}})
            await seen.wait(lambda: len(seen.changes) == 5)
            assert seen.changes[-1].object["spec"]["taints"] == taints
        for name in ("beats", "other"):
            await writes.delete(client, NODES, name, propagation="Background")
        await client.aclose()

    run(main, within_s=60)
