"""Watches: which events a client gets and in which order, and waiting for the next ones.

The first part is pure (initial events, selector edges, bookmarks); `stream` waits on trio. Called by api.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field, replace

import trio

from edged.json_text import dumps
from edged.sandbox.cluster import Cluster, Object
from edged.sandbox.custom.converter import Converter
from edged.sandbox.kinds.resources import Resource
from edged.sandbox.protocol.api_status import ApiStatus, expired
from edged.sandbox.protocol.negotiation import Form, negotiate
from edged.sandbox.protocol.query_options import check_list, flag, number
from edged.sandbox.protocol.request import Request, Response, Target
from edged.sandbox.reading.reads import Selection, parse_version, selection, shown
from edged.sandbox.reading.tables import INITIAL_EVENTS_END
from edged.sandbox.storage import Event, Subscription, TooOld

BOOKMARK_EVERY_S = 60.0
LAST_BOOKMARK_S = 2.0
"""How long before its end a watch gets its last bookmark."""
# A client that lets this many events pile up gets 410 and has to list again.
MAX_PENDING = 20_000


@dataclass(slots=True)
class _Watch:
    """One client's watch. `pending` is filled by the storage and emptied by `stream`."""

    cluster: Cluster
    resource: Resource
    chosen: Selection
    form: Form
    bookmarks: bool
    version: int
    pending: deque[Event] = field(default_factory=deque)
    wake: trio.Event = field(default_factory=trio.Event)
    overrun: bool = False
    ended: bool = False

    def push(self, event: Event) -> None:
        if len(self.pending) >= MAX_PENDING:
            self.overrun = True
        else:
            self.pending.append(event)
        self.wake.set()

    def end(self) -> None:
        """What is pending is still sent."""
        self.ended = True
        self.wake.set()

    def line(self, kind: str, obj: Object) -> bytes:
        """Only the first Table has columns."""
        line = encode_line(kind, shown(self.cluster, self.resource, obj, self.form))
        self.form = replace(self.form, table=replace(self.form.table, headers=False))
        return line

    def take(self, count: int) -> Iterator[bytes]:
        """Lines for so many pending events."""
        for _ in range(count):
            event = self.pending.popleft()
            self.version = event.version
            edge = edge_of(event, self.chosen)
            if edge is not None:
                yield self.line(*edge)

    def bookmark(self, *, initial_end: bool = False) -> bytes:
        metadata: Object = {"resourceVersion": str(self.version)}
        if initial_end:
            metadata["annotations"] = {INITIAL_EVENTS_END: "true"}
        return self.line("BOOKMARK", {"metadata": metadata})


def encode_line(kind: str, obj: Object) -> bytes:
    return dumps({"type": kind, "object": obj}) + b"\n"


def edge_of(event: Event, chosen: Selection) -> tuple[str, Object] | None:
    """The event that a client with that selection gets for a write: an object that begins to match is ADDED, one that
    no longer matches is DELETED (its old state with the new version)."""
    now = chosen.matches(event.object) and event.type != "DELETED"
    before = event.old is not None and chosen.matches(event.old)
    if now:
        return ("MODIFIED" if before else "ADDED"), event.object
    if not before or event.old is None:
        return None
    metadata = {**event.old["metadata"], "resourceVersion": str(event.version)}
    return "DELETED", {**event.old, "metadata": metadata}


def start(cluster: Cluster, converter: Converter, target: Target, request: Request) -> Response:
    """Answers a watch request. The subscription begins here, so nothing between this call and the first read of
    the stream is lost. A version that is too old is an ERROR line in a 200 answer."""
    query = request.query
    form = negotiate(request, custom=target.resource.custom, watch=True)
    check_list(query, watch=True)
    chosen, initial = selection(target, query), flag(query, "sendInitialEvents")
    version = parse_version(query.get("resourceVersion", ""))
    if form.kind == "partials":
        return Response(200, stream=_only(b""))  # an event is no list: the API server ends such a watch, too
    watch = _Watch(cluster, target.resource, chosen, form, bool(flag(query, "allowWatchBookmarks")), 0)
    watch.version = cluster.storage.version
    try:
        head = _head(watch, version, initial)
    except TooOld as error:
        return Response(200, stream=_only(encode_line("ERROR", expired(str(error)).body())))
    if (timeout := number(query, "timeoutSeconds") or 0) < 0:
        ended = ApiStatus(500, "InternalError", "context deadline exceeded")
        return Response(200, stream=_only(encode_line("ERROR", ended.body())))
    subscription = cluster.storage.subscribe(target.resource.bucket, watch.push, watch.end)
    return Response(200, stream=_stream(watch, converter, subscription, head, timeout))


async def _only(line: bytes) -> AsyncGenerator[bytes, None]:
    yield line


def _head(watch: _Watch, version: int | None, initial: bool | None) -> list[bytes]:
    """The lines before the live events: present objects, or the history since `version`. `initial`:
    sendInitialEvents, None if it was not said."""
    storage = watch.cluster.storage
    if version and not initial:
        events = storage.events_since(watch.resource.bucket, version) if version <= storage.version else ()
        edges = (edge_of(event, watch.chosen) for event in events)
        return [watch.line(*edge) for edge in edges if edge is not None]
    if initial is False:
        return []
    present = storage.list(watch.resource.bucket, watch.chosen.namespace)
    lines = [watch.line("ADDED", obj) for obj in present if watch.chosen.matches(obj)]
    if initial and watch.bookmarks:
        lines.append(watch.bookmark(initial_end=True))
    return lines


async def _stream(
    watch: _Watch, converter: Converter, subscription: Subscription, head: list[bytes], timeout: int
) -> AsyncGenerator[bytes, None]:
    deadline = trio.current_time() + timeout if timeout else float("inf")
    try:
        yield b"".join(head)
        while not watch.overrun and trio.current_time() < deadline:
            count = await _convert(watch, converter)
            lines = b"".join(watch.take(count))
            if lines:
                yield lines
                continue
            if watch.ended:
                return
            watch.wake = trio.Event()
            bookmark_at = _next_bookmark(trio.current_time(), deadline)
            with trio.move_on_at(min(deadline, bookmark_at)) as scope:
                await watch.wake.wait()
            if scope.cancelled_caught and watch.bookmarks and bookmark_at < deadline:
                watch.version = watch.cluster.storage.version
                yield watch.bookmark()
        if watch.overrun:
            status = ApiStatus(410, "Expired", "too many events are waiting for this client")
            yield encode_line("ERROR", status.body())
    finally:
        subscription.close()


async def _convert(watch: _Watch, converter: Converter) -> int:
    """How many of the pending events may be taken: those whose objects are converted, which may need a webhook."""
    events = list(watch.pending)
    for event in events:
        await converter.readable(watch.resource, [event.object, *([event.old] if event.old is not None else [])])
    return len(events)


def _next_bookmark(now: float, deadline: float) -> float:
    """One each minute, and one shortly before a watch ends, so that its client can go on from there."""
    last = deadline - LAST_BOOKMARK_S
    return min(now + BOOKMARK_EVERY_S, last) if last > now else now + BOOKMARK_EVERY_S
