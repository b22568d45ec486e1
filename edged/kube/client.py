"""Requests to the API server: plain dicts and bytes over lightkube's configuration, authentication and HTTP
client.

`ApiClient` is what everything else holds. Behind it sits a session (one kubeconfig as read at one moment)
that `ClientSource` in kubeconfig.py replaces when the file or a certificate changes; callers notice nothing
but a watch that has to be resumed. Watching and caching are in watch.py and informers.py.
"""

from __future__ import annotations

import contextlib
import math
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

import httpx2
import trio

from edged.errors import ConfigError, PeerError
from edged.http.client import MOST_BYTES, AnswerTooLarge, Transport
from edged.json_text import JsonError, dumps, loads
from edged.kube import client_tls
from edged.kube.contact import Contact
from edged.kube.control import listwatch
from edged.kube.credentials import ExecAuth, TokenAuth, TokenFileAuth
from edged.process.files import FilesRead

if TYPE_CHECKING:
    from lightkube.config.kubeconfig import SingleConfig

ANSWER_BYTES = 16 << 20
MAX_LINE_BYTES = 16 << 20
"""Of an answer, and of a line of a watch. etcd refuses objects beyond 1.5 MiB, which may be nine as JSON."""
CUT_LINE_BYTES = 1 << 10
MOST_CUT_BYTES = 64 << 20
"""A line that is longer is no object at all."""
CLOSE_GRACE_S = 1.0
RELAYED = (502, 503, 504)
"""What proxies and load balancers answer when they do not reach the server behind them."""
Query = Mapping[str, str] | Mapping[str, str | list[str]]
"""Parameters of a request; a list stands for one that is given several times."""


class ApiError(PeerError):
    """The API server answered with an error. `code` is the HTTP status; `reason` and `message` come from the
    Status object where there is one; `body` is that object or {}; `retry_after_s` what the server asked
    for."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        body: dict[str, Any] | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        what = f"{code} {reason}" if reason else str(code)
        super().__init__(f"API server answered {what}: {message}")
        self.code = code
        self.reason = reason
        self.message = message
        self.body = body if body is not None else {}
        self.retry_after_s = retry_after_s

    @property
    def relayed(self) -> bool:
        """What stands before the API server answered in its place, since it does not reach it."""
        return self.code in RELAYED and not self.body


class NotConfigured(PeerError):
    """There is no readable kubeconfig yet."""


class NoAnswer(PeerError):
    """Connection refused, reset, timed out, or the TLS handshake failed. The address is in the text. `sent`: the
    request may have reached the server, so that what it asked for may have been done."""

    def __init__(self, text: str, *, sent: bool = True) -> None:
        super().__init__(text)
        self.sent = sent


class TooLarge(NoAnswer):
    """The answer goes beyond a bound; the same request would bring the same."""


class Session:
    """One kubeconfig context as it was read: address, TLS context, authentication, HTTP client.

    Proxies of the environment are not used: the address is most often on this very host. `files` takes note of the
    files with certificates that it needs.
    """

    def __init__(self, config: SingleConfig, files: FilesRead | None = None) -> None:
        self.config = config
        self.server = config.cluster.server.rstrip("/")
        self.namespace = config.namespace
        url = _server_url(config)
        self.url = url
        self.port = url.port or (443 if url.scheme == "https" else 80)
        self.host = url.netloc.decode("ascii")
        self.path_prefix = url.raw_path.decode("ascii").rstrip("/")  # of servers behind a path (Rancher)
        self.ssl_context: ssl.SSLContext | None = None
        self.client_certificate = b""
        if url.scheme == "https":
            material = client_tls.material_of(config, files or FilesRead(waiting=True))
            self.ssl_context = client_tls.context_of(config, material)
            self.client_certificate = material.certificate
        self.auth = _authentication(config)
        self.retired = False
        self.streams: set[trio.CancelScope] = set()
        self.contact = Contact()
        self._in_use = 0
        self._is_away = False  # no request reaches the server
        self._back = trio.Event()
        self._replaced = trio.Event()
        self.http = httpx2.AsyncClient(
            base_url=self.server,
            transport=Transport(self.ssl_context),
            auth=self.auth,
            timeout=None,  # every request has its own total timeout
            headers={"User-Agent": "edged", "Accept": "application/json", "Accept-Encoding": "identity"},
            trust_env=False,
        )

    @contextlib.asynccontextmanager
    async def used(self) -> AsyncIterator[None]:
        """Keeps the HTTP client open; the last user of a retired session closes it."""
        self._in_use += 1
        try:
            yield
        finally:
            self._in_use -= 1
            await self._close_if_idle()

    def is_away(self) -> None:
        """A request did not reach the server."""
        self._is_away = True

    def is_there(self) -> None:
        """A request was answered."""
        if self._is_away:
            self._is_away, back, self._back = False, self._back, trio.Event()
            back.set()

    async def wait_back(self) -> None:
        """Returns when the server answers somebody after it was away, or is another one from now on."""
        await self._back.wait()

    async def wait_replaced(self) -> None:
        """Returns when another session takes over."""
        await self._replaced.wait()

    async def retire(self) -> None:
        """Another session takes over: end its streams, close it when its last request is done."""
        self.retired = True
        if isinstance(self.auth, ExecAuth):
            self.auth.retire()
        self._back.set()
        self._replaced.set()
        for scope in list(self.streams):
            scope.cancel()
        await self._close_if_idle()

    async def _close_if_idle(self) -> None:
        if self.retired and self._in_use == 0 and not self.http.is_closed:
            with trio.move_on_after(CLOSE_GRACE_S, shield=True):
                await self.http.aclose()

    async def authorization(self, *, refresh: bool = False) -> str | None:
        """The Authorization header that lightkube's authentication puts on a request; `refresh` after a
        401."""
        if self.auth is None:
            return None
        flow = self.auth.async_auth_flow(httpx2.Request("GET", self.server))
        try:
            request = await flow.__anext__()
            if refresh:
                with contextlib.suppress(StopAsyncIteration):
                    request = await flow.asend(httpx2.Response(401, request=request))
            return request.headers.get("Authorization")
        finally:
            await flow.aclose()


Refresh = Callable[[Session], Awaitable[bool]]


class ApiClient:
    """Authenticated requests; safe to use from many tasks.

    `refresh(session)` is called after a 401: it reads the kubeconfig again and says whether a new session
    took the place of that one (then the request is sent once more).
    """

    def __init__(
        self,
        session: Session | None = None,
        *,
        refresh: Refresh | None = None,
        waiting_for: str = "a kubeconfig",
    ) -> None:
        self._session = session
        self._refresh = refresh
        self._waiting_for = waiting_for
        self._configured = trio.Event()
        self.scout = trio.Lock()
        """Whoever holds it looks often whether a server that is away is back, and all others wait for that."""
        self.contact = Contact()
        """With the API server, whichever session it was."""
        if session is not None:
            session.contact = self.contact
            self._configured.set()
        self.discovered: dict[tuple[str, str], Any] = {}  # discovery.py keeps its answers here

    @property
    def session(self) -> Session:
        """The present session; NotConfigured while there is none."""
        if self._session is None:
            raise NotConfigured(f"no API server known yet: waiting for {self._waiting_for}")
        return self._session

    @property
    def server(self) -> str:
        """The server's URL, "" while there is no kubeconfig."""
        return self._session.server if self._session is not None else ""

    @property
    def configured(self) -> bool:
        return self._session is not None

    async def wait_configured(self) -> None:
        """Returns when a kubeconfig has been read (at once when that is so)."""
        await self._configured.wait()

    async def wait_back(self) -> None:
        """Returns when the server answers somebody after it was away, or is another one from now on."""
        if self._session is None:
            await self._configured.wait()
        else:
            await self._session.wait_back()

    async def wait_replaced(self) -> None:
        """Returns when there is another kubeconfig than now."""
        if self._session is None:
            await self._configured.wait()
        else:
            await self._session.wait_replaced()

    async def swap(self, session: Session) -> None:
        """Use `session` from now on; requests in flight end on the old one, its streams are cut."""
        old, self._session = self._session, session
        session.contact = self.contact
        self.contact.failure = ""
        self._configured.set()
        self.discovered.clear()
        if old is not None:
            await old.retire()

    async def refresh(self, rejected: Session) -> bool:
        """The server answered 401 to `rejected`: whether there are other credentials now."""
        return self._refresh is not None and await self._refresh(rejected)

    async def aclose(self) -> None:
        """Cut streams, close idle connections."""
        if self._session is not None:
            await self._session.retire()

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | dict[str, Any] | list[Any] | None = None,
        content_type: str = "application/json",
        timeout_s: float = 30.0,
    ) -> dict[str, Any]:
        """One request, its JSON object as a dict. Raises ApiError, NoAnswer, NotConfigured (all
        PeerError)."""
        data = await self.fetch(
            method, path, query=query, body=body, content_type=content_type, timeout_s=timeout_s
        )
        return self.decode(method, path, data)

    def decode(self, method: str, path: str, data: bytes) -> dict[str, Any]:
        """JSON object -> dict; PeerError when it is something else."""
        try:
            answer = loads(data)
        except JsonError as error:
            raise PeerError(f"{self.server}: answer to {method} {path} is not JSON: {error}") from error
        if not isinstance(answer, dict):
            raise PeerError(f"{self.server}: answer to {method} {path} is not a JSON object")
        return answer

    async def fetch(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | dict[str, object] | list[object] | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        timeout_s: float = 30.0,
    ) -> bytes:
        """As `request`, but the body as it came."""
        answer = await self.answer(
            method, path, query=query, body=body, content_type=content_type, accept=accept, timeout_s=timeout_s
        )
        return answer.content

    async def answer(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | dict[str, object] | list[object] | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        timeout_s: float = 30.0,
    ) -> httpx2.Response:
        """As `request`, but with the headers. Raises like `request`."""
        content = dumps(body) if isinstance(body, (dict, list)) else body
        headers = {"Accept": accept} | ({"Content-Type": content_type} if content is not None else {})
        session = self.session
        response = await self._send(session, method, path, query, content, headers, timeout_s)
        if response.status_code == 401 and await self.refresh(session):
            response = await self._send(self.session, method, path, query, content, headers, timeout_s)
        if response.status_code >= 300:
            raise error_of(response.status_code, response.headers, response.content)
        return response

    async def _send(
        self,
        session: Session,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        content: bytes | None,
        headers: dict[str, str],
        timeout_s: float,
    ) -> httpx2.Response:
        request = _built(session, method, path, query, ANSWER_BYTES, content, headers)
        with trio.move_on_after(timeout_s):
            async with session.used():
                # Reading once more is safe when an idle connection turns out to be one just closed.
                if method == "GET":
                    with contextlib.suppress(httpx2.ReadError, httpx2.WriteError, httpx2.RemoteProtocolError):
                        return await _transmit(session, request, method, path, again=True)
                return await _transmit(session, request, method, path)
        raise _too_late(session, method, path, timeout_s)

    @contextlib.asynccontextmanager
    async def stream(
        self,
        path: str,
        query: Query,
        *,
        idle_s: float = math.inf,
        end_after_s: float = math.inf,
        open_timeout_s: float = 30.0,
        accept: str = "application/json",
    ) -> AsyncIterator[LineStream]:
        """The lines of a watch, or of another answer. Raises like `request` when opened or read; a stream without a
        byte for `idle_s` raises StreamIdle; after `end_after_s` it ends as if the server had ended it. The connection
        is closed on leaving, cancelled or not."""
        session = self.session
        async with session.used():
            response = await self._open(session, path, query, open_timeout_s, accept)
            if response.status_code == 401 and await self.refresh(session):
                await _close(response)
                session = self.session
                response = await self._open(session, path, query, open_timeout_s, accept)
            lines = LineStream(session, path, response, idle_s, trio.current_time() + end_after_s)
            try:
                if response.status_code != 200:
                    raise error_of(response.status_code, response.headers, await lines.rest())
                yield lines
            finally:
                await lines.aclose()

    async def _open(
        self, session: Session, path: str, query: Query, timeout_s: float, accept: str
    ) -> httpx2.Response:
        request = _built(session, "GET", path, query, None, headers={"Accept": accept})
        with trio.move_on_after(timeout_s):
            return await _transmit(session, request, "GET", path, stream=True)
        raise _too_late(session, "GET", path, timeout_s)


def _built(
    session: Session,
    method: str,
    path: str,
    query: Query | None,
    most_bytes: int | None,
    content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> httpx2.Request:
    """A request, or PeerError: names in paths and queries come from the server, too."""
    params, extensions = dict(query) if query else None, {MOST_BYTES: most_bytes}
    try:
        return session.http.build_request(
            method, path, params=params, content=content, headers=headers, extensions=extensions
        )
    except (httpx2.InvalidURL, ValueError) as error:
        raise PeerError(f"API server {session.server}: nothing can be asked at {path[:200]!r}: {error}") from error


async def _transmit(
    session: Session,
    request: httpx2.Request,
    method: str,
    path: str,
    *,
    stream: bool = False,
    again: bool = False,
) -> httpx2.Response:
    """Send, with the errors of the HTTP client in our terms. `again`: the caller repeats a
    request whose connection broke, so those errors are passed on as they are."""
    try:
        response = await session.http.send(request, stream=stream)
        if response.status_code in RELAYED and "json" not in response.headers.get("content-type", ""):
            session.is_away()
        else:
            session.is_there()
        session.contact.heard()
        return response
    except httpx2.TransportError as error:
        if isinstance(error, httpx2.ConnectError):
            session.is_away()
        if isinstance(error, AnswerTooLarge):
            raise TooLarge(f"API server {session.server}: {method} {path}: {error}") from error
        if again and isinstance(error, (httpx2.ReadError, httpx2.WriteError, httpx2.RemoteProtocolError)):
            raise
        session.contact.failed(f"{session.server}: {cause_of(error)}")
        raise _no_answer(session, method, path, error) from error


class StreamIdle(NoAnswer):
    """Nothing was received for the agreed time."""


class CutLine(bytes):
    """The beginning of a line that is longer than MAX_LINE_BYTES: one object must not keep the others from coming."""


class LineStream:
    """The lines of a streamed response, without line ends. Iterate, or take all that has arrived by
    `batch`."""

    def __init__(
        self, session: Session, path: str, response: httpx2.Response, idle_s: float, end_at: float
    ) -> None:
        self._session = session
        self._path = path
        self._response = response
        self.idle_s = idle_s  # may be changed while reading
        self._end_at = end_at
        self._receiving: trio.CancelScope | None = None
        self._chunks = response.aiter_raw()
        self._partial = bytearray()  # of a line, however small the pieces are that it comes in
        self._cut = 0  # bytes of it, once it is too long to be kept
        self._lines: list[bytes] = []
        self._closed = False

    def __aiter__(self) -> LineStream:
        return self

    async def __anext__(self) -> bytes:
        while not self._lines:
            lines = await self.batch()
            if not lines:
                raise StopAsyncIteration
            self._lines = lines[::-1]
        return self._lines.pop()

    async def batch(self) -> list[bytes]:
        """The lines that have arrived, at least one; [] when the server ended the stream. A last line without
        its end is dropped: it was cut off."""
        while True:
            chunk = await self._receive()
            if chunk is None:
                return []
            head, *rest = chunk.split(b"\n")
            self._continue_line(head)
            if rest:
                lines = [self._ended_line(), *rest[:-1]]
                self._continue_line(rest[-1])
                lines = [line for line in lines if line and not line.isspace()]
                if lines:
                    return lines

    def _continue_line(self, piece: bytes) -> None:
        if self._cut:
            self._cut += len(piece)
        else:
            self._partial += piece
            if len(self._partial) > MAX_LINE_BYTES:
                self._cut = len(self._partial)
                self._partial = self._partial[:CUT_LINE_BYTES]
        if self._cut > MOST_CUT_BYTES:
            raise TooLarge(f"API server {self._session.server}: a line without end in {self._path}")

    def _ended_line(self) -> bytes:
        line = CutLine(self._partial) if self._cut else bytes(self._partial)
        self._partial, self._cut = bytearray(), 0
        return line

    async def rest(self) -> bytes:
        """What is left of a short body (an error's), at most 1 MiB."""
        body = bytearray()
        while len(body) < 1 << 20 and (chunk := await self._receive()) is not None:
            body += chunk
        return bytes(body)

    def end_by(self, at: float) -> None:
        """End then at the latest, as if the server had ended it; also what is being waited for now."""
        self._end_at = min(self._end_at, at)
        if self._receiving is not None:
            self._receiving.deadline = min(self._receiving.deadline, at)

    async def _receive(self) -> bytes | None:
        session = self._session
        idle_at = trio.current_time() + self.idle_s
        with trio.CancelScope(deadline=min(idle_at, self._end_at)) as scope:
            self._receiving = scope
            session.streams.add(scope)
            if session.retired:  # since before the first read
                scope.cancel()
            try:
                chunk = await anext(self._chunks, None)
                session.contact.heard()
                return chunk
            except httpx2.TransportError as error:
                raise _no_answer(session, "watch", self._path, error) from error
            finally:
                session.streams.discard(scope)
        if session.retired:
            raise NoAnswer(f"API server {session.server}: credentials were replaced")
        if trio.current_time() >= self._end_at:
            return None
        raise StreamIdle(
            f"API server {session.server}: nothing received for {self.idle_s:g} s on {self._path}"
        )

    async def aclose(self) -> None:
        """Close the connection. httpx2 nests generators and does not close the inner ones when the outer one
        is closed early, so they are ended by a read that is cancelled at once."""
        if self._closed:
            return
        self._closed = True
        with trio.CancelScope(shield=True) as scope:
            scope.cancel()
            with contextlib.suppress(httpx2.TransportError, httpx2.StreamError):
                async for _ in self._chunks:
                    await trio.lowlevel.checkpoint()
        await _close(self._response)


async def _close(response: httpx2.Response) -> None:
    with trio.move_on_after(CLOSE_GRACE_S, shield=True), contextlib.suppress(httpx2.TransportError):
        await response.aclose()


def error_of(code: int, headers: Mapping[str, str], content: bytes) -> ApiError:
    """An ApiError from a response; reason and message from its Status object where it has one."""
    try:
        body = loads(content)
    except JsonError:
        body = None
    if not isinstance(body, dict) or body.get("kind") != "Status":
        body = {}
        reason, message = "", content[:300].decode("utf-8", "replace").strip() or f"HTTP status {code}"
    else:
        reason, message = str(body.get("reason") or ""), str(body.get("message") or "")
    asked = _asked_wait(headers, body)
    return ApiError(code, reason, message + listwatch.beyond_reason(asked), body, listwatch.retry_after(asked))


def _asked_wait(headers: Mapping[str, str], body: Mapping[str, object]) -> object:
    """How long the server asks to be left alone, whatever that is; None where it does not."""
    value = headers.get("retry-after", "").strip()
    if value.isdecimal():
        return float(value)
    details = body.get("details")
    return (details.get("retryAfterSeconds") or None) if isinstance(details, dict) else None


def _no_answer(session: Session, method: str, path: str, error: BaseException) -> NoAnswer:
    return NoAnswer(f"API server {session.server}: {method} {path}: {cause_of(error)}")


def _too_late(session: Session, method: str, path: str, timeout_s: float) -> NoAnswer:
    session.contact.failed(f"{session.server}: no answer within {timeout_s:g} s")
    return NoAnswer(f"API server {session.server}: no answer to {method} {path} within {timeout_s:g} s")


def cause_of(error: BaseException) -> str:
    """The innermost reason in words: "Connection refused" rather than "all attempts to connect failed"."""
    innermost = error
    while True:
        if isinstance(innermost, BaseExceptionGroup):
            innermost = innermost.exceptions[0]
            continue
        deeper = innermost.__cause__
        if deeper is None and not innermost.__suppress_context__:
            deeper = innermost.__context__
        if deeper is None or isinstance(deeper, trio.Cancelled):
            break
        innermost = deeper
    if isinstance(innermost, ssl.SSLCertVerificationError):
        return f"certificate not accepted: {innermost.verify_message}"
    if isinstance(innermost, OSError) and innermost.errno and not isinstance(innermost, ssl.SSLError):
        return os.strerror(innermost.errno) if innermost.errno > 0 else str(innermost)
    return str(innermost) or str(error) or type(error).__name__


def _server_url(config: SingleConfig) -> httpx2.URL:
    """Raises ConfigError."""
    server, why = config.cluster.server.rstrip("/"), ""
    try:
        url = httpx2.URL(server)
        url.raw_path.decode("ascii"), url.netloc.decode("ascii"), url.port
        if url.scheme in ("http", "https") and url.host:
            return url
    except (httpx2.InvalidURL, ValueError) as error:
        why = f" ({error})"
    raise ConfigError(f"kubeconfig context {config.context_name}: server is not a URL: {server[:200]!r}{why}")


def _authentication(config: SingleConfig) -> httpx2.Auth | None:
    assert config.user is not None
    if config.user.token_file is not None:
        return TokenFileAuth(config.abs_file(config.user.token_file))  # lightkube's own would wait for a FIFO
    if config.user.exec is not None and config.user.token is None:
        return ExecAuth(config.user.exec)  # lightkube's own needs asyncio
    if config.user.token is not None:
        return TokenAuth(config.user.token)  # lightkube's own is in a file that imports the models of all objects
    if config.user.username and config.user.password:
        return httpx2.BasicAuth(config.user.username, config.user.password)
    return None
