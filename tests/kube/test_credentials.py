"""Credential plugins of a kubeconfig: run once, again after a 401 or before a token expires, and how they fail."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio

from edged.errors import PeerError
from edged.kube import credentials
from edged.kube.client import ApiClient, Session
from edged.kube.credentials import ExecAuth
from edged.process.files import write_atomically
from tests.hostile_values import hostile_bytes, texts
from tests.kube.kubeconfigs import at, config, opened, write
from tests.kube.support import PODS_PATH, fake_server, run
from tests.programs import ends_soon


def plugin(tmp_path: Path, body: str, version: str = "v1") -> dict[str, Any]:
    script = tmp_path / "plugin.py"
    script.write_text(f"import json, os, sys, pathlib\n{body}\n")
    return {
        "apiVersion": f"client.authentication.k8s.io/{version}",
        "command": sys.executable,
        "args": [str(script)],
        "env": [{"name": "WHO", "value": "edge"}],
        "installHint": "install it",
    }


COUNTING = """
assert json.loads(os.environ["KUBERNETES_EXEC_INFO"])["kind"] == "ExecCredential"
runs = pathlib.Path(__file__).with_name("runs")
runs.write_text(runs.read_text() + "x" if runs.exists() else "x")
token = os.environ["WHO"] + str(len(runs.read_text()))
print(json.dumps({"kind": "ExecCredential", "status": {"token": token}}))
"""


def test_credential_plugin_runs_once_and_again_after_a_401(tmp_path: Path) -> None:
    async def main() -> None:
        async with fake_server() as server:
            server.token = "edge1"
            content = config(server.url, exec=plugin(tmp_path, COUNTING))
            session = opened(at(write(tmp_path / "config", content)))
            client = ApiClient(session)
            async with trio.open_nursery() as nursery:
                for _ in range(4):
                    nursery.start_soon(client.request, "GET", PODS_PATH)
            assert (tmp_path / "runs").read_text() == "x"
            server.token = "edge2"
            await client.request("GET", PODS_PATH)
            assert (tmp_path / "runs").read_text() == "xx"
            await client.aclose()

    run(main)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("sys.exit('no login')", "exited with 1: no login"),
        ("print('hello')", "did not print an ExecCredential"),
        ("print('{}')", "did not print an ExecCredential"),
        ("print(json.dumps({'status': {'clientCertificateData': 'x'}}))", "gave no token"),
        ("print(json.dumps({'status': {'token': 't', 'expirationTimestamp': 'soon'}}))", "did not print"),
        ("print(json.dumps({'status': {'token': 't', 'expirationTimestamp': '0001-01-01'}}))", "did not print"),
        ("print(json.dumps({'status': {'token': 'a\\r\\nb: c'}}))", "no HTTP header can hold"),
        ("print(json.dumps({'status': {'token': '\\u20ac'}}))", "no HTTP header can hold"),
        ("print(json.dumps({'status': {'token': 'x' * 100000}}))", "no HTTP header can hold"),
        ("while True: print('x' * 4096)", "wrote more than 1048576 bytes"),
    ],
)
def test_credential_plugins_that_fail(tmp_path: Path, body: str, message: str) -> None:
    async def main() -> None:
        content = config(exec=plugin(tmp_path, body, "v1beta1"))
        client = ApiClient(opened(at(write(tmp_path / "config", content))))
        with pytest.raises(PeerError, match=message):
            await client.request("GET", PODS_PATH)
        await client.aclose()

    run(main)


def test_credential_plugin_that_is_not_there(tmp_path: Path) -> None:
    async def main() -> None:
        entry = {**plugin(tmp_path, ""), "command": "/no/such/plugin"}
        session = opened(at(write(tmp_path / "config", config(exec=entry))))
        with pytest.raises(PeerError, match=r"/no/such/plugin cannot be run: .*\(install it\)"):
            await session.authorization()
        await session.retire()

    run(main)


def test_expiring_token_is_renewed(tmp_path: Path) -> None:
    body = COUNTING.replace('"token": token', '"token": token, "expirationTimestamp": "2001-01-01T00:00:00Z"')

    async def main() -> None:
        content = config(exec=plugin(tmp_path, body))
        session: Session = opened(at(write(tmp_path / "config", content)))
        assert await session.authorization() == "Bearer edge1"
        assert await session.authorization() == "Bearer edge2"
        await session.retire()

    run(main)


def test_a_token_file_is_read_again_when_it_changes_and_after_a_401(tmp_path: Path) -> None:
    async def main() -> None:
        async with fake_server() as server:
            token = tmp_path / "token"
            token.write_text("one\n")
            server.token = "one"
            client = ApiClient(opened(at(write(tmp_path / "config", config(server.url, tokenFile="token")))))
            await client.request("GET", PODS_PATH)
            write_atomically(token, b"two", 0o600)
            server.token = "two"
            await client.request("GET", PODS_PATH)
            assert [request.headers["authorization"] for request in server.requests] == ["Bearer one", "Bearer two"]
            token.write_bytes(b"")  # as it is being written: the one before stays
            await client.request("GET", PODS_PATH)
            token.unlink()
            await client.request("GET", PODS_PATH)
            assert {request.headers["authorization"] for request in server.requests[2:]} == {"Bearer two"}
            await client.aclose()

    run(main)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "No such file or directory"),
        (b"", "it is empty"),
        (b"\xff\xfe", "it is not ASCII text"),
        ("tökén".encode(), "it is not ASCII text"),
        (b"a\r\nX-Remote-User: root", "it holds control characters"),
        (b"x" * 70_000, "larger than 65536 bytes"),
        ("folder", "Is a directory"),
        ("fifo", "not a regular file"),
    ],
)
def test_a_token_file_without_a_token_fails_the_request_and_is_looked_at_again(
    tmp_path: Path, content: bytes | str | None, why: str
) -> None:
    token = tmp_path / "token"
    if content == "folder":
        token.mkdir()
    elif content == "fifo":
        os.mkfifo(token)
    elif isinstance(content, bytes):
        token.write_bytes(content)

    async def main() -> None:
        async with fake_server() as server:
            client = ApiClient(opened(at(write(tmp_path / "config", config(server.url, tokenFile="token")))))
            with pytest.raises(PeerError, match=f"token file {token} cannot be used: {why}"):
                await client.request("GET", PODS_PATH)
            if content == "folder":
                token.rmdir()
            write_atomically(token, b"good", 0o600)
            await client.request("GET", PODS_PATH)
            await client.aclose()

    run(main)


EXEC_CREDENTIAL = {
    "apiVersion": "client.authentication.k8s.io/v1",
    "kind": "ExecCredential",
    "status": {"token": "t", "expirationTimestamp": "2001-01-01T00:00:00Z"},
}


def test_whatever_a_plugin_prints_is_a_token_or_an_error_of_ours(tmp_path: Path) -> None:
    content = config(exec=plugin(tmp_path, ""))
    auth = opened(at(write(tmp_path / "config", content))).auth
    assert isinstance(auth, ExecAuth)
    answers = [text for _, text in texts(EXEC_CREDENTIAL, Random(1), each=30)] + [text for _, text in hostile_bytes()]
    good = 0
    for answer in answers:
        try:
            token, moment = auth._token_of(answer)
        except PeerError as error:
            assert len(str(error)) < 2000
        else:
            assert token.isprintable() and moment >= 0.0
            good += 1
    assert 0 < good < len(answers) / 2


def test_a_plugin_that_does_not_end_is_killed_with_what_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At its time limit, although it shares its output with a child that would hold it open."""
    monkeypatch.setattr(credentials, "PLUGIN_TIMEOUT_S", 2.0)

    async def main() -> None:
        session = opened(at(write(tmp_path / "config", config(exec=plugin(tmp_path, FORKING)))))
        with pytest.raises(PeerError, match="took more than 2 s"):
            await session.authorization()
        await session.retire()

    run(main)
    assert all(ends_soon(int((tmp_path / name).read_text())) for name in ("plugin", "child"))


def test_a_plugin_ends_when_it_is_not_configured_any_more(tmp_path: Path) -> None:
    async def main() -> None:
        session = opened(at(write(tmp_path / "config", config(exec=plugin(tmp_path, FORKING)))))

        async def ask() -> None:
            with pytest.raises(PeerError, match="not configured any more"):
                await session.authorization()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            while not (tmp_path / "child").exists():
                await trio.sleep(0.02)
            await session.retire()
        with pytest.raises(PeerError, match="not configured any more"):
            await session.authorization()

    run(main)
    assert all(ends_soon(int((tmp_path / name).read_text())) for name in ("plugin", "child"))


FORKING = """
import time
here = pathlib.Path(__file__).parent
child = os.fork()
if child:
    (here / "plugin").write_text(str(os.getpid()))
    (here / "new").write_text(str(child))
    (here / "new").rename(here / "child")
time.sleep(600)
"""
