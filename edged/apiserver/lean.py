"""Few lean keep-alive connections to the API server for small frequent writes: bindings and events.

A request through httpx2 costs about six times the CPU time of one here (tests/apiserver/measure_writes.py):
one write, one parse by httptools, no connection pool, no redirects, no cookies. Address, TLS context and
credentials are those of the ApiClient's session; everything ordinary goes through the ApiClient.
"""

from __future__ import annotations

import re

import httptools
import httpx2
import trio

from edged.apiserver.client import ApiClient, NoAnswer, Session, cause_of, error_of

CONNECT_TIMEOUT_S = 10.0
RECEIVE_BYTES = 16 << 10
MAX_BODY_BYTES = 4 << 20
AUTHORIZATION_AGE_S = 60.0
_PATH = re.compile(r"/[!-~]*")  # what may stand in a request line: printable ASCII without space


class LeanPool:
    """`connections` connections, each with one request at a time; callers beyond that queue, first come first
    served. Connections are opened when needed and kept until the server closes them or the session
    changes."""

    def __init__(self, client: ApiClient, *, connections: int = 8) -> None:
        self._client = client
        self._places = trio.Semaphore(connections, max_value=connections)
        self._idle: list[_Connection] = []
        self._authorization: tuple[Session, float, str] | None = None

    async def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        content_type: str = "application/json",
        repeatable: bool = False,
        timeout_s: float = 10.0,
    ) -> bytes:
        """Send one request; the body of its answer. Raises ApiError, NoAnswer, NotConfigured.

        A connection that the server closed while it was idle is replaced and the request sent again, if
        `repeatable` says that doing it twice does no harm (a binding answers 409 the second time); nothing is
        repeated once a byte of an answer was received.
        """
        if not _PATH.fullmatch(path):
            raise ValueError(f"not a URL path: {path!r}")
        with trio.move_on_after(timeout_s):
            async with self._places:
                answer = await self._authorized(method, path, body, content_type, repeatable)
            if answer.status >= 300:
                raise error_of(answer.status, answer.headers, bytes(answer.body))
            return bytes(answer.body)
        raise NoAnswer(
            f"API server {self._client.server}: no answer to {method} {path} within {timeout_s:g} s"
        )

    async def aclose(self) -> None:
        """Close the idle connections; those in use are closed by whoever cancels their requests."""
        while self._idle:
            await self._idle.pop().aclose()

    @property
    def idle(self) -> int:
        """Open connections that wait for a request."""
        return len(self._idle)

    async def _authorized(
        self, method: str, path: str, body: bytes, content_type: str, repeatable: bool
    ) -> _Answer:
        session = self._client.session
        answer = await self._exchange(session, method, path, body, content_type, repeatable)
        if answer.status != 401:
            return answer
        before = await self._authorization_of(session)
        self._authorization = None
        renewed = await self._authorization_of(session, refresh=True) != before
        if renewed or await self._client.refresh(session):
            answer = await self._exchange(self._client.session, method, path, body, content_type, repeatable)
        return answer

    async def _exchange(
        self, session: Session, method: str, path: str, body: bytes, content_type: str, repeatable: bool
    ) -> _Answer:
        data = await self._head(session, method, path, len(body), content_type) + body
        while True:
            connection = await self._take(session)
            kept = False
            try:
                answer = await connection.exchange(data)
                kept = connection.reusable
                return answer
            except _Closed as closed:
                if not (closed.nothing_received and connection.reused and repeatable):
                    raise NoAnswer(f"API server {session.server}: {method} {path}: {closed}") from closed
            finally:
                await self._give_back(connection, kept)

    async def _take(self, session: Session) -> _Connection:
        """An idle connection that still lives, or a new one."""
        while self._idle:
            connection = self._idle.pop()
            if connection.session is session and not connection.closed_by_server():
                connection.reused = True
                return connection
            await connection.aclose()
        return await _connect(session)

    async def _give_back(self, connection: _Connection, kept: bool) -> None:
        if kept and not connection.session.retired:
            self._idle.append(connection)
        else:
            await connection.aclose()

    async def _head(self, session: Session, method: str, path: str, size: int, content_type: str) -> bytes:
        authorization = await self._authorization_of(session)
        return (
            f"{method} {session.path_prefix}{path} HTTP/1.1\r\nHost: {session.host}\r\n"
            f"User-Agent: edged\r\nAccept: application/json\r\n{authorization}"
            f"Content-Type: {content_type}\r\nContent-Length: {size}\r\n\r\n"
        ).encode("ascii")

    async def _authorization_of(self, session: Session, *, refresh: bool = False) -> str:
        """The header line with its end, "" without one. Tokens in files change, so it is asked for anew now
        and then."""
        now = trio.current_time()
        known = self._authorization
        if known is not None and known[0] is session and now < known[1] + AUTHORIZATION_AGE_S:
            return known[2]
        value = await session.authorization(refresh=refresh)
        line = f"Authorization: {value}\r\n" if value else ""
        self._authorization = (session, now, line)
        return line


class _Closed(Exception):
    """The connection broke during a request."""

    def __init__(self, text: str, nothing_received: bool) -> None:
        super().__init__(text)
        self.nothing_received = nothing_received


class _Answer:
    """One response as httptools reports it; its methods are the parser's callbacks."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.complete = False
        self.keeps_open = False
        self.parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)

    def feed(self, data: bytes | bytearray) -> None:
        assert self.parser is not None
        self.parser.feed_data(data)

    def forget_parser(self) -> None:
        """It holds this object's methods: without this every request would leave a cycle to the collector."""
        self.parser = None

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        assert self.parser is not None
        self.status = self.parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        # An interim answer (100, 103) is not the one that was waited for.
        assert self.parser is not None
        self.complete = self.status >= 200
        self.keeps_open = self.parser.should_keep_alive()  # true only in this callback


class _Connection:
    """One stream; `reusable` after a request whose answer was read to its end and which keeps it open."""

    def __init__(self, session: Session, stream: trio.abc.Stream, socket: trio.socket.SocketType) -> None:
        self.session = session
        self.reused = False
        self.reusable = False
        self._stream = stream
        self._socket = socket

    def closed_by_server(self) -> bool:
        """An idle connection has nothing to read but its end."""
        return self._socket.is_readable()

    async def exchange(self, data: bytes) -> _Answer:
        """Send a request and read its answer. Raises _Closed; cancelled midway, it is not reusable."""
        self.reusable = False
        answer = _Answer()
        received = False
        try:
            await self._stream.send_all(data)
            while not answer.complete:
                chunk = await self._stream.receive_some(RECEIVE_BYTES)
                if not chunk:
                    raise _Closed("connection closed by the server", not received)
                received = True
                answer.feed(chunk)
                if len(answer.body) > MAX_BODY_BYTES:
                    raise _Closed(f"answer of more than {MAX_BODY_BYTES} bytes", False)
        except trio.BrokenResourceError as error:
            raise _Closed(cause_of(error), not received) from error
        except httptools.HttpParserError as error:
            raise _Closed(f"answer is not HTTP: {error}", False) from error
        finally:
            answer.forget_parser()
        self.reusable = answer.keeps_open
        return answer

    async def aclose(self) -> None:
        await trio.aclose_forcefully(self._stream)


async def _connect(session: Session) -> _Connection:
    url = httpx2.URL(session.server)
    port = url.port or (443 if session.ssl_context is not None else 80)
    try:
        with trio.fail_after(CONNECT_TIMEOUT_S):
            tcp = await trio.open_tcp_stream(url.host, port)
            if session.ssl_context is None:
                return _Connection(session, tcp, tcp.socket)
            return _Connection(session, await _secure(session, url.host, tcp), tcp.socket)
    except (OSError, trio.BrokenResourceError, trio.TooSlowError) as error:
        raise NoAnswer(f"API server {session.server}: {cause_of(error)}") from error


async def _secure(session: Session, host: str, tcp: trio.SocketStream) -> trio.SSLStream[trio.SocketStream]:
    assert session.ssl_context is not None
    stream = trio.SSLStream(tcp, session.ssl_context, server_hostname=host, https_compatible=True)
    try:
        await stream.do_handshake()
    except BaseException:
        await trio.aclose_forcefully(tcp)
        raise
    return stream
