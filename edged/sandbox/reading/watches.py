"""Watches: which events a client gets and in which order, and waiting for the next ones.

The first part is pure (initial events, selector edges, bookmarks); `stream` waits on trio. Called by api.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Iterator, Mapping
from dataclasses import dataclass, field, replace

import trio

from edged.json_text import dumps
from edged.sandbox.cluster import Cluster, Object
from edged.sandbox.kinds.resources import Resource
from edged.sandbox.protocol.api_status import ApiStatus, Cause, expired, invalid_options
from edged.sandbox.protocol.request import Request, Response, Target
from edged.sandbox.reading.reads import Form, Selection, negotiate, parse_version, selection, shown
from edged.sandbox.reading.tables import INITIAL_EVENTS_END
from edged.sandbox.storage import Event, Subscription, TooOld

BOOKMARK_EVERY_S = 60.0
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

    def take(self) -> Iterator[bytes]:
        """Lines for everything that is pending."""
        while self.pending:
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


def _check_options(query: Mapping[str, str]) -> bool:
    """Whether the initial events are asked for. Raises 422 for contradictions."""
    initial, match = query.get("sendInitialEvents"), query.get("resourceVersionMatch", "")
    if initial is None and match:
        why = "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        raise invalid_options("ListOptions", [Cause("resourceVersionMatch", why, "FieldValueForbidden")])
    if initial is not None and match != "NotOlderThan":
        why = "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        raise invalid_options("ListOptions", [Cause("resourceVersionMatch", why, "FieldValueForbidden")])
    return initial in ("true", "1")


def start(cluster: Cluster, target: Target, request: Request) -> Response:
    """Answers a watch request. The subscription begins here, so nothing between this call and the first read of
    the stream is lost. A version that is too old is an ERROR line in a 200 answer."""
    query = request.query
    initial = _check_options(query)
    version = parse_version(query.get("resourceVersion", ""), watch=True)
    chosen, form = selection(target, query), negotiate(request)
    if form.kind == "partials":
        return Response(200, stream=_only(b""))  # an event is no list: the API server ends such a watch, too
    bookmarks = query.get("allowWatchBookmarks") in ("true", "1")
    watch = _Watch(cluster, target.resource, chosen, form, bookmarks, cluster.storage.version)
    skip_existing = query.get("sendInitialEvents") is not None and not initial
    try:
        head = _head(watch, None if initial else version, bookmarks, skip_existing)
    except TooOld as error:
        return Response(200, stream=_only(encode_line("ERROR", expired(str(error)).body())))
    subscription = cluster.storage.subscribe(target.resource.bucket, watch.push, watch.end)
    timeout = int(query["timeoutSeconds"]) if query.get("timeoutSeconds", "").isdigit() else 0
    return Response(200, stream=_stream(watch, subscription, head, timeout))


async def _only(line: bytes) -> AsyncGenerator[bytes, None]:
    yield line


def _head(watch: _Watch, version: int | None, bookmarks: bool, skip_existing: bool) -> list[bytes]:
    """The lines before the live events: present objects, or the history since `version`."""
    storage = watch.cluster.storage
    if version:
        events = storage.events_since(watch.resource.bucket, version) if version <= storage.version else ()
        edges = (edge_of(event, watch.chosen) for event in events)
        return [watch.line(*edge) for edge in edges if edge is not None]
    if skip_existing:
        return []
    present = storage.list(watch.resource.bucket, watch.chosen.namespace)
    lines = [watch.line("ADDED", obj) for obj in present if watch.chosen.matches(obj)]
    if bookmarks:
        lines.append(watch.bookmark(initial_end=True))
    return lines


async def _stream(
    watch: _Watch, subscription: Subscription, head: list[bytes], timeout: int
) -> AsyncGenerator[bytes, None]:
    deadline = trio.current_time() + timeout if timeout else float("inf")
    try:
        yield b"".join(head)
        while not watch.overrun and trio.current_time() < deadline:
            lines = b"".join(watch.take())
            if lines:
                yield lines
                continue
            if watch.ended:
                return
            watch.wake = trio.Event()
            with trio.move_on_at(min(deadline, trio.current_time() + BOOKMARK_EVERY_S)) as scope:
                await watch.wake.wait()
            if scope.cancelled_caught and watch.bookmarks:
                watch.version = watch.cluster.storage.version
                yield watch.bookmark()
        if watch.overrun:
            status = ApiStatus(410, "Expired", "too many events are waiting for this client")
            yield encode_line("ERROR", status.body())
    finally:
        subscription.close()
