"""Few lean keep-alive connections to the API server for small frequent writes: bindings and events.

A request through the ApiClient costs about three times the CPU time of one here
(tests/kube/measure_writes.py): no request objects, no redirects, no cookies. Address, TLS context and
credentials are those of the ApiClient's session; everything ordinary goes through the ApiClient.
"""

from __future__ import annotations

import re

import httpx2
import trio

from edged.http.answers import Answer
from edged.http.answers import TooLarge as LongAnswer
from edged.http.client import Broken, ConnectFailed, Connection, connect
from edged.kube.client import ApiClient, NoAnswer, Session, TooLarge, cause_of, error_of

MOST_BYTES = 1 << 20
"""Of an answer, unless the pool's maker needs larger ones: a Status, or an event as it was stored."""
AUTHORIZATION_AGE_S = 60.0
_PATH = re.compile(r"/[!-~]*")  # what may stand in a request line: printable ASCII without space


class LeanPool:
    """`connections` connections, each with one request at a time; callers beyond that queue, first come first
    served. Connections are opened when needed and kept until the server closes them or the session
    changes."""

    def __init__(self, client: ApiClient, *, connections: int = 8, most_bytes: int = MOST_BYTES) -> None:
        self._client = client
        self._most_bytes = most_bytes
        self._places = trio.Semaphore(connections, max_value=connections)
        self._idle: list[tuple[Session, Connection]] = []
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
                raise error_of(answer.status, httpx2.Headers(answer.headers), bytes(answer.body))
            return bytes(answer.body)
        self._client.contact.failed(f"{self._client.server}: no answer within {timeout_s:g} s")
        raise NoAnswer(
            f"API server {self._client.server}: no answer to {method} {path} within {timeout_s:g} s"
        )

    async def aclose(self) -> None:
        """Close the idle connections; those in use are closed when their requests are cancelled."""
        while self._idle:
            await self._idle.pop()[1].aclose()

    @property
    def idle(self) -> int:
        """Open connections that wait for a request."""
        return len(self._idle)

    async def _authorized(
        self, method: str, path: str, body: bytes, content_type: str, repeatable: bool
    ) -> Answer:
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
    ) -> Answer:
        data = await self._head(session, method, path, len(body), content_type) + body
        while True:
            connection = await self._take(session)
            try:
                answer = await _exchange(connection, data, self._most_bytes)
                session.contact.heard()
                return answer
            except Broken as broken:
                if not (broken.nothing_received and connection.reused and repeatable):
                    session.contact.failed(f"{session.server}: {cause_of(broken)}")
                    kind = TooLarge if isinstance(broken.__cause__, LongAnswer) else NoAnswer
                    raise kind(f"API server {session.server}: {method} {path}: {cause_of(broken)}") from broken
            finally:
                await self._give_back(session, connection)

    async def _take(self, session: Session) -> Connection:
        """An idle connection that still lives, or a new one."""
        while self._idle:
            owner, connection = self._idle.pop()
            if owner is session and not connection.closed_by_server():
                connection.reused = True
                return connection
            await connection.aclose()
        try:
            return await connect(session.url.host, session.port, session.ssl_context)
        except ConnectFailed as error:
            session.contact.failed(f"{session.server}: {cause_of(error)}")
            raise NoAnswer(f"API server {session.server}: {cause_of(error)}", sent=False) from error

    async def _give_back(self, session: Session, connection: Connection) -> None:
        if connection.reusable and not session.retired:
            self._idle.append((session, connection))
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
        cached = self._authorization
        if cached is not None and cached[0] is session and now < cached[1] + AUTHORIZATION_AGE_S:
            return cached[2]
        value = await session.authorization(refresh=refresh)
        line = f"Authorization: {value}\r\n" if value else ""
        self._authorization = (session, now, line)
        return line


async def _exchange(connection: Connection, data: bytes, most_bytes: int) -> Answer:
    """Send a request and read its whole answer."""
    answer = await connection.send(data, most_bytes)
    while not answer.complete:
        await connection.receive(answer)
    return answer
