"""The sandbox on the network: h11 on trio streams, plain or TLS, and the kubeconfig that leads to it.

`serve` is started with `nursery.start`, which gives back the `Sandbox`. Everything about Kubernetes is in api.py.
"""

from __future__ import annotations

import random
import re
import ssl
import time
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import h11
import trio

from edged import yaml_text
from edged.process.boundary import Unit, boundary, describe
from edged.process.files import write_atomically
from edged.sandbox.admission.webhook_admission import Admission, WebhookClient
from edged.sandbox.api import Answers, Api
from edged.sandbox.authority import Authority
from edged.sandbox.authorization.front import GuardedApi
from edged.sandbox.authorization.service_accounts import user_of
from edged.sandbox.authorization.users import ADMINISTRATOR
from edged.sandbox.clock import Clock, ClockedApi
from edged.sandbox.cluster import Cluster
from edged.sandbox.custom.converter import Converter
from edged.sandbox.faults.injection import FaultyApi
from edged.sandbox.faults.rules import Faults
from edged.sandbox.kinds import initial_objects
from edged.sandbox.kinds.go_types import GoTypes
from edged.sandbox.kinds.resources import builtin_registry
from edged.sandbox.protocol.api_status import internal_error, too_large
from edged.sandbox.protocol.request import Request, Response, User, json_response
from edged.sandbox.reading.watches import encode_line
from edged.sandbox.storage import Storage
from edged.telemetry.logs import Logger

MAX_BODY = 3 * 1024 * 1024  # as kube-apiserver
# A client that is still sending does not read the answer, so a body that is too long is read on for a while.
MAX_DISCARDED = 32 * 1024 * 1024
MAX_HEADERS = 64 * 1024
IDLE_S = 300.0


@dataclass(slots=True)
class Sandbox:
    """A running server. `url` has no trailing slash; tests look into `storage` and compact it."""

    url: str
    storage: Storage
    api: Api
    ca_pem: bytes | None

    def kubeconfig(self) -> dict[str, Any]:
        """A kubeconfig with one cluster, one user (any token is accepted) and one context, all named sandbox."""
        import base64

        cluster: dict[str, Any] = {"server": self.url}
        if self.ca_pem is not None:
            cluster["certificate-authority-data"] = base64.b64encode(self.ca_pem).decode()
        context = {"cluster": "sandbox", "user": "sandbox", "namespace": "default"}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "sandbox", "cluster": cluster}],
            "users": [{"name": "sandbox", "user": {"token": "sandbox"}}],
            "contexts": [{"name": "sandbox", "context": context}],
            "current-context": "sandbox",
        }

    def kubeconfig_file(self) -> bytes:
        """That as YAML."""
        return yaml_text.dumps(self.kubeconfig()).encode()

    def write_kubeconfig(self, path: Path) -> None:
        write_atomically(path, self.kubeconfig_file(), 0o600)


def is_sandbox_kubeconfig(content: bytes) -> bool:
    """Whether a file is the kubeconfig of a sandbox, this one or an earlier one."""
    try:
        found = yaml_text.load(content)
    except yaml_text.YamlError:
        return False
    user = {"name": "sandbox", "user": {"token": "sandbox"}}
    return isinstance(found, dict) and found.get("users") == [user] and found.get("current-context") == "sandbox"


def new_api(
    *, history: int = 10_000, webhook_client: WebhookClient | None = None, now: Callable[[], float] = time.time
) -> Api:
    """A cluster with nothing but what is there at the start, without a network. `now`: seconds since the epoch."""
    types = GoTypes.load()
    storage = Storage(history=history)
    cluster = Cluster(
        storage, builtin_registry(types), types, now, lambda: str(uuid.uuid4()), random.SystemRandom().choice
    )
    initial_objects.create(cluster)
    client = webhook_client or WebhookClient()
    return Api(cluster, Admission(cluster, client), Converter(cluster, client))


async def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: bool = False,
    history: int = 10_000,
    webhook_client: WebhookClient | None = None,
    faults: Faults | None = None,
    clock: Clock | None = None,
    rbac: bool = False,
    log: Logger | None = None,
    task_status: trio.TaskStatus[Sandbox] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serves until cancelled. `history`: writes kept for watches; older versions get 410. `webhook_client`: how
    admission webhooks are called (client certificate). `faults`: how requests fail on purpose. `clock`: a time that
    requests move, in place of the real one. `rbac`: users have the rights that roles give them,
    and https, since clients send no tokens otherwise. `log` gets unexpected errors, each of which fails one request,
    one watch or one connection. Raises OSError when the address cannot be bound."""
    logger = log or Logger()
    api = new_api(history=history, webhook_client=webhook_client, now=clock or time.time)
    answers: Answers = GuardedApi(api, partial(_token_owner, api.cluster)) if rbac else api
    if faults is not None:
        answers = FaultyApi(answers, api.cluster, faults)
    if clock is not None:
        answers = ClockedApi(answers, clock)
    authority = Authority("edged sandbox") if tls or rbac else None
    context = authority.server_context(host) if authority else None
    listeners = await trio.open_tcp_listeners(port, host=host)
    bound = listeners[0].socket.getsockname()[1]
    shown_host = f"[{host}]" if ":" in host else host
    url = f"{'https' if authority else 'http'}://{shown_host}:{bound}"
    sandbox = Sandbox(url, api.cluster.storage, api, authority.ca_pem if authority else None)

    async def handle(stream: trio.SocketStream) -> None:
        await _serve_stream(answers, stream, context, logger)

    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, handle, listeners)
        task_status.started(sandbox)


def _token_owner(cluster: Cluster, token: str) -> User | None:
    """Whose a bearer token is: that of the kubeconfig is the administrator's, others are of service accounts."""
    return ADMINISTRATOR if token == "sandbox" else user_of(cluster, token)


async def _serve_stream(api: Answers, raw: trio.SocketStream, context: ssl.SSLContext | None, log: Logger) -> None:
    """One connection until it ends. Owns the stream; whatever goes wrong ends this connection only."""
    stream: trio.abc.Stream = raw
    if context is not None:
        stream = trio.SSLStream(raw, context, server_side=True, https_compatible=True)
    with boundary(log, "connection"):
        try:
            await _Connection(api, stream, log).run()
        except* _PEER_ERRORS:
            pass  # the peer went away or talked nonsense; an answer was sent where one was possible
        finally:
            await trio.aclose_forcefully(stream)


_PEER_ERRORS = (
    trio.BrokenResourceError,
    trio.ClosedResourceError,
    trio.TooSlowError,
    h11.RemoteProtocolError,
    ssl.SSLError,
)


class _Connection:
    """Requests of one connection, one after another."""

    def __init__(self, api: Answers, stream: trio.abc.Stream, log: Logger) -> None:
        self._api = api
        self._stream = stream
        self._log = log
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEADERS)

    async def run(self) -> None:
        while True:
            with trio.fail_after(IDLE_S):
                event = await self._next_event()
            if not isinstance(event, h11.Request):
                return
            await self._exchange(event)
            if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
                return
            self._http.start_next_cycle()

    async def _next_event(self) -> Any:
        while True:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                await self._refuse(error)
                raise
            if event is not h11.NEED_DATA:
                return event
            if self._http.they_are_waiting_for_100_continue:
                await self._send(h11.InformationalResponse(status_code=100, headers=[], reason="Continue"))
            self._http.receive_data(bytes(await self._stream.receive_some(64 * 1024)))

    async def _refuse(self, error: h11.RemoteProtocolError) -> None:
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            await self._respond(_unreadable(error), head=False)

    async def _exchange(self, head: h11.Request) -> None:
        body, size = bytearray(), 0
        while not isinstance(event := await self._next_event(), h11.EndOfMessage):
            if isinstance(event, h11.ConnectionClosed):
                return
            size += len(event.data)
            if size <= MAX_BODY:
                body += event.data
            elif size > MAX_DISCARDED:
                break
        if size > MAX_BODY:
            refusal = too_large(f"limit is {MAX_BODY}")
            await self._respond(json_response(413, refusal.body()), head=False)
            return
        request = to_request(head, bytes(body))
        response = await self._answer(request)
        if response.stream is not None:
            await self._respond_stream(request, response, response.stream)
        elif response.cut:
            raise trio.BrokenResourceError("cut on purpose")
        else:
            await self._respond(response, head=request.method == "HEAD")

    async def _answer(self, request: Request) -> Response:
        """The API's answer; 500 with the error where something unexpected was raised."""
        response: Response | None = None
        if _BAD_ESCAPE.search(request.path):
            return Response(400, b"400 Bad Request", "text/plain; charset=utf-8", [("Connection", "close")])
        with boundary(self._log, "request", f"{request.method} {request.path}") as unit:
            response = await self._api.handle(request)
        if response is None:
            response = json_response(500, _failure(unit))
        return response

    async def _respond(self, response: Response, *, head: bool) -> None:
        headers = [*_headers(response), (b"Content-Length", b"%d" % len(response.body))]
        parts: list[h11.Event] = [_head_of(response, headers)]
        if response.body and not head:
            parts.append(h11.Data(data=response.body))
        await self._send(*parts, h11.EndOfMessage())

    async def _respond_stream(
        self, request: Request, response: Response, chunks: AsyncGenerator[bytes, None]
    ) -> None:
        """Sends chunks as they come. At the same time it reads, which is how a hang-up is noticed."""
        headers = [*_headers(response), (b"Transfer-Encoding", b"chunked")]
        async with trio.open_nursery() as nursery, aclosing(chunks):
            # First of all: closing a generator that has not begun would not end its subscription.
            chunk = await self._next_chunk(request, chunks)
            nursery.start_soon(self._until_hang_up, nursery.cancel_scope)
            await self._send(_head_of(response, headers))
            while chunk is not None:
                if chunk:
                    await self._send(h11.Data(data=chunk))
                chunk = await self._next_chunk(request, chunks)
            if response.cut:
                raise trio.BrokenResourceError("cut on purpose")
            await self._send(h11.EndOfMessage())
            nursery.cancel_scope.cancel()

    async def _next_chunk(self, request: Request, chunks: AsyncGenerator[bytes, None]) -> bytes | None:
        """None at the end. A watch that fails ends with an ERROR event, after which clients list again."""
        chunk: bytes | None = None
        with boundary(self._log, "watch", request.path) as unit:
            chunk = await anext(chunks, None)
        if unit.error is not None:
            chunk = encode_line("ERROR", _failure(unit))
        return chunk

    async def _until_hang_up(self, scope: trio.CancelScope) -> None:
        """While a watch runs a client sends nothing; whatever arrives ends it, end of stream above all."""
        try:
            data = await self._stream.receive_some(64 * 1024)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            data = b""
        if data:
            self._http.receive_data(bytes(data))
        else:
            scope.cancel()

    async def _send(self, *events: h11.Event) -> None:
        data = b"".join(self._http.send(event) or b"" for event in events)
        await self._stream.send_all(data)


_BAD_ESCAPE = re.compile("\udcff")
"""What to_request makes of a path with a percent sign that begins no escape. No path has half a character otherwise."""


def _unreadable(error: h11.RemoteProtocolError) -> Response:
    """What Go's server says of what is not HTTP: a word, after which the connection ends."""
    status = error.error_status_hint
    text = "Unsupported transfer encoding" if status == 501 else f"{status} {_REASONS.get(status, '')}"
    return Response(status, text.encode(), "text/plain; charset=utf-8", [("Connection", "close")])


def _head_of(response: Response, headers: list[tuple[bytes, bytes]]) -> h11.Response:
    """Status line and headers, with the usual reason phrase, which clients show to their users."""
    reason = _REASONS.get(response.status, "")
    return h11.Response(status_code=response.status, headers=headers, reason=reason)


_REASONS = {status.value: status.phrase for status in HTTPStatus} | {413: "Request Entity Too Large"}


def _headers(response: Response) -> list[tuple[bytes, bytes]]:
    """As bytes, because a warning may hold UTF-8."""
    headers = [("Cache-Control", "no-cache, private"), *response.headers]
    if response.content_type:
        headers.insert(0, ("Content-Type", response.content_type))
    return [(name.encode("ascii"), value.encode("latin-1", "replace")) for name, value in headers]


def _failure(unit: Unit) -> dict[str, Any]:
    """The Status of a request that failed for a reason of ours."""
    return internal_error(describe(unit.error) if unit.error is not None else "no answer").body()


def to_request(head: h11.Request, body: bytes) -> Request:
    """An h11 request as the API sees it."""
    try:
        url = urlsplit(head.target.decode("latin-1"))
    except ValueError:  # a host that is none, such as "//["
        url = urlsplit("/%")
    headers: dict[str, str] = {}
    for raw_name, raw_value in head.headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        several = name in headers and name.startswith("impersonate-")
        headers[name] = f"{headers[name]}\n{value}" if several else value
    query = dict(parse_qsl(url.query, keep_blank_values=True))
    path = unquote(url.path) if _ESCAPED.fullmatch(url.path) else "/\udcff"
    return Request(head.method.decode("latin-1"), path, query, headers, body)


_ESCAPED = re.compile(r"(?:[^%]|%[0-9A-Fa-f]{2})*+")
