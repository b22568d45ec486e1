"""Asking a small real server for its metrics, and looking at folders as an API server does."""

from __future__ import annotations

import os
import socket
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from edged.admission.endpoint import manifest_reader
from edged.admission.endpoint.manifest_metrics import Loaded, content_hash, identity_of
from edged.admission.endpoint.manifest_reader import Answer, ManifestReader, folder_on_disk
from edged.admission.rules.webhooks import MUTATING, VALIDATING
from edged.errors import PeerError
from edged.kube.client import ApiClient, ApiError, NotConfigured
from edged.kube.direct import DirectClient
from tests.admission.endpoint.test_manifest_metrics import ANSWER, HASH, SERVER
from tests.fakes.apiserver import Drop, Plain, Silence, Status
from tests.kube.support import fake_server, run, session_for

WHAT_IT_SAYS = {VALIDATING: Loaded(SERVER, HASH, 1.7959792686645966e09), MUTATING: Loaded(SERVER, "")}


class At:
    """A client of the API server at an address that nothing listens on; `error` comes when it is asked."""

    def __init__(self, server: str, error: PeerError | None = None) -> None:
        self.server = server
        self.error = error

    @asynccontextmanager
    async def stream(self, path: str, query: Any, *, idle_s: float) -> Any:
        await trio.lowlevel.checkpoint()
        raise self.error or PeerError("asked")
        yield

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


@pytest.mark.parametrize("named", [True, False])
def test_only_what_matters_is_asked_for(named: bool) -> None:
    async def main() -> None:
        async with fake_server() as server:
            server.script(lambda request: True, Plain(ANSWER.encode()))
            client = ApiClient(session_for(server.url))
            asked = DirectClient(client, server.url) if named else client
            reader = ManifestReader(asked, is_named=named)
            assert await reader.ask() == Answer(server.url, True, WHAT_IT_SAYS)
            (request,) = server.requests
            assert request.path == "/metrics" and request.query["name[]"].startswith("apiserver_manifest_")
            await reader.aclose()
            await client.aclose()

    run(main)


def test_an_answer_of_megabytes() -> None:
    """Before 1.37 all metrics come, whatever is asked for."""
    async def main() -> None:
        async with fake_server() as server:
            others = b"".join(b'apiserver_request_total{code="200",resource="r%d"} 1\n' % i for i in range(100_000))
            server.script(lambda request: True, Plain(others + ANSWER.encode() + others))
            client = ApiClient(session_for(server.url))
            assert (await ManifestReader(client, is_named=False).ask()).loaded == WHAT_IT_SAYS
            await client.aclose()

    run(main)


@pytest.mark.parametrize("fault", [Status(403, "Forbidden"), Status(401), Status(404), Drop(), Plain(b"", 500)])
def test_what_goes_wrong_is_a_peer_error(fault: Any) -> None:
    async def main() -> None:
        async with fake_server() as server:
            server.script(lambda request: True, *[fault] * 9)
            client = ApiClient(session_for(server.url))
            with pytest.raises(PeerError) as caught:
                await ManifestReader(client, is_named=False).ask()
            rights = isinstance(fault, Status) and fault.code in (401, 403)
            assert ("run `edged rbac render`" in str(caught.value)) is rights
            await client.aclose()

    run(main)


def test_an_answer_without_end_and_one_that_does_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with fake_server() as server:
            client = ApiClient(session_for(server.url))
            reader = ManifestReader(client, is_named=False)
            monkeypatch.setattr(manifest_reader, "MAX_BYTES", 1 << 16)
            server.script(lambda request: True, Plain(b"x 1\n" * (1 << 16)))
            with pytest.raises(PeerError, match="longer than 65536"):
                await reader.ask()
            monkeypatch.setattr(manifest_reader, "TIMEOUT_S", 0.3)
            server.script(lambda request: True, Silence())
            with pytest.raises(PeerError, match=r"no answer|within"):
                await reader.ask()
            server.release_silent()
            await client.aclose()

    run(main)


@pytest.mark.parametrize(("server", "asked"), [
    ("https://127.0.0.1:6443", True),
    ("https://[::1]:6443", True),
    ("https://localhost:6443", True),
    ("https://203.0.113.7:6443", False),
    ("https://[2001:db8::7]:6443", False),
    ("https://lb.example.org:6443", True),  # a name may be this host's: who answers says who it is
])
def test_an_address_of_another_host_is_not_asked(server: str, asked: bool) -> None:
    async def main() -> None:
        with pytest.raises(PeerError, match="asked" if asked else r"; set \[admission\] static_api_server to that of"):
            await ManifestReader(At(server), is_named=False).ask()
        with pytest.raises(PeerError, match="asked"):
            await ManifestReader(At(server), is_named=True).ask()

    trio.run(main)


def test_without_a_kubeconfig_that_is_what_is_said() -> None:
    async def main() -> None:
        with pytest.raises(NotConfigured):
            await ManifestReader(ApiClient(), is_named=False).ask()
        with pytest.raises(PeerError, match="metrics") as caught:
            await ManifestReader(At("", ApiError(403, "Forbidden", "no")), is_named=False).ask()
        assert "; run `edged rbac render`" in str(caught.value)

    trio.run(main)


def test_this_hosts_identity() -> None:
    assert ManifestReader(At(""), is_named=False).host == identity_of(socket.gethostname())


def test_a_folder_as_an_api_server_reads_it(tmp_path: Path) -> None:
    assert folder_on_disk(tmp_path / "none").hash == ""
    for name, data in {"b.json": b"2", "a.YAML": b"1", "c.txt": b"3", "d.json": b"", ".edged.json.1.tmp": b"4"}.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "folder.json").mkdir()
    os.utime(tmp_path, (1.0, 1.0))
    os.utime(tmp_path / "b.json", (4e9, 4e9))
    found = folder_on_disk(tmp_path)
    assert found.hash == content_hash([b"1", b"2"]) and found.changed_at == 4e9
    os.mkfifo(tmp_path / "fifo.json")
    with pytest.raises(OSError, match="not a regular file"):
        folder_on_disk(tmp_path)
