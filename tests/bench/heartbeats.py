"""Nodes that report as kubelets do: each writes its status every ten seconds, a tenth of them in each second."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable

from tests.cluster.api import Api

EVERY_S = 10


class Heartbeats:
    """Of all nodes that a cluster has now."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._names = [obj["metadata"]["name"] for obj in api.get("/api/v1/nodes")["items"]]

    def go_on(self, seconds: int, meanwhile: Callable[[int], None] | None = None) -> float:
        """So many seconds of them; `meanwhile` is called once in each, with its number. Says how long it took, in
        seconds."""
        begun = time.monotonic()
        for second in range(seconds):
            self._beat(second)
            if meanwhile is not None:
                meanwhile(second)
            time.sleep(max(0.0, begun + second + 1 - time.monotonic()))
        return time.monotonic() - begun

    def _beat(self, second: int) -> None:
        now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": now}
        body = {"status": {"conditions": [ready]}}
        for name in self._names[second % EVERY_S :: EVERY_S]:
            path = f"/api/v1/nodes/{name}/status"
            self._api.request("PATCH", path, body, "application/strategic-merge-patch+json")
