"""HTTP/1.1 connections to servers: trio carries, answers.py reads; and the httpx2 transport made of them.

Why not httpx2's own transport: it imports three more packages (1.6 MB that would never be given back), costs
several times the CPU time, and leaves generators open when a stream is left early. Requests, authentication
and redirect policy stay httpx2's. lean.py uses the same connections without httpx2.

Answers are bounded, whoever sends them: API servers, registries, extenders, collectors of traces. A body that is read
as a whole has BODY_BYTES at most; of those of more than LARGE_BYTES one transport reads one at a time. A caller that
takes a body as it comes says STREAMED, and bounds it. Cookies are not kept.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping

import httpx2
import trio

from edged.http.answers import BODY_BYTES, Answer, BadAnswer, TooLarge
from edged.records import dataclass

CONNECT_TIMEOUT_S = 10.0
RECEIVE_BYTES = 64 << 10
LARGE_BYTES = 1 << 20
MOST_BYTES = "most_bytes"
"""Key of a request's extensions: how large the body of its answer may be."""
STREAMED: Mapping[str, int | None] = {MOST_BYTES: None}
"""Extensions of a request whose answer is taken as it comes."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How slowly a body may come: at least so many bytes in each stretch of so many seconds."""

    bytes: int
    seconds: float


DOWNLOAD_PACE = Pace(30_000, 30.0)
"""No line that carries container images is slower; a server that sends a byte now and then is."""

_NOT_FOR_HTTPX = (b"set-cookie", b"content-encoding")
"""It would keep the first for ever, and unpack what the second says to any size."""


class ConnectFailed(Exception):
    """No connection: refused, unreachable, timed out, certificate not accepted. The cause is chained."""


class Broken(Exception):
    """The connection broke during a request, or what came is not HTTP."""

    def __init__(self, text: str, *, nothing_received: bool) -> None:
        super().__init__(text)
        self.nothing_received = nothing_received


class AnswerTooLarge(httpx2.TransportError):
    """A bound of answers.py was exceeded. Asking again would bring the same."""


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

    async def send(self, data: bytes, most_bytes: int | None = BODY_BYTES) -> Answer:
        """Send a whole request. Raises Broken, as the other methods do. `most_bytes` as for Answer."""
        self.reusable = self._received = False
        try:
            await self._stream.send_all(data)
        except trio.BrokenResourceError as error:
            raise Broken(str(error) or "connection broke", nothing_received=True) from error
        return Answer(most_bytes)

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
        except BadAnswer as error:
            raise Broken(str(error), nothing_received=False) from error
        if answer.complete:
            self.reusable = answer.keeps_open
            answer.forget_parser()

    async def aclose(self) -> None:
        """At once, without the farewells of TLS; also for a task that is cancelled."""
        with trio.CancelScope(shield=True):
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
    except (OSError, trio.BrokenResourceError, ValueError, OverflowError) as error:
        # The last two: a host that is no name, as in `http://a..b` or of 300 characters; a port beyond 65535.
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
        self._large = trio.Semaphore(1, max_value=1)  # held by whoever reads a large body as a whole
        self._closed = False

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        most_bytes = request.extensions.get(MOST_BYTES, BODY_BYTES)
        data = _serialized(request, await request.aread())
        connection = await self._take(request.url)
        try:
            answer = await connection.send(data, most_bytes)
            while not answer.begun:
                await connection.receive(answer)
        except Broken as error:
            await connection.aclose()
            raise _broken(error) from error
        except BaseException:
            await connection.aclose()
            raise
        body: _Body
        if most_bytes is None:
            body = _Stream(self, connection, answer)
        else:
            body = _Whole(self, connection, answer, self._large)
        headers = [(name, value) for name, value in answer.headers if name.lower() not in _NOT_FOR_HTTPX]
        return httpx2.Response(answer.status, headers=headers, stream=body, request=request)

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
    """The body of one answer."""

    def __init__(self, transport: Transport, connection: Connection, answer: Answer) -> None:
        self._transport = transport
        self._connection: Connection | None = connection
        self._answer = answer

    async def _receive(self) -> None:
        try:
            if self._connection is not None:
                await self._connection.receive(self._answer)
        except Broken as error:
            raise _broken(error) from error

    def _taken(self) -> bytes:
        data = bytes(self._answer.body)
        self._answer.body.clear()
        return data

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._answer.forget_parser()
            await self._transport.give_back(connection)


class _Whole(_Body):
    """In one piece: many small ones in a list would take many times their size. `large` is held from LARGE_BYTES on."""

    def __init__(
        self, transport: Transport, connection: Connection, answer: Answer, large: trio.Semaphore
    ) -> None:
        super().__init__(transport, connection, answer)
        self._large = large
        self._holds = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while not self._answer.complete and self._connection is not None:
            if len(self._answer.body) > LARGE_BYTES and not self._holds:
                await self._large.acquire()
                self._holds = True
            await self._receive()
        yield self._taken()

    async def aclose(self) -> None:
        if self._holds:
            self._holds = False
            self._large.release()
        await super().aclose()


class _Stream(_Body):
    """As it comes."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            if data := self._taken():
                yield data
            if self._answer.complete or self._connection is None:
                return
            await self._receive()


class Paced:
    """The pieces of a body, from whoever keeps the pace. Only the time that is waited here counts: their taker may be
    slow."""

    def __init__(self, pieces: AsyncIterator[bytes], pace: Pace = DOWNLOAD_PACE) -> None:
        self._pieces = pieces
        self._pace = pace
        self._came, self._waited_s = 0, 0.0  # in this stretch

    async def next(self) -> bytes:
        """The next piece, b"" at the end. Raises httpx2.HTTPError."""
        pace, begun = self._pace, trio.current_time()
        with trio.CancelScope(deadline=begun + pace.seconds - self._waited_s) as scope:
            piece = await anext(self._pieces, b"")
        if scope.cancelled_caught:
            raise httpx2.ReadTimeout(self._too_slow())
        self._came += len(piece)
        self._waited_s += trio.current_time() - begun
        if self._came >= pace.bytes:
            self._came, self._waited_s = 0, 0.0
        return piece

    def _too_slow(self) -> str:
        least = f"less than {self._pace.bytes} bytes" if self._came else "no data"
        return f"{least} for {self._pace.seconds:g} s"


def _broken(error: Broken) -> httpx2.TransportError:
    if isinstance(error.__cause__, TooLarge):
        return AnswerTooLarge(str(error))
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
