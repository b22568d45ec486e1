"""Writes to the API server: objects in general, and the scheduler's own three (binding, condition, event).

Functions take an ApiClient, or the LeanPool of lean.py where there are many of them. Which write is due, and
what a conflict means, is the caller's to decide (scheduling/run/scheduler.py).
"""

from __future__ import annotations

import datetime
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Literal

import trio

from edged.errors import PeerError, cut
from edged.json_text import dumps
from edged.kube.client import ApiClient, ApiError
from edged.kube.control.backoff import Backoff
from edged.kube.lean import LeanPool
from edged.kube.paths import collection_path, object_path
from edged.kube.values.names import GroupVersionResource, NamespacedName
from edged.process.boundary import boundary
from edged.telemetry.logs import Logger

FIELD_MANAGER = "edged"
NOTE_BYTES = 1024  # what events.k8s.io/v1 accepts
MERGE = "application/merge-patch+json"
STRATEGIC_MERGE = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"  # JSON is YAML

PODS = GroupVersionResource("", "v1", "pods")
PDBS = GroupVersionResource("policy", "v1", "poddisruptionbudgets")
EVENTS = GroupVersionResource("events.k8s.io", "v1", "events")


# --- any object


async def get(
    client: ApiClient, resource: GroupVersionResource, name: str, namespace: str | None = None
) -> dict[str, Any]:
    """The object as the server has it now. ApiError 404 when it is not there."""
    return await client.request("GET", object_path(resource, name, namespace))


async def create(
    client: ApiClient,
    resource: GroupVersionResource,
    obj: dict[str, object],
    namespace: str | None = None,
    *,
    dry_run: bool = False,
) -> dict[str, Any]:
    """The object as stored. ApiError 409 AlreadyExists."""
    return await client.request("POST", collection_path(resource, namespace), query=_query(dry_run), body=obj)


async def update(
    client: ApiClient,
    resource: GroupVersionResource,
    obj: dict[str, Any],
    namespace: str | None = None,
    *,
    subresource: str = "",
    dry_run: bool = False,
) -> dict[str, Any]:
    """Replace; ApiError 409 Conflict when `metadata.resourceVersion` is not the present one."""
    path = object_path(resource, obj["metadata"]["name"], namespace, subresource)
    return await client.request("PUT", path, query=_query(dry_run), body=obj)


async def patch(
    client: ApiClient,
    resource: GroupVersionResource,
    name: str,
    body: dict[str, Any] | list[Any],
    namespace: str | None = None,
    *,
    content_type: str = MERGE,
    subresource: str = "",
    force: bool = False,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Patch by MERGE, STRATEGIC_MERGE (built-in kinds only), JSON_PATCH (a list) or APPLY (`force` takes
    ownership of fields that others own)."""
    query = _query(dry_run) | ({"force": "true"} if force and content_type == APPLY else {})
    path = object_path(resource, name, namespace, subresource)
    return await client.request("PATCH", path, query=query, body=body, content_type=content_type)


async def delete(
    client: ApiClient,
    resource: GroupVersionResource,
    name: str,
    namespace: str | None = None,
    *,
    uid: str = "",
    resource_version: str = "",
    propagation: Literal["", "Background", "Foreground", "Orphan"] = "",
    grace_period_s: int | None = None,
    dry_run: bool = False,
) -> dict[str, Any]:
    """The Status or the object that is going. ApiError 404; 409 when `uid` or `resource_version` differ."""
    expected = {"uid": uid, "resourceVersion": resource_version}
    preconditions = {field: value for field, value in expected.items() if value}
    body: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1"}
    if preconditions:
        body["preconditions"] = preconditions
    if propagation:
        body["propagationPolicy"] = propagation
    if grace_period_s is not None:
        body["gracePeriodSeconds"] = grace_period_s
    if dry_run:
        body["dryRun"] = ["All"]
    return await client.request("DELETE", object_path(resource, name, namespace), body=body)


def _query(dry_run: bool) -> dict[str, str]:
    return {"fieldManager": FIELD_MANAGER, **({"dryRun": "All"} if dry_run else {})}


# --- the scheduler's


async def bind(pool: LeanPool, pod: NamespacedName, uid: str, node: str, *, timeout_s: float = 10.0) -> None:
    """Assign a Pod to a node. ApiError 409: assigned elsewhere, gated, or another Pod of that name."""
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": pod.name, "namespace": pod.namespace, "uid": uid},
        "target": {"kind": "Node", "name": node},
    }
    path = object_path(PODS, pod.name, pod.namespace, "binding")
    try:
        await pool.request("POST", path, dumps(binding), repeatable=True, timeout_s=timeout_s)
    except ApiError as error:
        # The first of two identical requests may have done it although its answer was lost.
        if error.code != 409 or f'is already assigned to node "{node}"' not in error.message:
            raise


def pod_condition(
    pod: Mapping[str, Any], *, reason: str, message: str, now: datetime.datetime
) -> dict[str, Any] | None:
    """Condition PodScheduled=False as it should be; None when the Pod has it already. `reason` Unschedulable
    or SchedulerError; lastTransitionTime moves only when the status does."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    present: dict[str, Any] = next((each for each in conditions if each.get("type") == "PodScheduled"), {})
    condition: dict[str, Any] = {
        "type": "PodScheduled",
        "status": "False",
        "reason": reason,
        "message": message,
        "lastProbeTime": None,
        "lastTransitionTime": _seconds(now),
    }
    if generation := pod["metadata"].get("generation"):
        condition["observedGeneration"] = generation
    if present.get("status") == "False" and present.get("lastTransitionTime"):
        condition["lastTransitionTime"] = present["lastTransitionTime"]
    same = all(present.get(field) == condition[field] for field in ("status", "reason", "message"))
    return None if same else condition


async def patch_pod_status(
    client: ApiClient,
    pod: NamespacedName,
    uid: str,
    *,
    condition: Mapping[str, object] | None = None,
    nominated_node: str | None = None,
) -> dict[str, Any] | None:
    """Write a condition and/or `nominatedNodeName` ("" clears, None keeps); None when there is nothing to
    write. ApiError 422 when the Pod of that name has another uid by now."""
    status: dict[str, Any] = {}
    if condition is not None:
        status["conditions"] = [condition]
    if nominated_node is not None:
        status["nominatedNodeName"] = nominated_node or None
    if not status:
        return None
    body = {"metadata": {"uid": uid}, "status": status}
    return await patch(
        client,
        PODS,
        pod.name,
        body,
        pod.namespace,
        content_type=STRATEGIC_MERGE,
        subresource="status",
    )


async def annotate_pod(
    client: ApiClient, pod: NamespacedName, uid: str, annotations: Mapping[str, str | None]
) -> None:
    """Set annotations, remove those that are None. ApiError 409 when the Pod of that name has another uid by now."""
    body = {"metadata": {"uid": uid, "annotations": dict(annotations)}}
    await patch(client, PODS, pod.name, body, pod.namespace)


def scheduled_event(
    pod: Mapping[str, Any], node: str, *, scheduler: str, instance: str, now_ns: int
) -> dict[str, Any]:
    """The event of a successful binding. `now_ns`: nanoseconds since 1970."""
    key = f"{pod['metadata'].get('namespace') or 'default'}/{pod['metadata']['name']}"
    return pod_event(
        pod,
        type="Normal",
        reason="Scheduled",
        action="Binding",
        note=f"Successfully assigned {key} to {node}",
        controller=scheduler,
        instance=instance,
        now_ns=now_ns,
    )


def failed_scheduling_event(
    pod: Mapping[str, object], message: str, *, scheduler: str, instance: str, now_ns: int
) -> dict[str, Any]:
    """The event of a failed attempt; a long message is cut."""
    return pod_event(
        pod,
        type="Warning",
        reason="FailedScheduling",
        action="Scheduling",
        note=message,
        controller=scheduler,
        instance=instance,
        now_ns=now_ns,
    )


def pod_event(
    pod: Mapping[str, Any],
    *,
    type: Literal["Normal", "Warning"],
    reason: str,
    action: str,
    note: str,
    controller: str,
    instance: str,
    now_ns: int,
) -> dict[str, Any]:
    """An events.k8s.io/v1 Event about a Pod. `instance` names this process (reportingInstance)."""
    metadata = pod["metadata"]
    namespace = metadata.get("namespace") or "default"
    regarding = {"kind": "Pod", "apiVersion": "v1", "namespace": namespace, "name": metadata["name"]}
    for field in ("uid", "resourceVersion"):
        if metadata.get(field):
            regarding[field] = metadata[field]
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata['name'][:236]}.{now_ns:x}", "namespace": namespace},
        "eventTime": _microseconds(now_ns),
        "type": type,
        "reason": reason[:128],
        "action": action[:128],
        "note": cut(note, NOTE_BYTES),
        "regarding": regarding,
        "reportingController": controller,
        "reportingInstance": instance[:128],
    }


def _seconds(moment: datetime.datetime) -> str:
    return moment.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _microseconds(now_ns: int) -> str:
    moment = datetime.datetime.fromtimestamp(now_ns // 1_000_000_000, datetime.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{now_ns % 1_000_000_000 // 1000:06}Z"


# --- events in bulk


class EventRecorder:
    """Writes events in the background. The queue is bounded: when it is full the oldest event gives way and
    is counted. Events are advice; one that the server refuses is counted and forgotten."""

    def __init__(
        self,
        pool: LeanPool,
        *,
        random: Callable[[], float],
        log: Logger,
        capacity: int = 1000,
        writers: int = 3,
        tries: int = 3,
    ) -> None:
        self._pool = pool
        self._random = random
        self._log = log
        self._capacity = capacity
        self._writers = writers
        self._tries = tries
        self._queue: deque[tuple[str, str, bytes]] = deque()  # method, path, body
        self._waiting = trio.lowlevel.ParkingLot()
        self._closed = False
        self.written = 0
        self.dropped = 0
        self.refused = 0

    def record(self, event: dict[str, Any]) -> None:
        """Queue an event (as from `pod_event`); never waits."""
        with boundary(self._log, "event") as unit:
            self._put("POST", collection_path(EVENTS, event["metadata"]["namespace"]), dumps(event))
        if unit.error is not None:
            self.dropped += 1

    def record_change(self, namespace: str, name: str, change: dict[str, Any]) -> None:
        """Queue a merge patch of an event that was recorded; never waits."""
        with boundary(self._log, "event") as unit:
            self._put("PATCH", object_path(EVENTS, name, namespace), dumps(change))
        if unit.error is not None:
            self.dropped += 1

    def _put(self, method: str, path: str, body: bytes) -> None:
        if self._closed:
            self.dropped += 1
            return
        if len(self._queue) >= self._capacity:
            self._queue.popleft()
            self.dropped += 1
        self._queue.append((method, path, body))
        self._waiting.unpark()

    def close(self) -> None:
        """No more events; `run` ends when the queue is empty."""
        self._closed = True
        self._waiting.unpark_all()

    def __len__(self) -> int:
        return len(self._queue)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until `close()` and the queue is empty, or cancelled."""
        async with trio.open_nursery() as nursery:
            for _ in range(self._writers):
                nursery.start_soon(self._write_events)
            task_status.started()

    async def _write_events(self) -> None:
        while True:
            while not self._queue:
                if self._closed:
                    return
                await self._waiting.park()
            method, path, body = self._queue.popleft()
            written = False
            with boundary(self._log, "event", path):
                written = await self._write(method, path, body)
            if written:
                self.written += 1
            else:
                self.refused += 1

    async def _write(self, method: str, path: str, body: bytes) -> bool:
        """Waits out a server that is away or busy, a few times; then the event is lost."""
        backoff = Backoff(self._random, base_s=0.5, cap_s=10.0)
        for attempt in range(1, self._tries + 1):
            try:
                content_type = "application/json" if method == "POST" else MERGE
                await self._pool.request(method, path, body, content_type=content_type, repeatable=True)
                return True
            except ApiError as error:
                if error.code == 409:  # the name is made of the time: it is there already, by ourselves
                    return True
                if error.code not in (429, 500, 503, 504):
                    self._log.warning("event refused", path=path, error=str(error))
                    return False
                delay_s = max(backoff.next(), error.retry_after_s or 0.0)
            except PeerError:
                delay_s = backoff.next()
            if attempt < self._tries:
                await trio.sleep(delay_s)
        return False
