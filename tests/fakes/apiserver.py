"""A small API server on a loopback socket whose answers tests can spoil: lists, watches, WatchList, writes.

It knows collections by URL path, keeps objects in memory with one revision counter, and records every
request. `script()` spoils the next requests that match; `stop()` and `start()` are a crash and a restart on
the same port. Not a model of Kubernetes: no validation, no selectors beyond recording them. Plain HTTP only;
pass an SSL context for TLS.
"""

from __future__ import annotations

import contextlib
import copy
import math
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import orjson
import trio

METADATA = "as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

# --- what can go wrong with a request


@dataclass(frozen=True)
class Status:
    """Answer with this status and a Status object instead of doing the work."""

    code: int
    reason: str = ""
    message: str = "scripted"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Plain:
    """Answer with this body, whatever it is."""

    body: bytes
    code: int = 200
    content_type: str = "application/json"


@dataclass(frozen=True)
class Drop:
    """Close the connection without an answer."""


@dataclass(frozen=True)
class CutAfter:
    """Answer, but close the connection after so many bytes of the body."""

    size: int


@dataclass(frozen=True)
class Silence:
    """Take the request and say nothing until `server.release_silent()`; `headers` True: after the header."""

    headers: bool = True


@dataclass(frozen=True)
class Lines:
    """Answer a watch with exactly these lines; then end, or stay open."""

    lines: tuple[bytes, ...]
    end: bool = True


@dataclass(frozen=True)
class OneByteAtATime:
    """Answer correctly in pieces of `size` bytes, each a chunk of its own, `pause_s` after the one before."""

    size: int = 1
    pause_s: float = 0.0


Fault = Status | Plain | Drop | CutAfter | Silence | Lines | OneByteAtATime


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def kind(self) -> str:
        """ "watch", "list" or the method."""
        if self.method != "GET":
            return self.method
        return "watch" if self.query.get("watch") in ("true", "1") else "list"

    def json(self) -> Any:
        return orjson.loads(self.body)


@dataclass
class Collection:
    kind: str
    api_version: str
    objects: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    history: list[tuple[int, str, dict[str, Any]]] = field(default_factory=list)


class FakeApiServer:
    """`watch_list`: "offer", "refuse" (422) or "ignore" (the objects, but never the closing bookmark)."""

    def __init__(self, *, watch_list: str = "offer", tls: ssl.SSLContext | None = None) -> None:
        self.watch_list = watch_list
        self.honours_limit = True
        self.gives_metadata = True  # where a list of metadata is asked for
        self.token: str | None = None  # when set, other bearer tokens get 401
        self.revision = 100
        self.compacted = 0  # watches from before this revision get 410
        self.collections: dict[str, Collection] = {}
        self.answers: dict[tuple[str, str], Callable[[Request], tuple[int, Any]]] = {}
        self.requests: list[Request] = []
        self.open_connections = 0
        self.accepted_connections = 0
        self._tls = tls
        self._faults: list[tuple[Callable[[Request], bool], Fault]] = []
        self._changed = trio.Event()
        self._silent = trio.Event()
        self._nursery: trio.Nursery | None = None
        self._scope: trio.CancelScope | None = None
        self._port = 0

    # --- life

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Holds the server's tasks; listening when started."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            await self.start()
            task_status.started()
            await trio.sleep_forever()

    async def start(self) -> None:
        """Listen, on the same port as before."""
        assert self._nursery is not None and self._scope is None
        listeners = await trio.open_tcp_listeners(self._port, host="127.0.0.1")
        self._port = listeners[0].socket.getsockname()[1]
        self._scope = trio.CancelScope()
        await self._nursery.start(self._serve, listeners, self._scope)

    def stop(self) -> None:
        """Crash: no listener any more, every connection is gone."""
        assert self._scope is not None
        self._scope.cancel()
        self._scope = None

    async def _serve(
        self,
        listeners: list[trio.SocketListener],
        scope: trio.CancelScope,
        *,
        task_status: trio.TaskStatus[Any] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        with scope:
            await trio.serve_listeners(self._connection, listeners, task_status=task_status)

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port}"

    def kubeconfig(self, **user: Any) -> dict[str, Any]:
        """A kubeconfig that leads here."""
        cluster = {"server": self.url}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "fake",
            "clusters": [{"name": "fake", "cluster": cluster}],
            "users": [{"name": "me", "user": user}],
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "me"}}],
        }

    # --- content

    def collection(self, path: str, kind: str, api_version: str = "v1") -> Collection:
        return self.collections.setdefault(path, Collection(kind, api_version))

    def put(self, path: str, name: str, namespace: str = "", **fields: Any) -> dict[str, Any]:
        """Create or replace an object; watches are told."""
        collection = self.collections[path]
        self.revision += 1
        metadata = {"name": name, "resourceVersion": str(self.revision), **fields.pop("metadata", {})}
        if namespace:
            metadata["namespace"] = namespace
        obj = {"kind": collection.kind, "apiVersion": collection.api_version, "metadata": metadata, **fields}
        kind = "MODIFIED" if (namespace, name) in collection.objects else "ADDED"
        collection.objects[namespace, name] = obj
        self._record(collection, kind, obj)
        return obj

    def delete(self, path: str, name: str, namespace: str = "") -> None:
        collection = self.collections[path]
        self.revision += 1
        obj = collection.objects.pop((namespace, name))
        obj = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self.revision)}}
        self._record(collection, "DELETED", obj)

    def bookmark(self, path: str) -> None:
        """Send a bookmark to the watches of a collection."""
        self.revision += 1
        collection = self.collections[path]
        self._record(collection, "BOOKMARK", _bookmark(collection, self.revision))

    def compact(self) -> None:
        """Forget the history: watches from revisions before now get 410."""
        self.compacted = self.revision
        for collection in self.collections.values():
            collection.history.clear()

    def snapshot(self) -> tuple[Any, ...]:
        """What `restore` takes back: revision and collections, their histories included."""
        return self.revision, self.compacted, copy.deepcopy(self.collections)

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        self.revision, self.compacted, collections = copy.deepcopy(snapshot)
        self.collections.clear()
        self.collections.update(collections)

    def _record(self, collection: Collection, kind: str, obj: dict[str, Any]) -> None:
        collection.history.append((self.revision, kind, obj))
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    # --- scripting

    def script(self, match: str | Callable[[Request], bool], *faults: Fault) -> None:
        """Spoil the next requests that match, one fault each. `match`: a kind ("watch", "list", "POST") or a
        function."""
        matches = match if callable(match) else lambda request: request.kind == match
        self._faults += [(matches, fault) for fault in faults]

    def release_silent(self) -> None:
        """End all connections that Silence holds."""
        self._silent.set()
        self._silent = trio.Event()

    async def wait(self, condition: Callable[[], bool]) -> None:
        """Until the condition holds; looked at whenever a request, a connection or a change came."""
        while not condition():
            await self._changed.wait()

    async def wait_request(self, kind: str, count: int = 1) -> Request:
        """The `count`th request of a kind since the start."""
        await self.wait(lambda: sum(request.kind == kind for request in self.requests) >= count)
        return [request for request in self.requests if request.kind == kind][count - 1]

    # --- connections

    async def _connection(self, tcp: trio.SocketStream) -> None:
        self.open_connections += 1
        self.accepted_connections += 1
        stream: trio.abc.Stream = tcp
        if self._tls is not None:
            stream = trio.SSLStream(tcp, self._tls, server_side=True, https_compatible=True)
        try:
            await self._requests(stream)
        except* (trio.BrokenResourceError, trio.ClosedResourceError, ssl.SSLError):
            pass  # the client is gone
        finally:
            self.open_connections -= 1
            self._wake()
            await trio.aclose_forcefully(tcp)

    async def _requests(self, stream: trio.abc.Stream) -> None:
        buffer = bytearray()
        while True:
            request = await _read_request(stream, buffer)
            if request is None:
                return
            self.requests.append(request)
            self._wake()
            if not await self._unless_hung_up(stream, request, buffer):
                return

    async def _unless_hung_up(self, stream: trio.abc.Stream, request: Request, buffer: bytearray) -> bool:
        """Answer; False also when the client left meanwhile."""
        alive = True

        async def watch_for_end() -> None:
            nonlocal alive
            with contextlib.suppress(trio.BrokenResourceError):
                if data := await stream.receive_some():
                    buffer.extend(data)  # the next request, sent as soon as the end of the answer was there
                    return
            alive = False
            nursery.cancel_scope.cancel()

        if request.kind != "watch":
            return await self._answer(_Reply(stream), request)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch_for_end)
            alive = await self._answer(_Reply(stream), request)
            nursery.cancel_scope.cancel()
        return alive

    def _fault(self, request: Request) -> Fault | None:
        for index, (matches, fault) in enumerate(self._faults):
            if matches(request):
                del self._faults[index]
                return fault
        return None

    async def _answer(self, reply: _Reply, request: Request) -> bool:
        """True when the connection may carry another request."""
        fault = self._fault(request)
        if isinstance(fault, Drop):
            return False
        if isinstance(fault, Silence):
            silent = self._silent  # before the client can see the header and have it released
            if fault.headers:
                await reply.begin_chunks()
            await silent.wait()
            return False
        if isinstance(fault, Status):
            await reply.whole(fault.code, _status(fault.code, fault.reason, fault.message), fault.headers)
            return True
        if isinstance(fault, Plain):
            await reply.whole(fault.code, fault.body, content_type=fault.content_type)
            return True
        if isinstance(fault, CutAfter):
            reply.left = fault.size
        if isinstance(fault, OneByteAtATime):
            reply.piece, reply.pause_s = fault.size, fault.pause_s
        if self.token is not None and request.headers.get("authorization") != f"Bearer {self.token}":
            await reply.whole(401, _status(401, "Unauthorized", "Unauthorized"))
            return True
        try:
            return await self._work(reply, request, fault)
        except _Cut:
            return False

    async def _work(self, reply: _Reply, request: Request, fault: Fault | None) -> bool:
        answer = self.answers.get((request.method, request.path))
        if answer is not None:
            code, body = answer(request)
            await reply.whole(code, body if isinstance(body, bytes) else orjson.dumps(body))
            return True
        collection = self.collections.get(request.path)
        if collection is None:
            await reply.whole(
                404, _status(404, "NotFound", "the server could not find the requested resource")
            )
            return True
        if request.kind == "list":
            await self._list(reply, request, collection)
        elif isinstance(fault, Lines):
            await reply.begin_chunks()
            await reply.chunk(b"".join(line + b"\n" for line in fault.lines))
            if not fault.end:
                await self._silent.wait()
            await reply.end_chunks()
        else:
            await self._watch(reply, request, collection)
        return True

    async def _list(self, reply: _Reply, request: Request, collection: Collection) -> None:
        items = [collection.objects[key] for key in sorted(collection.objects)]
        limit = int(request.query.get("limit") or 0) if self.honours_limit else 0
        start = int(request.query.get("continue") or 0)
        end = start + limit if limit else len(items)
        metadata: dict[str, Any] = {"resourceVersion": str(self.revision)}
        if end < len(items):
            metadata["continue"] = str(end)
        wanted = ("metadata",) if self.gives_metadata and METADATA in request.headers.get("accept", "") else ()
        plain = [
            {k: v for k, v in item.items() if k not in ("kind", "apiVersion") and (not wanted or k in wanted)}
            for item in items[start:end]
        ]
        page = {
            "kind": collection.kind + "List",
            "apiVersion": collection.api_version,
            "metadata": metadata,
            "items": plain,
        }
        await reply.whole(200, orjson.dumps(page))

    async def _watch(self, reply: _Reply, request: Request, collection: Collection) -> None:
        initial = request.query.get("sendInitialEvents") == "true"
        if initial and self.watch_list == "refuse":
            await reply.whole(422, _status(422, "Invalid", "sendInitialEvents: Forbidden"))
            return
        revision = int(request.query.get("resourceVersion") or 0)
        await reply.begin_chunks()
        if revision and revision < self.compacted:
            gone = orjson.loads(_status(410, "Expired", f"too old resource version: {revision}"))
            await reply.chunk(orjson.dumps({"type": "ERROR", "object": gone}) + b"\n")
            await reply.end_chunks()
            return
        if not revision:
            revision = self.revision
            events = [("ADDED", collection.objects[key]) for key in sorted(collection.objects)]
            if initial and self.watch_list == "offer":
                end = _bookmark(collection, revision)
                end["metadata"]["annotations"] = {"k8s.io/initial-events-end": "true"}
                events.append(("BOOKMARK", end))
            await reply.chunk(b"".join(map(_line, events)))
        with trio.move_on_after(float(request.query.get("timeoutSeconds", math.inf))):
            await self._follow(reply, collection, revision)
        await reply.end_chunks()

    async def _follow(self, reply: _Reply, collection: Collection, revision: int) -> None:
        while True:
            events = [(kind, obj) for at, kind, obj in collection.history if at > revision]
            revision = max([revision, *(at for at, _, _ in collection.history)])
            changed = self._changed
            if events:
                await reply.chunk(b"".join(map(_line, events)))
            else:
                await changed.wait()


class _Cut(Exception):
    """CutAfter's size was reached."""


class _Reply:
    """Writes one response. `left`: bytes of body until the connection is cut; `piece`: size of pieces."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self.left = math.inf
        self.piece = 0
        self.pause_s = 0.0

    async def whole(
        self,
        code: int,
        body: bytes,
        headers: tuple[tuple[str, str], ...] = (),
        *,
        content_type: str = "application/json",
    ) -> None:
        extra = "".join(f"{name}: {value}\r\n" for name, value in headers)
        head = (
            f"HTTP/1.1 {code} Scripted\r\nContent-Type: {content_type}\r\n"
            f"Content-Length: {len(body)}\r\n{extra}\r\n"
        )
        await self._stream.send_all(head.encode())
        await self._body(body)

    async def begin_chunks(self) -> None:
        await self._stream.send_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        )

    async def chunk(self, data: bytes) -> None:
        pieces = [data[i : i + self.piece] for i in range(0, len(data), self.piece)] if self.piece else [data]
        for piece in pieces:
            if piece:
                await trio.sleep(self.pause_s)
                await self._body(piece, chunked=True)

    async def end_chunks(self) -> None:
        await self._stream.send_all(b"0\r\n\r\n")

    async def _body(self, data: bytes, *, chunked: bool = False) -> None:
        cut = len(data) > self.left
        part = data[: int(self.left)] if cut else data
        self.left -= len(part)
        if chunked:
            frame = b"%x\r\n" % len(data)
            await self._stream.send_all(frame + part + (b"" if cut else b"\r\n"))
        else:
            await self._stream.send_all(part)
        if cut:
            raise _Cut


async def _read_request(stream: trio.abc.Stream, buffer: bytearray) -> Request | None:
    while b"\r\n\r\n" not in buffer:
        data = await stream.receive_some()
        if not data:
            return None
        buffer += data
    head, _, rest = bytes(buffer).partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    size = int(headers.get("content-length") or 0)
    while len(rest) < size:
        data = await stream.receive_some()
        if not data:
            return None
        rest += data
    buffer[:] = rest[size:]
    url = urlsplit(target)
    return Request(method, unquote(url.path), dict(parse_qsl(url.query)), headers, bytes(rest[:size]))


def _line(event: tuple[str, dict[str, Any]]) -> bytes:
    return orjson.dumps({"type": event[0], "object": event[1]}) + b"\n"


def _bookmark(collection: Collection, revision: int) -> dict[str, Any]:
    metadata = {"resourceVersion": str(revision)}
    return {"kind": collection.kind, "apiVersion": collection.api_version, "metadata": metadata}


def _status(code: int, reason: str, message: str) -> bytes:
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    return orjson.dumps({**status, "message": message, "reason": reason, "code": code})
