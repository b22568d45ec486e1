"""Registries that answer with anything: each answer is the failure of that one load, with a reason to read."""

from __future__ import annotations

import io
import json
import socket
import ssl
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import httpx2
import pytest
import trio

from edged.admission.config import GroupConfig, GroupMemberConfig, PolicyConfig
from edged.admission.host.policy_loader import PolicyLoader
from edged.errors import PeerError
from edged.registry.config import RegistryConfig
from edged.registry.download import Download
from edged.registry.http import Http
from edged.registry.modules import Modules
from edged.registry.oci import Registry, architecture
from edged.registry.origin import Origin
from edged.registry.reference import parse_url
from edged.registry.sources import Sources
from tests.admission.host.support import Rig
from tests.hostile_values import STRINGS, described, hostile_bytes, texts
from tests.registry.fake import LAYER, WASM, Answer, Fake, digest, fake

LAYERS = {"mediaType": LAYER, "digest": digest(WASM), "size": len(WASM), "annotations": {"a": "b"}}
MANIFEST: dict[str, Any] = {"schemaVersion": 2, "config": {"digest": digest(b"{}"), "size": 2}, "layers": [LAYERS]}
CONFIG_PATH = f"/v2/p/blobs/{digest(b'{}')}"
PAGES: dict[str, Answer] = {
    f"/v2/p/blobs/{digest(WASM)}": (200, {}, WASM),
    f"/v2/p/manifests/{digest(json.dumps(MANIFEST).encode())}": (200, {}, json.dumps(MANIFEST).encode()),
    CONFIG_PATH: (200, {}, b"{}"),
}
ADDRESSES = (
    "http://[::1", "https://[", "//[", "https://a..b/", "https://h:99999/", "https://h:x/", "https://.h/", "https:///x",
    "https://" + "a" * 300 + "/", "file:///etc/passwd", "ftp://h/", "?", "", "\u00e9", "https://\u00e9\u00e9/", "//",
)  # fmt: skip


class Plain(Http):
    """Does not try TLS first: these registries have none."""

    def _ways(self, scheme: str, host: str) -> list[tuple[str, bool]]:
        return [("http", True)]


@pytest.fixture
def server() -> Iterator[Fake]:
    with fake() as server:
        yield server


async def ask(host: str, http: Http) -> None:
    """What a load and what a guest's question asks of a registry. Raises PeerError at most."""
    registry, reference = Registry(http), parse_url(f"registry://{host}/p:v1")
    for question in (
        lambda: registry.module(reference, Download(io.BytesIO()), 100_000),
        lambda: registry.configuration(reference),
    ):
        try:
            await question()
        except PeerError as error:
            assert str(error).isprintable() and 0 < len(str(error)) < 1500, str(error)


class InMemory(Plain):
    """Every host answers with the same pages, without a connection: there are thousands of answers to try."""

    def __init__(self, pages: dict[str, Answer], insecure: bool) -> None:
        super().__init__(Sources(insecure=frozenset({HOST} if insecure else ())))
        self.pages = pages

    def _transport(self, tls: ssl.SSLContext | None, proxy: str) -> httpx2.AsyncBaseTransport:
        def answer(request: httpx2.Request) -> httpx2.Response:
            status, headers, body = self.pages.get(request.url.path, (404, {}, b""))
            raw = [(name.encode(), value.encode("utf-8", "replace")) for name, value in headers.items()]
            return httpx2.Response(status, headers=raw, stream=httpx2.ByteStream(body))

        return httpx2.MockTransport(answer)


HOST = "registry.example"


def ask_all(cases: Iterable[tuple[str, dict[str, Answer]]], *, insecure: bool = False) -> None:
    """`cases`: what it is, and the pages that it is about."""

    async def main() -> None:
        async with InMemory(dict(PAGES), insecure) as http:
            for what, pages in cases:
                http.pages |= pages
                try:
                    with trio.fail_after(20):
                        await ask(HOST, http)
                except Exception as error:
                    raise AssertionError(what) from error

    trio.run(main)


NAMED = "/v2/p/manifests/v1"


def test_every_field_of_a_manifest_and_of_an_index() -> None:
    inner = digest(json.dumps(MANIFEST).encode())
    index = {"manifests": [{"digest": inner, "platform": {"os": "linux", "architecture": architecture()}}]}
    for valid in (MANIFEST, index):
        found = texts(valid, Random(1))
        ask_all(((described(path, body), {NAMED: (200, {}, body)}) for path, body in found))


def test_bodies_that_are_no_manifest_token_or_configuration() -> None:
    manifest = (200, {}, json.dumps(MANIFEST).encode())
    challenged = (401, {"WWW-Authenticate": f'Bearer realm="http://{HOST}/token"'}, b"")
    bodies = [*hostile_bytes({"token": "t"}), *((str(path), text) for path, text in texts({"token": "t"}, Random(2)))]
    ask_all(((f"manifest: {what}", {NAMED: (200, {}, body)}) for what, body in bodies))
    configured = [(what, {NAMED: manifest, CONFIG_PATH: (200, {}, body)}) for what, body in bodies]
    ask_all(configured)
    for status in (200, 403):
        pages = ((what, {NAMED: challenged, "/token": (status, {}, body)}) for what, body in bodies)
        ask_all(pages, insecure=True)


def test_addresses_and_challenges() -> None:
    def cases() -> Iterator[tuple[str, dict[str, Answer]]]:
        for text in (*ADDRESSES, *STRINGS):
            sent = text.replace("\n", "").replace("\r", "")
            for status, name, value in (
                (302, "Location", sent),
                (401, "WWW-Authenticate", f'Bearer realm="{sent}"'),
                (401, "WWW-Authenticate", f'Bearer realm="https://{sent}/",service="{sent}",scope="{sent}"'),
                (401, "WWW-Authenticate", sent),
                (401, "WWW-Authenticate", f"Bearer {sent}"),
            ):
                yield f"{name}: {value[:100]!r}", {NAMED: (status, {name: value}, b"{}")}

    ask_all(cases())


@contextmanager
def raw(answer: bytes) -> Iterator[str]:
    """A server that says this to everybody, and hangs up; its host."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                peer, _ = listening.accept()
            except OSError:
                return
            with peer:
                peer.recv(65536)
                try:
                    peer.sendall(answer)
                except OSError:
                    continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


@pytest.mark.parametrize(
    "head",
    [
        "", "\r\n\r\n", "garbage\r\n\r\n", "HTTP/1.1\r\n\r\n", "HTTP/1.1 abc OK\r\n\r\n", "HTTP/9.9 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: " + "9" * 5000 + "\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00",
        "HTTP/1.1 301 x\r\nLocation: http://[::1\r\n\r\n", "HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n" * 1000, "HTTP/1.1 200 OK\r\n" + "A: b\r\n" * 20_000,
        "HTTP/1.1 200 OK\r\nA" + "b" * 200_000, "HTTP/1.1 200 OK\r\n\xff\xfe: \x00\r\n\r\n",
    ],
    ids=range(23),
)  # fmt: skip
def test_answers_that_are_not_http(head: str) -> None:
    async def main(host: str) -> None:
        async with Plain(Sources()) as http:
            with trio.fail_after(20):
                await ask(host, http)

    with raw(head.encode("latin-1")) as host:
        trio.run(main, host)


def hostile_pages(server: Fake) -> dict[str, Any]:
    """By repository: the answer to its manifest, each of which was the end of the process or might be."""
    token = f'Bearer realm="http://{server.host}/token"'
    server.pages["/token"] = (200, {}, '{"token":"\u00e9"}'.encode())
    return {
        "location": (302, {"Location": "http://[::1"}, b""),
        "realm": (401, {"WWW-Authenticate": 'Bearer realm="http://[::1"'}, b""),
        "token": (401, {"WWW-Authenticate": token}, b""),
        "platform": (200, {}, b'{"manifests":[{"platform":5},{"platform":"linux"}]}'),
        "label": (302, {"Location": "https://a..b/"}, b""),
        "deep": (200, {}, b'{"layers":[{"mediaType":' + b"[" * 900 + b"]" * 900 + b"}]}"),
        "round": (302, {"Location": "/v2/round/manifests/v1"}, b""),
    }


@pytest.mark.parametrize("origin", [None, Origin("AdmissionPolicy", "tenant", "p")], ids=["configured", "tenant"])
def test_each_is_the_failure_of_one_policy(
    tmp_path: Path, server: Fake, origin: Origin | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edged.registry.http.is_inward", lambda address: False)
    rig = Rig(tmp_path)
    sources = tmp_path / "sources.yml"
    sources.write_text(f"insecure_sources: ['{server.host}']\n")
    config = RegistryConfig(sources=str(sources), docker_config=str(tmp_path))
    loader = PolicyLoader(rig.limits, rig.compiler, rig.lines, rig.log, Modules(config, tmp_path / "state", rig.log))
    pages = hostile_pages(server)
    for name, page in pages.items():
        server.pages[f"/v2/{name}/manifests/v1"] = page
    good = rig.wat("good", '(module (memory (export "memory") 1))', None)
    members = {"m": GroupMemberConfig(module=f"registry://{server.host}/platform:v1")}

    async def main() -> None:
        urls = {name: f"registry://{server.host}/{name}:v1" for name in pages}
        policies = [PolicyConfig(name=name, module=url, origin=origin) for name, url in urls.items()]
        group = GroupConfig(name="group", members=members, expression="m()", message="no", rules=(), origin=origin)
        loaded = await loader.load([*policies, group, good])
        assert set(loaded) == {*pages, "group", "good"}
        for name, policy in loaded.items():
            error = policy.error or ""
            assert error.isprintable() and "internal error" not in error, (name, error)
            assert name == "good" or server.host in error, (name, error)
            assert await loader.fetch(policy.config) == ("" if name == "good" else error) or name == "group"

    try:
        trio.run(main)
        assert not rig.log.internal_errors.counts
    finally:
        rig.close()
