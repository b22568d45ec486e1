"""Everything of edged that reads answers of servers, against a server whose answer has no end, or comes by the drop.

A reader that is added belongs into READERS (`test_every_user_of_the_client_is_here` finds it).
"""

from __future__ import annotations

import gzip
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
import trio

import edged
from edged.admission.host import traces
from edged.admission.host.traces import Traces
from edged.errors import PeerError
from edged.http.answers import HEAD_BYTES
from edged.http.client import AnswerTooLarge, ConnectFailed, Pace, Transport, connect
from edged.kube import lean
from edged.kube.client import ANSWER_BYTES, ApiClient
from edged.kube.lean import LeanPool
from edged.registry import http as registry_http
from edged.registry.http import Http
from edged.registry.sources import Sources
from edged.scheduling.config.config_sections import parse_extenders
from edged.scheduling.run.extender_requests import MOST_ANSWER_BYTES, HttpExtender
from edged.telemetry.otlp_settings import Settings
from tests.kube.support import quiet, session_for
from tests.scheduling.makers import node_info, pod_info

SHORT_S = 0.4
SLACK = 16 << 20
"""What the buffers of two sockets may hold."""
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
K = b"x" * 1024
PARTS = {
    "blank lines": (b"", b"\r\n" * 512),
    "status line": (b"HTTP/1.1 200 ", K),
    "header": (OK + b"A: ", K),
    "headers": (OK, b"Set-Cookie: a=b\r\n" * 60),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\nA: b\r\n\r\n" * 30),
    "interim headers": (b"HTTP/1.1 103 Early Hints\r\n", b"Link: x\r\n" * 100),
    "chunk size": (CHUNKED, b"0" * 1024),
    "chunk extension": (CHUNKED + b"1;", K),
    "trailers": (CHUNKED + b"1\r\nx\r\n0\r\n", b"a: b\r\n" * 150),
    "body": (OK + b"\r\n", K * 16),
    "body in chunks": (CHUNKED, b"4000\r\n" + K * 16 + b"\r\n"),
    "body of an error": (b"HTTP/1.1 500 No\r\n\r\n", K * 16),
    "body of a refusal": (b"HTTP/1.1 401 No\r\n\r\n", K * 16),
    "body of a redirect": (b"HTTP/1.1 302 Found\r\nLocation: http://[::1\r\n\r\n", K * 16),
}


class Endless:
    """Answers every request with `begin`, and then `more` again and again, all at once or every 5 ms a byte."""

    def __init__(self, begin: bytes, more: bytes, *, drips: bool = False) -> None:
        self._begin, self._more, self._drips = begin, more, drips
        self.sent = 0
        self.url = ""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        async with trio.open_nursery() as nursery:
            listeners: Any = await nursery.start(trio.serve_tcp, self._answer, 0)
            self.url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
            task_status.started()

    async def _answer(self, stream: trio.SocketStream) -> None:
        try:
            async with stream:
                await stream.receive_some(65536)
                await stream.send_all(self._begin)
                while True:
                    await self._send(stream)
        except trio.BrokenResourceError:
            pass

    async def _send(self, stream: trio.SocketStream) -> None:
        if not self._drips:
            await stream.send_all(self._more)
            self.sent += len(self._more)
            return
        for number in range(len(self._more)):
            await stream.send_all(self._more[number : number + 1])
            await trio.sleep(0.005)


# --- the readers; each raises PeerError


async def api_request(url: str) -> None:
    api = ApiClient(session_for(url))
    try:
        await api.request("GET", "/api/v1/pods", timeout_s=SHORT_S)
    finally:
        await api.aclose()


async def api_stream(url: str) -> None:
    api = ApiClient(session_for(url))
    try:
        async with api.stream("/api/v1/pods", {}, end_after_s=SHORT_S, open_timeout_s=SHORT_S) as lines:
            while await lines.batch():
                pass
        raise PeerError("the stream was ended")
    finally:
        await api.aclose()


async def small_writes(url: str) -> None:
    pool = LeanPool(ApiClient(session_for(url)))
    await pool.request("POST", "/api/v1/pods", b"{}", timeout_s=SHORT_S)


async def extender(url: str) -> None:
    entry = {"urlPrefix": url, "filterVerb": "filter", "weight": 1, "httpTimeout": f"{SHORT_S}s"}
    asked = HttpExtender(parse_extenders([entry])[0], None)  # type: ignore[arg-type]
    try:
        await asked.filter(pod_info("a"), [node_info("n")])
    finally:
        await asked.aclose()


async def collector(url: str) -> None:
    async with httpx2.AsyncClient(transport=Transport(None), timeout=None, trust_env=False) as http:
        problem, _ = await Traces(Settings(url=url, timeout_s=SHORT_S), quiet())._post(http, b"")
    if problem:
        raise PeerError(problem)


async def registry(url: str) -> None:
    async with Http(Sources()) as http:
        await http.request("GET", url, limit=1 << 20)


async def registry_by_proxy(url: str) -> None:
    async with Http(Sources(http_proxy=url)) as http:
        await http.request("GET", "http://registry.example/v2/", limit=1 << 20)


READERS: dict[Callable[[str], Awaitable[None]], int] = {
    api_request: ANSWER_BYTES,
    api_stream: 100 << 20,  # what can be sent meanwhile; it is not kept
    small_writes: lean.MOST_BYTES,
    extender: MOST_ANSWER_BYTES,
    collector: traces.MOST_ANSWER_BYTES,
    registry: 1 << 20,
    registry_by_proxy: 1 << 20,
}
"""With the most bytes of a body that each takes."""


async def ends(reader: Callable[[str], Awaitable[None]], server: Endless) -> float:
    """How long it took until the reader gave up with an error of ours."""
    begun = time.monotonic()
    async with trio.open_nursery() as nursery:
        await nursery.start(server.run)
        with trio.fail_after(20), pytest.raises(PeerError) as caught:
            await reader(server.url)
        assert len(str(caught.value)) < 2000
        nursery.cancel_scope.cancel()
    return time.monotonic() - begun


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
def test_no_reader_takes_an_answer_without_end(
    reader: Callable[[str], Awaitable[None]], part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_http, "SILENCE_S", 5.0)
    server = Endless(*PARTS[part])
    trio.run(ends, reader, server)

    most = READERS[reader] if part.startswith("body") else HEAD_BYTES
    if reader is not registry_by_proxy or part.startswith("body"):  # h11 has bounds of its own, of single events
        assert server.sent <= most + SLACK


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
def test_no_reader_waits_for_drops(
    reader: Callable[[str], Awaitable[None]], part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_http, "SILENCE_S", SHORT_S)
    monkeypatch.setattr(registry_http, "DOWNLOAD_PACE", Pace(30_000, SHORT_S))
    server = Endless(*PARTS[part], drips=True)

    assert trio.run(ends, reader, server) < 10 * SHORT_S


def test_every_user_of_the_client_is_here() -> None:
    root = Path(edged.__file__).parent
    users = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if re.search(r"http\.client import .*(Transport|connect)\b", path.read_text())
    }

    assert users == {
        "kube/client.py", "kube/lean.py", "registry/http.py", "scheduling/run/extender_requests.py",
        "admission/host/traces.py",
    }  # fmt: skip


# --- the transport


async def answered(reply: bytes, **options: Any) -> Any:
    """What httpx2 makes of an answer."""

    async def serve(stream: trio.SocketStream) -> None:
        await stream.receive_some(65536)
        await stream.send_all(reply)
        await stream.send_eof()

    response: Any = None
    async with trio.open_nursery() as nursery:
        listeners: Any = await nursery.start(trio.serve_tcp, serve, 0)
        url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/"
        async with httpx2.AsyncClient(transport=Transport(None), timeout=None, trust_env=False) as http:
            try:
                response = await http.get(url, **options)
            except httpx2.TransportError as error:
                response = error
        assert not http.cookies
        nursery.cancel_scope.cancel()
    if isinstance(response, Exception):
        raise response
    return response


def test_cookies_are_not_kept() -> None:
    response = trio.run(answered, OK + b"Set-Cookie: a=b\r\nContent-Length: 2\r\n\r\nok")

    assert response.content == b"ok" and "set-cookie" not in response.headers


def test_a_packed_answer_is_not_unpacked() -> None:
    with pytest.raises(httpx2.TransportError, match="compressed"):
        trio.run(answered, OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(bytes(1 << 20)))


def test_an_error_of_ours_names_the_bound() -> None:
    async def main() -> None:
        await answered(OK + b"Content-Length: 11\r\n\r\n" + b"x" * 11, extensions={"most_bytes": 10})

    with pytest.raises(AnswerTooLarge, match="more than 10 bytes"):
        trio.run(main)


@pytest.mark.parametrize("host", ["a..b", "a" * 300, "-", "a\0b", "\ud800", "[", "::", "", "é" * 70])
@pytest.mark.parametrize("port", [80, 65536, -1, 10**30])
def test_hosts_and_ports_that_are_none(host: str, port: int) -> None:
    if host == "" and port == 80:
        return  # this machine

    async def main() -> None:
        with trio.fail_after(5):
            await connect(host, port, None)

    with pytest.raises(ConnectFailed):
        trio.run(main)


def test_large_answers_come_one_after_the_other() -> None:
    """Eight at once would take eight times as much memory."""
    size, piece = 20 << 20, bytes(1 << 16)
    half_sent = 0
    most_half_sent = 0

    async def serve(stream: trio.SocketStream) -> None:
        nonlocal half_sent, most_half_sent
        await stream.receive_some(65536)
        await stream.send_all(OK + b"Content-Length: %d\r\n\r\n" % size)
        for number in range(size // len(piece)):
            if number == 200:  # more than the buffers of the sockets and LARGE_BYTES
                half_sent += 1
                most_half_sent = max(most_half_sent, half_sent)
            await stream.send_all(piece)
        half_sent -= 1

    async def main() -> None:
        async with trio.open_nursery() as nursery, Transport(None) as transport:
            listeners: Any = await nursery.start(trio.serve_tcp, serve, 0)
            url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/"

            async def get() -> None:
                request = httpx2.Request("GET", url, extensions={"most_bytes": size})
                response = await transport.handle_async_request(request)
                assert len(await response.aread()) == size

            async with trio.open_nursery() as readers:
                for _ in range(4):
                    readers.start_soon(get)
            nursery.cancel_scope.cancel()

    trio.run(main)
    assert most_half_sent == 1
