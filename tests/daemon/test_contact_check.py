"""After a request without an answer the API server is asked again, until it answers; otherwise it is left alone."""

from __future__ import annotations

import pytest
import trio

from edged.daemon import contact_check
from edged.kube.client import ApiClient, NoAnswer
from edged.telemetry.logs import Logger
from tests.fakes.apiserver import FakeApiServer
from tests.kube.support import fake_server, run, session_for


def asked(server: FakeApiServer) -> list[str]:
    return [request.path for request in server.requests if request.path == contact_check.PATH]


def test_one_request_without_an_answer_is_no_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contact_check, "AGAIN_S", 0.02)
    lines: list[bytes] = []

    async def main() -> None:
        async with fake_server() as server, trio.open_nursery() as nursery:
            client = ApiClient(session_for(server.url))
            nursery.start_soon(contact_check.run, client, Logger(write=lines.append))
            await trio.sleep(0.1)
            assert not asked(server), "nobody asked, so nothing is known to be wrong"
            server.stop()
            with pytest.raises(NoAnswer):
                await client.fetch("GET", "/api/v1/namespaces/a/configmaps/b")
            await trio.sleep(0.1)
            assert "refused" in client.contact.failure, "it is still away"
            await server.start()
            while client.contact.failure:
                await trio.sleep(0.01)
            found = len(asked(server))
            await trio.sleep(0.1)
            assert found == len(asked(server)) == 1, "what answers is left alone"
            await client.aclose()
            nursery.cancel_scope.cancel()

    run(main)
    assert not lines


def test_without_a_kubeconfig_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contact_check, "AGAIN_S", 0.01)
    lines: list[bytes] = []

    async def main() -> None:
        client = ApiClient()
        client.contact.failed("away")
        with trio.move_on_after(0.1):
            await contact_check.run(client, Logger(write=lines.append))

    run(main)
    assert not lines


def test_an_error_that_nobody_expected_ends_one_question(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contact_check, "AGAIN_S", 0.01)
    lines: list[bytes] = []
    asked: list[str] = []

    async def main() -> None:
        client = ApiClient()
        client.contact.failed("away")

        async def fetch(method: str, path: str, *, timeout_s: float) -> None:
            asked.append(path)
            raise ValueError("unexpected")

        monkeypatch.setattr(client, "fetch", fetch)
        with trio.move_on_after(5) as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(contact_check.run, client, Logger(write=lines.append))
                while len(asked) < 2:
                    await trio.sleep(0.01)
                nursery.cancel_scope.cancel()
        assert not scope.cancelled_caught

    run(main)
    assert asked[:2] == [contact_check.PATH] * 2
    assert b"unexpected" in lines[0]
