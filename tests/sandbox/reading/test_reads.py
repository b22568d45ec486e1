"""get, list, watch, Tables, discovery and openapi through the API, without a network."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio

from tests.sandbox.harness import CRDS, NS, WIDGETS, Caller, config_map, crd, lines, pod

CM = f"{NS}/configmaps"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


def scenario(body: Callable[[Caller], Awaitable[None]], **options) -> None:
    trio.run(body, Caller(**options))


def test_pages_share_a_version():
    async def body(call: Caller) -> None:
        for name in "abc":
            await call.ok("POST", CM, config_map(name))
        first = await call.ok("GET", f"{CM}?limit=2")
        assert [o["metadata"]["name"] for o in first["items"]] == ["a", "b"]
        assert first["kind"] == "ConfigMapList" and first["metadata"]["remainingItemCount"] == 1
        await call.ok("DELETE", f"{CM}/c")
        token = first["metadata"]["continue"]
        second = await call.ok("GET", f"{CM}?limit=2&continue={token}")
        assert [o["metadata"]["name"] for o in second["items"]] == ["c"]
        assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
        call.storage.compact()
        status = await call.refused(410, "GET", f"{CM}?limit=2&continue={token}")
        assert status["reason"] == "Expired"
        status = await call.refused(400, "GET", f"{CM}?continue=zzz")
        assert status["message"].startswith("invalid continue token: continue key is not valid:")

    scenario(body)


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ("resourceVersion=abc", 400, 'invalid resource version: resourceVersion: Invalid value: "abc": '
         'strconv.ParseUint: parsing "abc": invalid syntax'),
        ("resourceVersion=999", 504, "Timeout: Too large resource version: 999, current: 17"),
        ("resourceVersionMatch=Exact", 422, 'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: '
         "resourceVersionMatch is forbidden unless resourceVersion is provided"),
        ("sendInitialEvents=true", 422, 'ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: Forbidden: '
         "sendInitialEvents is forbidden for list"),
        ("fieldSelector=spec.foo%3D1", 400, None),
        ("watch=true&sendInitialEvents=true", 422, 'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: '
         "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"),
    ],
)  # fmt: skip
def test_bad_options(query, code, message):
    async def body(call: Caller) -> None:
        status = await call.refused(code, "GET", f"{CM}?{query}")
        assert message is None or status["message"] == message

    scenario(body)


def test_watch_from_a_list():
    async def body(call: Caller) -> None:
        await call.ok("POST", CM, config_map("a", k="1"))
        version = (await call.ok("GET", CM))["metadata"]["resourceVersion"]
        await call.merge(f"{CM}/a", {"data": {"k": "2"}})
        watch = await call.response("GET", f"{CM}?watch=true&resourceVersion={version}")
        await call.ok("DELETE", f"{CM}/a")
        events = await lines(watch, 2)
        assert [e["type"] for e in events] == ["MODIFIED", "DELETED"]
        assert events[0]["object"]["kind"] == "ConfigMap" and events[1]["object"]["data"] == {"k": "2"}

    scenario(body)


def test_watch_list_ends_its_beginning_with_a_bookmark():
    async def body(call: Caller) -> None:
        await call.ok("POST", CM, config_map("a"))
        query = "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
        events = await lines(await call.response("GET", f"{CM}?{query}"), 2)
        assert [e["type"] for e in events] == ["ADDED", "BOOKMARK"]
        assert events[1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        assert events[1]["object"]["metadata"]["resourceVersion"] == str(call.storage.version)

    scenario(body)


def test_watch_below_the_history_is_gone():
    async def body(call: Caller) -> None:
        for name in "abc":
            await call.ok("POST", CM, config_map(name))
        [event] = await lines(await call.response("GET", f"{CM}?watch=1&resourceVersion=1"), 1)
        assert event["type"] == "ERROR" and event["object"]["code"] == 410
        assert event["object"]["message"] == f"too old resource version: 1 ({call.storage.oldest})"
        assert event["object"]["reason"] == "Expired"

    scenario(body, history=2)


def test_selector_edges_are_added_and_deleted():
    async def body(call: Caller) -> None:
        watch = await call.response("GET", f"{CM}?watch=true&labelSelector=a%3Db".replace("%3D", ""))
        await call.ok("POST", CM, config_map("x"))
        await call.merge(f"{CM}/x", {"metadata": {"labels": {"ab": "1"}}})
        await call.merge(f"{CM}/x", {"metadata": {"labels": None}})
        events = await lines(watch, 2)
        assert [e["type"] for e in events] == ["ADDED", "DELETED"]
        assert events[1]["object"]["metadata"]["labels"] == {"ab": "1"}

    scenario(body)


def test_watch_times_out_cleanly_and_bookmarks_on_the_way():
    async def body(call: Caller) -> None:
        watch = await call.response("GET", f"{CM}?watch=true&timeoutSeconds=70&allowWatchBookmarks=true")
        events = await lines(watch, 99)
        # One after a minute, one shortly before the end.
        assert [e["type"] for e in events] == ["BOOKMARK", "BOOKMARK"]

    from trio.testing import MockClock

    trio.run(body, Caller(), clock=MockClock(autojump_threshold=0))


def test_tables():
    async def body(call: Caller) -> None:
        await call.ok("POST", f"{NS}/pods", pod("p"))
        table = await call.ok("GET", f"{NS}/pods", accept=TABLE)
        assert [c["name"] for c in table["columnDefinitions"]][:5] == ["Name", "Ready", "Status", "Restarts", "Age"]
        assert table["rows"][0]["cells"][:5] == ["p", "0/1", "Pending", "0", "0s"]
        assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
        column = {"name": "Size", "type": "integer", "jsonPath": ".spec.size"}
        await call.ok("POST", CRDS, crd({"type": "object"}, additionalPrinterColumns=[column]))
        table = await call.ok("GET", "/apis/demo.example/v1/widgets", accept=TABLE)
        assert [c["name"] for c in table["columnDefinitions"]] == ["Name", "Size"] and table["rows"] == []
        plain = await call.ok("GET", f"{NS}/pods/p", accept="*/*")
        assert plain["kind"] == "Pod"
        only = await call.ok(
            "GET", f"{NS}/pods", accept="application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
        )
        assert only["kind"] == "PartialObjectMetadataList" and "spec" not in only["items"][0]

    scenario(body)


def test_discovery_both_ways():
    async def body(call: Caller) -> None:
        await call.ok("POST", CRDS, crd({"type": "object"}))
        legacy = await call.ok("GET", "/api/v1")
        eviction = next(r for r in legacy["resources"] if r["name"] == "pods/eviction")
        assert (eviction["group"], eviction["version"], eviction["kind"]) == ("policy", "v1", "Eviction")
        accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
        answer = await call.response("GET", "/apis", accept=accept)
        assert answer.content_type.endswith("as=APIGroupDiscoveryList") and b"demo.example" in answer.body
        groups = [g["name"] for g in (await call.ok("GET", "/apis"))["groups"]]
        assert "apps" in groups and "demo.example" in groups and "" not in groups

    scenario(body)


def test_openapi_names_field_validation_for_every_kind():
    async def body(call: Caller) -> None:
        await call.ok("POST", CRDS, crd({"type": "object"}))
        root = await call.ok("GET", "/openapi/v3")
        assert "apis/demo.example/v1" in root["paths"] and "api/v1" in root["paths"]
        for place in root["paths"].values():
            document = await call.ok("GET", place["serverRelativeURL"])
            patches = [path["patch"] for path in document["paths"].values() if "patch" in path]
            served = [patch for patch in patches if patch["x-kubernetes-action"] == "patch"]
            named = [{each.get("name") for each in patch.get("parameters", ())} for patch in served]
            assert all("fieldValidation" in names for names in named)

    scenario(body)


def test_unknown_places():
    async def body(call: Caller) -> None:
        status = await call.refused(404, "GET", "/api/v1/foozles")
        assert status["message"] == "the server could not find the requested resource"
        page = await call.response("GET", "/apis/nope/v1/foozles")
        assert (page.status, page.body) == (404, b"404 page not found\n")
        status = await call.refused(404, "GET", "/apis/apps/v1/namespaces/default/deployments/x")
        assert status["message"] == 'deployments.apps "x" not found'
        assert (await call.response("GET", "/readyz")).body == b"ok"
        await call.refused(405, "POST", f"{CM}/a", config_map("a"))

    scenario(body)


@pytest.mark.parametrize("path", [f"{NS}/configmaps", WIDGETS, CRDS])
def test_a_bookmark_has_metadata_alone(path):
    async def body(call: Caller) -> None:
        await call.ok("POST", CRDS, crd({"type": "object"}))
        query = "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
        response = await call.response("GET", f"{path}?{query}")
        seen = await lines(response, 2 if path == CRDS else 1)
        assert seen[-1]["type"] == "BOOKMARK" and set(seen[-1]["object"]) == {"kind", "apiVersion", "metadata"}

    scenario(body)
