"""Another address with the same credentials."""

from __future__ import annotations

import pytest
import trio

from edged.errors import PeerError
from edged.kube.client import ApiClient, NotConfigured
from edged.kube.direct import DirectClient
from tests.fakes.apiserver import Plain
from tests.kube.support import fake_server, run, session_for

LINES = Plain(b"a 1\nb 2\n")


async def lines_of(client: DirectClient) -> list[bytes]:
    async with client.stream("/metrics", {"name[]": ["a", "b"]}, idle_s=5) as lines:
        return [line async for line in lines]


def test_the_address_is_its_own_and_the_credentials_are_those_of_the_kubeconfig() -> None:
    async def main() -> None:
        async with fake_server() as one, fake_server() as other:
            other.token = "first"
            other.script(lambda request: True, LINES, LINES)
            client = ApiClient(session_for(one.url, token="first"))
            direct = DirectClient(client, other.url)
            assert await lines_of(direct) == [b"a 1", b"b 2"] and not one.requests
            assert other.requests[-1].headers["authorization"] == "Bearer first"
            await client.swap(session_for(one.url, token="second"))
            assert await lines_of(direct) == [b"a 1", b"b 2"]
            assert other.requests[-1].headers["authorization"] == "Bearer second"
            await direct.aclose()
            await direct.aclose()
            await client.aclose()
            with trio.fail_after(5):
                while other.open_connections:
                    await trio.sleep(0.01)

    run(main)


def test_what_cannot_be_asked_is_a_peer_error() -> None:
    async def main() -> None:
        with pytest.raises(NotConfigured):
            await lines_of(DirectClient(ApiClient(), "https://127.0.0.1:1"))
        async with fake_server() as one:
            client = ApiClient(session_for(one.url))
            for server in ("https://127.0.0.1:1", "no url"):
                with pytest.raises(PeerError, match=server):
                    await lines_of(DirectClient(client, server))
            await client.aclose()

    run(main)
