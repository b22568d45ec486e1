"""What answers a module's requests: rights first, then caches, the queue, or the API server.

One desk serves one instance. It knows which export runs, since not every import is possible in each.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import trio

from edged.controllers.core import abi, messages
from edged.controllers.core.codes import Code, Refused, invalid
from edged.controllers.core.declarations import declaration_of
from edged.controllers.core.kind_view import identity_of
from edged.controllers.core.pointers import projected
from edged.controllers.core.requests import (
    GetRequest,
    ListRequest,
    close_request,
    enqueue_request,
    event_request,
    ext_request,
    get_request,
    list_request,
    metric_request,
)
from edged.controllers.core.writes import WriteRequest, write_request
from edged.controllers.run.cluster_requests import Write, encoded, object_path_of
from edged.json_text import JsonError, dumps, loads
from edged.kube.values.names import NamespacedName, ServedKind
from edged.kube.writes import EVENTS

if TYPE_CHECKING:
    from edged.controllers.run.parts import Parts

_READS: Final = frozenset({"get", "list", "metric"})
_ALL: Final = _READS | {"watch_open", "watch_close", "write", "enqueue", "event", "ext"}
_POSSIBLE: Final = {abi.RECONCILE: _ALL, abi.MAP: _READS, abi.ADMIT: _READS, abi.SETUP: _READS}
_LIVE: Final = frozenset({abi.RECONCILE, abi.ADMIT})
_OTHERWISE: Final = frozenset({"metric"})
MOST_DECLARATION: Final = 64 << 10
"""Bytes of a watch's declaration: it is kept as the guest wrote it."""


class Desk:
    """`parts`: those of the module. `begin` says which export runs, and until when its imports answer."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._export = abi.SETUP
        self._until = math.inf
        self.lost_lead = False
        """Whether the call asked for what only a leader may do, and this process does not lead."""

    def begin(self, export: str, until: float = math.inf) -> None:
        """`until` is on trio's clock."""
        self._export, self._until = export, until
        self.lost_lead = False

    # --- imports.Desk

    def answer(self, name: str, data: bytes) -> bytes:
        self._check(name)
        return _AT_ONCE[name](self, data)

    async def answer_later(self, name: str, data: bytes) -> bytes:
        self._check(name)
        return await _LATER[name](self, data)

    def wall_ms(self) -> int:
        return self._parts.host.times.wall_ms()

    def monotonic_ms(self) -> int:
        return self._parts.host.times.monotonic_ms()

    def random(self, length: int) -> bytes:
        return self._parts.host.times.random(length)

    def line(self, level: str, text: bytes) -> None:
        self._parts.say(level, text)

    def _check(self, name: str) -> None:
        if trio.current_time() > self._until:
            raise Refused(Code.DEADLINE, f"{self._export} has used its time")
        if name not in _POSSIBLE.get(self._export, _OTHERWISE):
            raise Refused(Code.DENIED, f"{name} is not possible in {self._export}")

    # --- reads

    def _get(self, data: bytes) -> bytes:
        return self._cached(get_request(data))

    def _cached(self, request: GetRequest) -> bytes:
        parts = self._parts
        served = self._watched(request.api_version, request.kind)
        key = NamespacedName(request.namespace if served.namespaced else "", request.name)
        parts.allow.check("get", served.resource.group, served.resource.resource, key.namespace, key.name)
        return parts.view.get(served.resource, key, request.watch)

    def _watched(self, api_version: str, kind: str) -> ServedKind:
        """A kind of an open watch. Raises Refused, DENIED before anything else is said."""
        group = api_version.rpartition("/")[0]
        served = self._parts.watches.served(api_version, kind)
        if served is not None:
            return served
        self._check_group(group, kind)
        raise Refused(Code.NOT_FOUND, f"no watch of {kind} ({api_version}) is open: open one, or read live")

    def _check_group(self, group: str, kind: str) -> None:
        """A kind of a group that no rule names is denied without asking the API server what serves it."""
        if not self._parts.allow.knows_group(group):
            raise Refused(Code.DENIED, f'{kind}: no rule of `allow` names the apiGroup "{group}"')

    async def _get_later(self, data: bytes) -> bytes:
        request = get_request(data)
        if not request.live:
            return self._cached(request)
        served = await self._served(request.api_version, request.kind)
        return await self._get_live(served, request.namespace, request.name)

    async def _get_live(self, served: ServedKind, namespace: str, name: str) -> bytes:
        parts, resource = self._parts, served.resource
        namespace = namespace if served.namespaced else ""
        parts.allow.check("get", resource.group, resource.resource, namespace, name)
        obj = await parts.requests.get(served, namespace, name)
        parts.check_forced(served, namespace, obj)
        return messages.get_answer(encoded(obj), identity_of(obj).revision, ())

    async def _served(self, api_version: str, kind: str) -> ServedKind:
        """How the API server serves the kind. Raises Refused."""
        self._check_live()
        self._check_group(api_version.rpartition("/")[0], kind)
        return self._parts.watches.served(api_version, kind) or await self._parts.requests.served(api_version, kind)

    def _check_live(self) -> None:
        if self._export not in _LIVE:
            raise Refused(Code.DENIED, f"{self._export} may read from caches only")

    def _list(self, data: bytes) -> bytes:
        return self._list_cached(list_request(data))

    def _list_cached(self, request: ListRequest) -> bytes:
        served = self._watched(request.api_version, request.kind)
        resource = served.resource
        self._parts.allow.check("list", resource.group, resource.resource, _among(served, request))
        return self._parts.view.list(resource, request)

    async def _list_later(self, data: bytes) -> bytes:
        request = list_request(data)
        if not request.live:
            return self._list_cached(request)
        served = await self._served(request.api_version, request.kind)
        parts, resource = self._parts, served.resource
        namespace = _among(served, request)
        parts.allow.check("list", resource.group, resource.resource, namespace)
        forced = parts.allow.forced(resource.group, resource.resource, namespace)
        labels, fields = forced.joined(request.label_selector, request.field_selector)
        answer = await parts.requests.list(
            served,
            request.namespace,
            label_selector=labels,
            field_selector=fields,
            limit=request.limit,
            go_on=request.continue_,
        )
        return _listed(answer, served, request)

    # --- writes

    async def _write(self, data: bytes) -> bytes:
        parts = self._parts
        request = write_request(data)
        self._check_leads()
        if request.verb == "update" and not request.is_conditional and not parts.manifest.unconditional_updates:
            text = "write: an update needs the resourceVersion that it replaces, in the object or in preconditions"
            raise invalid(text)
        served = await self._served(request.api_version, request.kind)
        write = self._request_of(request, served)
        before = parts.watches.deleting(served, request)
        try:
            answer = await parts.requests.write(write, self._check_leads)
        except Refused as refused:
            if refused.code == Code.ALREADY_EXISTS and request.return_existing:
                refused.current = await self._current(served, request)
            raise
        return parts.watches.written(served, request, answer, before)

    def _check_leads(self) -> None:
        """Asked again just before a write is sent: it may have waited for its turn."""
        if not self._parts.leads():
            self.lost_lead = True
            raise Refused(Code.DENIED, "this process does not lead: it must not act")

    def _request_of(self, request: WriteRequest, served: ServedKind) -> Write:
        parts, resource = self._parts, served.resource
        namespace = request.namespace if served.namespaced else ""
        plural = f"{resource.resource}/{request.subresource}" if request.subresource else resource.resource
        parts.allow.check(request.right, resource.group, plural, namespace, request.name)
        if request.verb == "create":
            path = object_path_of(served, namespace, "x").rpartition("/")[0]
        else:
            path = object_path_of(served, namespace, request.name, request.subresource)
        owner = request.owned_by
        body = request.body(parts.manifest.api_version_of(owner.kind) if owner else "")
        query = request.query(f"edged/{parts.config.name}")
        return Write(request.method, path, query, dumps(body), request.content_type)

    async def _current(self, served: ServedKind, request: WriteRequest) -> bytes | None:
        """Who has the name; None where the module may not read it, or it went meanwhile."""
        parts, resource = self._parts, served.resource
        namespace = request.namespace if served.namespaced else ""
        if not parts.allow.allows("get", resource.group, resource.resource, namespace, request.name):
            return None
        try:
            obj = await parts.requests.get(served, namespace, request.name)
            parts.check_forced(served, namespace, obj)
        except Refused:
            return None
        return encoded(obj)

    # --- the rest

    async def _open(self, data: bytes) -> bytes:
        declaration = declaration_of(_value(data, "watch_open"), "watch_open")
        self._check_group(declaration.api_version.rpartition("/")[0], declaration.kind)
        created, synced = await self._parts.watches.open(declaration, data)
        return messages.open_answer(declaration.id, created=created, synced=synced)

    def _close(self, data: bytes) -> bytes:
        return messages.close_answer(self._parts.watches.close(close_request(data)))

    def _enqueue(self, data: bytes) -> bytes:
        request = enqueue_request(data, self._parts.manifest.kind)
        now = trio.current_time()
        self._parts.add(request.key, now + request.after_s if request.after_s else now)
        return b"{}"

    def _event(self, data: bytes) -> bytes:
        request = event_request(data)
        self._parts.allow.check("create", EVENTS.group, EVENTS.resource, request.regarding.namespace or "default")
        self._parts.tell_event(request)
        return b"{}"

    def _metric(self, data: bytes) -> bytes:
        self._parts.metrics.note(metric_request(data))
        return b"{}"

    async def _ext(self, data: bytes) -> bytes:
        parts, request = self._parts, ext_request(data)
        if request.ext not in parts.config.extensions:
            wanted = f'extensions = ["{request.ext}"]'
            raise Refused(Code.DENIED, f"{request.ext} is not granted: the controller needs {wanted}")
        extension = parts.host.extensions.get(request.ext)
        if extension is None:
            raise Refused(Code.UNSUPPORTED, f"this node has no {request.ext}")
        self._check_leads()
        return dumps(await extension.call(request.op, {} if request.args is None else request.args))


_AT_ONCE: Final[Mapping[str, Callable[[Desk, bytes], bytes]]] = {
    "get": Desk._get, "list": Desk._list, "watch_close": Desk._close, "enqueue": Desk._enqueue,
    "event": Desk._event, "metric": Desk._metric,
}  # fmt: skip
_LATER: Final[Mapping[str, Callable[[Desk, bytes], Awaitable[bytes]]]] = {
    "get": Desk._get_later, "list": Desk._list_later, "write": Desk._write, "watch_open": Desk._open, "ext": Desk._ext,
}  # fmt: skip


def _among(served: ServedKind, request: ListRequest) -> str | None:
    """The namespace that rights are asked for: cluster-scoped objects are in none, whatever the request says."""
    return request.namespace if served.namespaced else ""


def _value(data: bytes, what: str) -> object:
    if len(data) > MOST_DECLARATION:
        raise Refused(Code.LIMIT, f"{what}: the request has {len(data)} bytes, at most {MOST_DECLARATION}")
    try:
        return loads(data)
    except JsonError as error:
        raise invalid(f"{what}: {error}") from None


def _listed(answer: Mapping[str, Any], served: ServedKind, request: ListRequest) -> bytes:
    """Items of a list carry neither apiVersion nor kind: they get them, as objects in caches have them."""
    metadata = answer.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    named = {"apiVersion": served.resource.api_version, "kind": served.kind}
    items = [each for each in answer.get("items") or () if isinstance(each, dict)]
    if request.fields:
        texts = [dumps(projected(named | each, request.fields)) for each in items]
    else:
        texts = [encoded(named | each) for each in items]
    return messages.list_answer(texts, str(metadata.get("continue") or ""), identity_of(answer).revision)
