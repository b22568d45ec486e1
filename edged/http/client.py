"""HTTP/1.1 connections to the API server: httptools parses, trio carries; and the httpx2 transport made of
them.

Why not httpx2's own transport: it imports three more packages (1.6 MB that would never be given back), costs
several times the CPU time, and leaves generators open when a stream is left early. Requests, authentication
and redirect policy stay httpx2's. lean.py uses the same connections without httpx2.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator

import httptools
import httpx2
import trio

CONNECT_TIMEOUT_S = 10.0
RECEIVE_BYTES = 64 << 10


class ConnectFailed(Exception):
    """No connection: refused, unreachable, timed out, certificate not accepted. The cause is chained."""


class Broken(Exception):
    """The connection broke during a request, or what came is not HTTP."""

    def __init__(self, text: str, *, nothing_received: bool) -> None:
        super().__init__(text)
        self.nothing_received = nothing_received


class Answer:
    """One response as httptools reports it; its `on_` methods are the parser's callbacks."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = bytearray()  # what was received and not taken yet
        self.begun = False
        self.complete = False
        self.keeps_open = False
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)

    def feed(self, data: bytes | bytearray) -> None:
        assert self._parser is not None
        self._parser.feed_data(data)

    def ends_with_connection(self) -> bool:
        """No length was given: the end of the connection is the end of the body."""
        names = {name.lower() for name, _ in self.headers}
        return self.begun and not names & {b"content-length", b"transfer-encoding"}

    def forget_parser(self) -> None:
        """It holds this object's methods: without this every request would leave a cycle to the collector."""
        self._parser = None

    def on_message_begin(self) -> None:
        self.headers.clear()  # of an interim answer

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        self.status = self._parser.get_status_code()
        self.begun = self.status >= 200  # 100 and 103 are not the answer that was waited for

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        assert self._parser is not None
        self.complete = self.begun
        self.keeps_open = self._parser.should_keep_alive()  # true only in this callback


class Connection:
    """One stream, one request at a time. Cancelled midway it must be closed; `reusable` says when it need
    not."""

    def __init__(self, stream: trio.abc.Stream, socket: trio.socket.SocketType) -> None:
        self.reused = False
        self.reusable = False
        self._stream = stream
        self._socket = socket
        self._received = False

    def closed_by_server(self) -> bool:
        """An idle connection has nothing to read but its end."""
        return self._socket.is_readable()

    async def send(self, data: bytes) -> Answer:
        """Send a whole request. Raises Broken, as the other methods do."""
        self.reusable = self._received = False
        try:
            await self._stream.send_all(data)
        except trio.BrokenResourceError as error:
            raise Broken(str(error) or "connection broke", nothing_received=True) from error
        return Answer()

    async def receive(self, answer: Answer) -> None:
        """Read on, once; `answer` knows what came."""
        try:
            data = await self._stream.receive_some(RECEIVE_BYTES)
            if data:
                self._received = True
                answer.feed(data)
            elif answer.ends_with_connection():
                answer.complete = True
            else:
                raise Broken("connection closed by the server", nothing_received=not self._received)
        except trio.BrokenResourceError as error:
            raise Broken(str(error) or "connection broke", nothing_received=not self._received) from error
        except httptools.HttpParserError as error:
            raise Broken(f"answer is not HTTP: {error}", nothing_received=False) from None
        if answer.complete:
            self.reusable = answer.keeps_open
            answer.forget_parser()

    async def aclose(self) -> None:
        """At once, without the farewells of TLS."""
        await trio.aclose_forcefully(self._stream)


async def connect(
    host: str, port: int, ssl_context: ssl.SSLContext | None, server_name: str = ""
) -> Connection:
    """`server_name`: what the certificate has to say instead of `host`. Raises ConnectFailed."""
    try:
        with trio.fail_after(CONNECT_TIMEOUT_S):
            tcp = await trio.open_tcp_stream(host, port)
            if ssl_context is None:
                return Connection(tcp, tcp.socket)
            return Connection(await _secure(tcp, server_name or host, ssl_context), tcp.socket)
    except trio.TooSlowError as error:
        raise ConnectFailed(f"no connection within {CONNECT_TIMEOUT_S:g} s") from error
    except (OSError, ValueError, trio.BrokenResourceError) as error:  # ValueError: nothing can be called that
        raise ConnectFailed(str(error)) from error


async def _secure(
    tcp: trio.SocketStream, host: str, ssl_context: ssl.SSLContext
) -> trio.SSLStream[trio.SocketStream]:
    stream = trio.SSLStream(tcp, ssl_context, server_hostname=host, https_compatible=True)
    try:
        await stream.do_handshake()
    except BaseException:
        await trio.aclose_forcefully(tcp)
        raise
    return stream


class Transport(httpx2.AsyncBaseTransport):
    """httpx2's requests over these connections, to one server. As many as are asked for; `keep` stay open."""

    def __init__(
        self, ssl_context: ssl.SSLContext | None, *, keep: int = 4, server_name: str = ""
    ) -> None:
        self._ssl_context = ssl_context
        self._server_name = server_name
        self._keep = keep
        self._idle: list[Connection] = []
        self._closed = False

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        data = _serialized(request, await request.aread())
        connection = await self._take(request.url)
        try:
            answer = await connection.send(data)
            while not answer.begun:
                await connection.receive(answer)
        except Broken as error:
            await connection.aclose()
            raise _broken(error) from error
        except BaseException:
            await connection.aclose()
            raise
        return httpx2.Response(
            answer.status, headers=answer.headers, stream=_Body(self, connection, answer), request=request
        )

    async def aclose(self) -> None:
        self._closed = True
        while self._idle:
            await self._idle.pop().aclose()

    async def give_back(self, connection: Connection) -> None:
        """A connection whose answer was read, or whose reader has had enough."""
        if connection.reusable and not self._closed and len(self._idle) < self._keep:
            self._idle.append(connection)
        else:
            await connection.aclose()

    async def _take(self, url: httpx2.URL) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed_by_server():
                connection.reused = True
                return connection
            await connection.aclose()
        try:
            return await self.open(url.host, url.port or (443 if self._ssl_context is not None else 80))
        except ConnectFailed as error:
            raise httpx2.ConnectError(str(error)) from error

    async def open(self, host: str, port: int) -> Connection:
        """A new connection. Raises ConnectFailed."""
        return await connect(host, port, self._ssl_context, self._server_name)


class _Body(httpx2.AsyncByteStream):
    """The body of one answer, as it comes."""

    def __init__(self, transport: Transport, connection: Connection, answer: Answer) -> None:
        self._transport = transport
        self._connection: Connection | None = connection
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        answer = self._answer
        while True:
            if answer.body:
                data = bytes(answer.body)
                answer.body.clear()
                yield data
            if answer.complete or self._connection is None:
                return
            try:
                await self._connection.receive(answer)
            except Broken as error:
                raise _broken(error) from error

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._answer.forget_parser()
            await self._transport.give_back(connection)


def _broken(error: Broken) -> httpx2.TransportError:
    return httpx2.RemoteProtocolError(str(error))


def _serialized(request: httpx2.Request, body: bytes) -> bytes:
    """The bytes of a request. A header that would become two is refused: a token may hold a stray newline."""
    if request.method == "HEAD":
        raise httpx2.UnsupportedProtocol("HEAD is not spoken here")
    parts = [request.method.encode("ascii"), b" ", request.url.raw_path, b" HTTP/1.1\r\n"]
    for name, value in request.headers.raw:
        if b"\n" in value or b"\r" in value:
            raise httpx2.LocalProtocolError(f"header {name.decode('latin-1')} contains a line break")
        parts += [name, b": ", value, b"\r\n"]
    return b"".join([*parts, b"\r\n", body])
