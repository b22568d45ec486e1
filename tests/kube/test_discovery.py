"""Which URL serves a kind: asked once, and exact."""

from __future__ import annotations

from typing import Any

import pytest

from edged.kube.client import ApiClient
from edged.kube.discovery import KindNotServed, discover
from edged.kube.values.names import GroupVersionResource
from tests.fakes.apiserver import FakeApiServer
from tests.kube.support import fake_server, run, session_for


def serve_core(server: FakeApiServer) -> None:
    resources: list[Any] = [
        {"name": "pods/status", "kind": "Pod", "namespaced": True},
        {"name": "pods", "kind": "Pod", "namespaced": True, "verbs": ["get", "list"]},
        {"name": "namespaces", "kind": "Namespace", "namespaced": False, "verbs": ["get"]},
        None,
        {"name": 7},
    ]
    server.answers["GET", "/api/v1"] = lambda request: (200, {"resources": resources})


def test_discovery_is_exact_and_asked_once() -> None:
    async def main() -> None:
        async with fake_server() as server:
            serve_core(server)
            client = ApiClient(session_for(server.url))
            found = await discover(client, "v1", "Pod")
            assert found.resource == GroupVersionResource("", "v1", "pods") and found.namespaced
            assert found.verbs == ("get", "list")
            assert not (await discover(client, "v1", "Namespace")).namespaced
            assert len(server.requests) == 1
            for api_version, kind in (("v1", "pod"), ("v1", "Secret"), ("apps/v1", "Deployment")):
                with pytest.raises(KindNotServed, match=kind if api_version == "v1" else "apps/v1"):
                    await discover(client, api_version, kind)
            for nonsense in ("", "a/b/c", "../v1", "v1?x", "apps/"):
                with pytest.raises(KindNotServed, match="is not an apiVersion"):
                    await discover(client, nonsense, "Pod")
            await client.swap(session_for(server.url))
            await discover(client, "v1", "Pod")
            await client.aclose()

    run(main)
