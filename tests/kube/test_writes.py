"""Paths, bodies and the event queue of edged.kube.writes."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
import trio
import trio.testing

from edged.kube import writes
from edged.kube.client import ApiClient, ApiError
from edged.kube.lean import LeanPool
from edged.kube.values.names import GroupVersionResource, NamespacedName
from tests.fakes.apiserver import Drop, FakeApiServer, Status
from tests.kube.support import fake_server, quiet, run, session_for

NOW = datetime.datetime(2026, 1, 2, 3, 4, 5, 678901, datetime.UTC)
NOW_NS = 1767323045678901234
POD = {"metadata": {"name": "p", "namespace": "ns", "uid": "u1", "resourceVersion": "7", "generation": 2}}
WHO = {"scheduler": "edged", "instance": "edged-edge-1", "now_ns": NOW_NS}
EVENTS_PATH = "/apis/events.k8s.io/v1/namespaces/ns/events"


def test_scheduled_event() -> None:
    event = writes.scheduled_event(POD, "n1", **WHO)
    assert event["note"] == "Successfully assigned ns/p to n1"
    assert (event["type"], event["reason"], event["action"]) == ("Normal", "Scheduled", "Binding")
    assert event["metadata"] == {"name": f"p.{NOW_NS:x}", "namespace": "ns"}
    assert event["eventTime"] == "2026-01-02T03:04:05.678901Z"
    assert event["regarding"]["uid"] == "u1" and event["reportingController"] == "edged"


def test_long_notes_are_cut_at_bytes() -> None:
    event = writes.failed_scheduling_event(POD, "\u00e4" * 600, **WHO)
    assert event["note"].endswith("\u00e4 ...") and 1020 < len(event["note"].encode()) <= 1024
    assert writes.failed_scheduling_event(POD, "x" * 1024, **WHO)["note"] == "x" * 1024


def test_condition_keeps_its_time_until_the_status_changes() -> None:
    condition = writes.pod_condition(POD, reason="Unschedulable", message="0/1", now=NOW)
    assert condition is not None
    assert condition["lastTransitionTime"] == "2026-01-02T03:04:05Z" and condition["observedGeneration"] == 2
    later = NOW + datetime.timedelta(hours=1)
    pod = {**POD, "status": {"conditions": [condition]}}
    assert writes.pod_condition(pod, reason="Unschedulable", message="0/1", now=later) is None
    changed = writes.pod_condition(pod, reason="Unschedulable", message="0/2", now=later)
    assert changed is not None and changed["lastTransitionTime"] == "2026-01-02T03:04:05Z"


def test_bind_and_status_patch() -> None:
    async def main() -> None:
        async with fake_server() as server:
            path = "/api/v1/namespaces/ns/pods/p"
            server.answers["POST", path + "/binding"] = lambda request: (201, {})
            server.answers["PATCH", path + "/status"] = lambda request: (200, {"kind": "Pod"})
            client = ApiClient(session_for(server.url))
            pool = LeanPool(client)
            key = NamespacedName("ns", "p")
            await writes.bind(pool, key, "u1", "n1")
            body = server.requests[-1].json()
            assert body["target"] == {"kind": "Node", "name": "n1"} and body["metadata"]["uid"] == "u1"
            assert await writes.patch_pod_status(client, key, "u1") is None
            await writes.patch_pod_status(client, key, "u1", nominated_node="")
            request = server.requests[-1]
            assert request.headers["content-type"] == writes.STRATEGIC_MERGE
            assert request.json() == {"metadata": {"uid": "u1"}, "status": {"nominatedNodeName": None}}
            await pool.aclose()
            await client.aclose()

    run(main)


def test_bind_that_was_done_already_is_done() -> None:
    async def main() -> None:
        async with fake_server() as server:
            pool = LeanPool(ApiClient(session_for(server.url)))
            text = 'Operation cannot be fulfilled on pods/binding "p": pod p is already assigned to node "{}"'
            server.script("POST", *[Status(409, "Conflict", text.format(node)) for node in ("n1", "n2")])
            await writes.bind(pool, NamespacedName("ns", "p"), "u1", "n1")
            with pytest.raises(ApiError):
                await writes.bind(pool, NamespacedName("ns", "p"), "u1", "n1")
            await pool.aclose()

    run(main)


def test_objects_in_general() -> None:
    async def main() -> None:
        async with fake_server() as server:
            maps = GroupVersionResource("", "v1", "configmaps")
            path = "/api/v1/namespaces/ns/configmaps"
            for method, where in (
                ("POST", path),
                *[(method, path + "/a") for method in ("GET", "PUT", "PATCH", "DELETE")],
            ):
                server.answers[method, where] = lambda request: (200, {"did": request.method})
            client = ApiClient(session_for(server.url))
            obj = {"metadata": {"name": "a"}}
            assert await writes.create(client, maps, obj, "ns", dry_run=True) == {"did": "POST"}
            assert server.requests[-1].query == {"fieldManager": "edged", "dryRun": "All"}
            assert await writes.get(client, maps, "a", "ns") == {"did": "GET"}
            assert await writes.update(client, maps, obj, "ns") == {"did": "PUT"}
            await writes.patch(client, maps, "a", obj, "ns", content_type=writes.APPLY, force=True)
            assert server.requests[-1].query == {"fieldManager": "edged", "force": "true"}
            await writes.patch(client, maps, "a", [], "ns", content_type=writes.JSON_PATCH)
            assert server.requests[-1].body == b"[]"
            await writes.delete(client, maps, "a", "ns", uid="u", propagation="Background")
            sent = server.requests[-1].json()
            assert sent["preconditions"] == {"uid": "u"} and sent["propagationPolicy"] == "Background"
            await client.aclose()

    run(main)


def events(server: FakeApiServer) -> list[str]:
    return [request.json()["note"] for request in server.requests if request.path == EVENTS_PATH]


def event(note: str) -> dict[str, Any]:
    return writes.failed_scheduling_event(POD, note, **WHO)


def test_an_event_that_fails_oddly_costs_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        log = quiet()
        async with fake_server() as server:
            server.answers["POST", EVENTS_PATH] = lambda request: (201, {})
            pool = LeanPool(ApiClient(session_for(server.url)))
            recorder = writes.EventRecorder(pool, random=lambda: 0.0, log=log, writers=1)
            send = pool.request

            async def broken(method: str, path: str, body: bytes, **options: Any) -> bytes:
                if b"odd" in body:
                    raise ExceptionGroup("odd", [ValueError()])
                return await send(method, path, body, **options)

            monkeypatch.setattr(pool, "request", broken)
            recorder.record({"metadata": {}})
            recorder.record(event("fine") | {"note": "\ud800"})
            recorder.record_change("default", "e", {"note": "\ud800"})
            for note in ("odd", "fine"):
                recorder.record(event(note))
            recorder.close()
            await recorder.run()
            assert events(server) == ["fine"] and len(recorder) == 0
            assert (recorder.written, recorder.refused, recorder.dropped) == (1, 1, 3)
            assert log.internal_errors.counts == {"event": 2}
            await pool.aclose()

    run(main)


def test_recorder_writes_retries_and_ends_when_closed() -> None:
    async def main() -> None:
        async with fake_server() as server:
            server.answers["POST", EVENTS_PATH] = lambda request: (201, {})
            server.script(
                "POST",
                Status(429, "TooManyRequests", "later"),
                Drop(),
                Status(409, "AlreadyExists"),
                Status(403, "Forbidden"),
            )
            client = ApiClient(session_for(server.url))
            pool = LeanPool(client)
            recorder = writes.EventRecorder(pool, random=lambda: 0.0, log=quiet(), writers=1)
            for note in ("again", "forbidden", "fine"):
                recorder.record(event(note))
            recorder.close()
            await recorder.run()
            assert events(server) == ["again"] * 3 + ["forbidden", "fine"]
            assert (recorder.written, recorder.refused, recorder.dropped) == (2, 1, 0)
            recorder.record(event("too late"))
            assert recorder.dropped == 1 and len(recorder) == 0
            await pool.aclose()

    run(main)


def test_full_queue_drops_the_oldest() -> None:
    async def main() -> None:
        async with fake_server() as server:
            server.answers["POST", EVENTS_PATH] = lambda request: (201, {})
            client = ApiClient(session_for(server.url))
            pool = LeanPool(client)
            recorder = writes.EventRecorder(pool, random=lambda: 0.0, log=quiet(), capacity=2, writers=1)
            for note in ("1", "2", "3"):
                recorder.record(event(note))
            assert (len(recorder), recorder.dropped) == (2, 1)
            async with trio.open_nursery() as nursery:
                await nursery.start(recorder.run)
                await server.wait_request("POST", 2)
                recorder.record(event("4"))
                await server.wait_request("POST", 3)
                nursery.cancel_scope.cancel()
            assert events(server) == ["2", "3", "4"]
            await pool.aclose()

    run(main)
