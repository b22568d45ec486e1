"""The fake API server answers as it says: over a bare socket, without any of our client code."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
import trio

from tests.fakes.apiserver import (
    CutAfter,
    Drop,
    FakeApiServer,
    Fault,
    Lines,
    OneByteAtATime,
    Plain,
    Silence,
    Status,
)

PATH = "/api/v1/things"


class Server(FakeApiServer):
    """Knows its clients, to close them in the end."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.clients: list[trio.SocketStream] = []


@contextlib.asynccontextmanager
async def running(**options: Any) -> AsyncIterator[Server]:
    server = Server(**options)
    server.collection(PATH, "Thing")
    async with trio.open_nursery() as nursery:
        await nursery.start(server.run)
        yield server
        for client in server.clients:
            await client.aclose()
        nursery.cancel_scope.cancel()


class Wire:
    """A client that shows what comes over the wire."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.got = b""

    async def send(self, target: str, method: str = "GET", body: bytes = b"") -> None:
        head = f"{method} {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        await self.stream.send_all(head.encode() + body)

    async def until(self, text: bytes) -> bytes:
        """Everything up to and including `text`."""
        while text not in self.got:
            data = await self.stream.receive_some()
            assert data, f"ended after {self.got!r}"
            self.got += data
        head, _, self.got = self.got.partition(text)
        return head + text

    async def answer(self) -> tuple[int, Any]:
        head = await self.until(b"\r\n\r\n")
        size = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
        while len(self.got) < size:
            self.got += await self.stream.receive_some()
        body, self.got = self.got[:size], self.got[size:]
        return int(head.split()[1]), orjson.loads(body)

    async def rest(self) -> bytes:
        """Everything until the server closes."""
        with contextlib.suppress(trio.BrokenResourceError):
            while data := await self.stream.receive_some():
                self.got += data
        return self.got


async def wire(server: Server) -> Wire:
    stream = await trio.open_tcp_stream("127.0.0.1", int(server.url.rsplit(":", 1)[1]))
    server.clients.append(stream)
    return Wire(stream)


def run(main: Any) -> None:
    async def bounded() -> None:
        with trio.fail_after(10):
            await main()

    trio.run(bounded)


def test_lists_in_pages_and_keeps_connections() -> None:
    async def main() -> None:
        async with running() as server:
            for name in "cab":
                server.put(PATH, name, "ns")
            client = await wire(server)
            await client.send(f"{PATH}?limit=2")
            code, page = await client.answer()
            assert code == 200 and page["kind"] == "ThingList" and "kind" not in page["items"][0]
            assert [item["metadata"]["name"] for item in page["items"]] == ["a", "b"]
            await client.send(f"{PATH}?limit=2&continue={page['metadata']['continue']}")
            _, page = await client.answer()
            assert [item["metadata"]["name"] for item in page["items"]] == ["c"]
            assert page["metadata"] == {"resourceVersion": str(server.revision)}
            await client.send("/nothing")
            assert (await client.answer())[0] == 404
            assert server.accepted_connections == 1 and len(server.requests) == 3

    run(main)


def test_watches_from_a_revision() -> None:
    async def main() -> None:
        async with running() as server:
            server.put(PATH, "a")
            client = await wire(server)
            await client.send(f"{PATH}?watch=true&resourceVersion={server.revision}")
            server.put(PATH, "b")
            assert b'"ADDED"' in await client.until(b"}\n\r\n")
            server.put(PATH, "a")
            assert b'"MODIFIED"' in await client.until(b"}\n\r\n")
            server.bookmark(PATH)
            assert b'"BOOKMARK"' in await client.until(b"}\n\r\n")
            server.delete(PATH, "a")
            seen = await client.until(b"}\n\r\n")
            assert b'"DELETED"' in seen and str(server.revision).encode() in seen
            server.compact()
            other = await wire(server)
            await other.send(f"{PATH}?watch=true&resourceVersion=5")
            assert b'"code":410' in await other.until(b"0\r\n\r\n")

    run(main)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("offer", b"initial-events-end"), ("ignore", b'"ADDED"'), ("refuse", b"HTTP/1.1 422")],
)
def test_streamed_lists(mode: str, expected: bytes) -> None:
    async def main() -> None:
        async with running(watch_list=mode) as server:
            server.put(PATH, "a")
            client = await wire(server)
            await client.send(f"{PATH}?watch=true&sendInitialEvents=true")
            seen = await client.until(expected)
            assert mode == "refuse" or b"200 OK" in seen

    run(main)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Drop(), b""),
        (CutAfter(3), b'{"k'),
        (Plain(b"hello", 418), b"hello"),
        (Status(429, "Busy", "x", (("Retry-After", "9"),)), b"Retry-After: 9"),
    ],
)
def test_spoiled_lists(fault: Fault, expected: bytes) -> None:
    async def main() -> None:
        async with running() as server:
            server.script("list", fault)
            client = await wire(server)
            await client.send(PATH)
            if isinstance(fault, (Drop, CutAfter)):
                assert (await client.rest()).endswith(expected)
            else:
                await client.until(expected)
                client = await wire(server)
            await client.stream.aclose()
            client = await wire(server)
            await client.send(PATH)
            assert (await client.answer())[0] == 200  # only one was spoiled

    run(main)


def test_spoiled_watches() -> None:
    async def main() -> None:
        async with running() as server:
            server.put(PATH, "a")
            server.script("watch", Silence(), Lines((b"x", b"y")), OneByteAtATime(5))
            client = await wire(server)
            await client.send(f"{PATH}?watch=1")
            await client.until(b"chunked\r\n\r\n")
            server.release_silent()
            assert await client.rest() == b""
            client = await wire(server)
            await client.send(f"{PATH}?watch=1")
            await client.until(b"4\r\nx\ny\n\r\n0\r\n\r\n")
            await client.send(f"{PATH}?watch=1")
            await client.until(b'\r\n5\r\n{"typ\r\n5\r\n')

    run(main)


def test_crash_and_restart_on_the_same_port() -> None:
    async def main() -> None:
        async with running() as server:
            url = server.url
            client = await wire(server)
            await client.send(f"{PATH}?watch=1")
            await client.until(b"\r\n\r\n")
            server.stop()
            await client.rest()
            with pytest.raises(OSError):
                await wire(server)
            await server.start()
            client = await wire(server)
            await client.send(PATH)
            assert (await client.answer())[0] == 200 and server.url == url

    run(main)


def test_token_and_scripted_answers() -> None:
    async def main() -> None:
        async with running() as server:
            server.answers["POST", "/x"] = lambda request: (201, request.json())
            client = await wire(server)
            await client.send("/x", "POST", b'{"a":1}')
            assert await client.answer() == (201, {"a": 1})
            server.token = "t"
            await client.send(PATH)
            assert (await client.answer())[0] == 401

    run(main)
