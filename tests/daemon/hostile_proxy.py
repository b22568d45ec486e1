"""Stands between a daemon and its API server, and puts in what no API server should say.

What the daemon asks goes on to the real one, so that everything works meanwhile. `pester` puts lines into the watches
that are open; `extra` are texts of objects that are put into every list of that collection; `spoil` changes the next
answers to requests of a method; `refuse_streams` names collections that are to be read in pages.
"""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

from edged.http.answers import Answer, BadAnswer
from edged.http.client import Broken, Connection, connect

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_ITEMS = re.compile(rb'"items":\s*\[')


@dataclass
class Proxy:
    """`run` serves on a port of its own, in the clear."""

    upstream_port: int
    port: int = 0
    extra: dict[str, list[bytes]] = field(default_factory=dict)
    refuse_streams: set[str] = field(default_factory=set)
    seen: Counter[tuple[str, str]] = field(default_factory=Counter)
    spoiled: int = 0
    _streams: dict[str, list[_Lines]] = field(default_factory=dict)
    _spoils: list[tuple[str, Callable[[bytes], bytes]]] = field(default_factory=list)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.port = listeners[0].socket.getsockname()[1]
        task_status.started()
        await trio.serve_listeners(self._serve, listeners)

    def watched(self) -> set[str]:
        """The paths of the collections of which a watch is open."""
        return {path for path, streams in self._streams.items() if streams}

    async def pester(self, path: str, lines: Iterable[bytes]) -> None:
        """Put these lines into each watch of a collection."""
        text = b"".join(line.replace(b"\n", b" ") + b"\n" for line in lines)
        for stream in tuple(self._streams.get(path, ())):
            await stream.put(text)

    def spoil(self, method: str, spoilt: Callable[[bytes], bytes], times: int) -> None:
        """Answer the next requests of that method with what `spoilt` makes of the true answer."""
        self._spoils += [(method, spoilt)] * times

    def unspoil(self) -> None:
        """Answer truly again."""
        self._spoils.clear()

    async def _serve(self, stream: trio.SocketStream) -> None:
        try:
            async with stream:
                while (request := await _request(stream)) is not None:
                    await self._answer(stream, request)
        except (trio.BrokenResourceError, Broken, BadAnswer):
            pass

    async def _answer(self, stream: trio.SocketStream, request: bytes) -> None:
        method, target, _ = request.partition(b"\r\n")[0].decode().split(" ", 2)
        path, _, query = target.partition("?")
        self.seen[method, path] += 1
        if method == "GET" and "watch=true" in query:
            if "sendInitialEvents" in query and path in self.refuse_streams:
                await _send(stream, 422, b'{"kind":"Status","code":422}')
            else:
                await self._watch(stream, request, path)
            return
        async with self._asked(request) as (answer, connection):
            while not answer.complete:
                await connection.receive(answer)
        with_extra = self.extra.get(path) if method == "GET" else None
        body = bytes(answer.body)
        if with_extra and (items := _ITEMS.search(body)):
            rest = body[items.end() :]
            glue = b"" if rest.lstrip().startswith(b"]") else b","
            body = body[: items.end()] + b",".join(with_extra) + glue + rest
        await _send(stream, answer.status, self._spoilt(method, body))

    def _spoilt(self, method: str, body: bytes) -> bytes:
        for number, (of, spoilt) in enumerate(self._spoils):
            if of == method:
                del self._spoils[number]
                self.spoiled += 1
                return spoilt(body)
        return body

    @asynccontextmanager
    async def _asked(self, request: bytes) -> AsyncIterator[tuple[Answer, Connection]]:
        """The true answer, as far as it has come, and the connection that it comes from."""
        connection = await connect("127.0.0.1", self.upstream_port, None)
        try:
            answer = await connection.send(request, None)
            while not answer.begun:
                await connection.receive(answer)
            yield answer, connection
        finally:
            await connection.aclose()

    async def _watch(self, stream: trio.SocketStream, request: bytes, path: str) -> None:
        async with self._asked(request) as (answer, connection):
            if answer.status == 200:
                lines = _Lines(stream)
                open_streams = self._streams.setdefault(path, [])
                open_streams.append(lines)
                try:
                    await stream.send_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                    await lines.follow(connection, answer)
                finally:
                    open_streams.remove(lines)
                return
            while not answer.complete:
                await connection.receive(answer)
        await _send(stream, answer.status, bytes(answer.body))


class _Lines:
    """One open watch, as the daemon gets it: whole lines, the true ones and others."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._lock = trio.Lock()

    async def put(self, text: bytes) -> None:
        async with self._lock:
            with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):  # the daemon had enough of it
                await self._stream.send_all(b"%x\r\n" % len(text) + text + b"\r\n")

    async def follow(self, connection: Connection, answer: Answer) -> None:
        """Until either side ends it."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._until_hung_up, nursery.cancel_scope)
            while not answer.complete:
                end = answer.body.rfind(b"\n") + 1
                if end:
                    text = bytes(answer.body[:end])
                    del answer.body[:end]
                    await self.put(text)
                await connection.receive(answer)
            nursery.cancel_scope.cancel()
        async with self._lock:
            await self._stream.send_all(b"0\r\n\r\n")

    async def _until_hung_up(self, scope: trio.CancelScope) -> None:
        await trio.lowlevel.wait_readable(self._stream.socket)  # nothing comes there but the end
        scope.cancel()


async def _request(stream: trio.SocketStream) -> bytes | None:
    received = b""
    while (end := received.find(b"\r\n\r\n")) < 0:
        data = await stream.receive_some(65536)
        if not data:
            return None
        received += data
    length = _LENGTH.search(received, 0, end + 2)
    missing = end + 4 + (int(length[1]) if length else 0) - len(received)
    while missing > 0:
        data = await stream.receive_some(65536)
        if not data:
            return None
        received += data
        missing -= len(data)
    return received


async def _send(stream: trio.SocketStream, status: int, body: bytes) -> None:
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    await stream.send_all(head.encode() + body)
