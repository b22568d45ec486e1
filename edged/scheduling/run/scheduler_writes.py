"""What a scheduler writes to the API server, and the writer that does it for real."""

from __future__ import annotations

from typing import Any, Protocol

from edged.kube import writes as api
from edged.kube.client import ApiClient
from edged.kube.lean import LeanPool
from edged.kube.values.names import NamespacedName
from edged.scheduling.run.object_feed import RESOURCES


class Writes(Protocol):
    """What the scheduler writes. `ApiWrites` does it for real; tests bring their own."""

    async def bind(self, pod: NamespacedName, uid: str, node: str) -> None:
        """Raises PeerError."""

    async def patch_status(
        self, pod: NamespacedName, uid: str, condition: dict[str, object] | None, nominated_node: str | None
    ) -> None:
        """Raises PeerError."""

    async def delete(self, pod: NamespacedName, uid: str) -> None:
        """Raises PeerError."""

    async def patch(self, kind: str, key: NamespacedName, body: dict[str, object]) -> dict[str, Any]:
        """Merge-patch an object of a kind in RESOURCES; the new object. Raises PeerError."""

    def record(self, event: dict[str, Any]) -> None:
        """Never waits, never fails."""


class ApiWrites:
    """Writes over lean connections (bindings, events) and the ordinary client (status)."""

    def __init__(self, client: ApiClient, pool: LeanPool, recorder: api.EventRecorder) -> None:
        self._client = client
        self._pool = pool
        self._recorder = recorder

    async def bind(self, pod: NamespacedName, uid: str, node: str) -> None:
        await api.bind(self._pool, pod, uid, node)

    async def patch_status(
        self, pod: NamespacedName, uid: str, condition: dict[str, object] | None, nominated_node: str | None
    ) -> None:
        await api.patch_pod_status(self._client, pod, uid, condition=condition, nominated_node=nominated_node)

    async def delete(self, pod: NamespacedName, uid: str) -> None:
        await api.delete(self._client, api.PODS, pod.name, pod.namespace, uid=uid)

    async def patch(self, kind: str, key: NamespacedName, body: dict[str, object]) -> dict[str, Any]:
        return await api.patch(self._client, RESOURCES[kind], key.name, body, key.namespace or None)

    def record(self, event: dict[str, Any]) -> None:
        self._recorder.record(event)
