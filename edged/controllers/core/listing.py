"""Lists of what a module sees: by index, by selectors, cut to fields, in pages. From caches alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from edged.controllers.core.codes import Code, Refused, invalid
from edged.controllers.core.indexes import values_of
from edged.controllers.core.kind_view import KindView
from edged.controllers.core.overlays import Overlay
from edged.controllers.core.pointers import projected
from edged.controllers.core.pruning import is_kept
from edged.controllers.core.requests import ListRequest
from edged.controllers.core.selection import Filter, filter_of
from edged.controllers.core.watch_view import WatchView
from edged.json_text import dumps, loads
from edged.kube.values.names import GroupVersionResource, NamespacedName


class Page(NamedTuple):
    """`items` as JSON. `continue_` "": there are no more."""

    items: list[bytes]
    continue_: str


def page_of(kind: KindView, resource: GroupVersionResource, request: ListRequest) -> Page:
    """Raises Refused: INVALID, NOT_SYNCED, or NOT_FOUND for a watch that is not open."""
    watches = _watches(kind, request)
    selector = filter_of(resource, request.label_selector, request.field_selector, "list")
    if selector is not None:
        _check_kept(selector, watches)
    keys: Iterable[NamespacedName] = dict.fromkeys(_keys(kind, watches, request))
    if request.limit or request.continue_:
        keys = _after(sorted(keys), request.continue_)
    found: list[bytes] = []
    last: NamespacedName | None = None
    for key in keys:
        raw = kind.raw(key, request.watch)
        if raw is not None and (selector is not None or request.fields):
            raw = _looked_at(raw, selector, request)
        if raw is None:
            continue
        if request.limit and len(found) == request.limit:
            return Page(found, str(last and f"{last.namespace}/{last.name}"))
        found.append(raw)
        last = key
    return Page(found, "")


def _looked_at(raw: bytes, selector: Filter | None, request: ListRequest) -> bytes | None:
    obj: Any = loads(raw)
    if selector is not None and not selector.matches(obj):
        return None
    return dumps(projected(obj, request.fields)) if request.fields else raw


def _watches(kind: KindView, request: ListRequest) -> list[WatchView]:
    if request.watch and request.watch not in kind.watches:
        raise Refused(Code.NOT_FOUND, f"no watch {request.watch} of {request.kind} is open")
    watches = [kind.watches[request.watch]] if request.watch else list(kind.watches.values())
    if unsynced := kind.unsynced(request.watch):
        raise Refused(Code.NOT_SYNCED, f"the watch {unsynced} does not know all objects yet")
    if request.index is not None:
        watches = [each for each in watches if each.has_index(request.index[0])]
        if not watches:
            raise invalid(f"list.index.name: no open watch of {request.kind} has an index {request.index[0]}")
    return watches


def _check_kept(selector: Filter, watches: Iterable[WatchView]) -> None:
    """A field that was dropped from the cache would look as if objects lacked it."""
    for watch in watches:
        for term in selector.fields.terms:
            if not is_kept(term.field, watch.declaration):
                raise invalid(f"list.fieldSelector: the watch {watch.id} does not keep {term.field}")


def _keys(kind: KindView, watches: list[WatchView], request: ListRequest) -> Iterator[NamespacedName]:
    """Of what watches show, and of what was written and is laid over it."""
    laid = dict(kind.overlays.items()) if len(kind.overlays) else {}
    for watch in watches:
        keys = watch.cache.keys() if request.index is None else watch.indexed(*request.index)
        for key in keys:
            if (request.namespace is None or key.namespace == request.namespace) and key not in laid:
                yield key
    for key, overlay in laid.items():
        if (request.namespace is None or key.namespace == request.namespace) and _shows(watches, overlay, request):
            yield key


def _shows(watches: list[WatchView], overlay: Overlay, request: ListRequest) -> bool:
    """Whether one of the watches would have the object that was written, and under the index's value."""
    showing = [watch for watch in watches if watch.id in overlay.shown_by]
    if overlay.raw is None or not showing or request.index is None:
        return bool(showing)
    name, value = request.index
    obj: Any = loads(overlay.raw)
    declared = (each for watch in showing for each in watch.declaration.indexes if each.name == name)
    return any(value in values_of(each, obj) for each in declared)


def _after(keys: list[NamespacedName], continue_: str) -> list[NamespacedName]:
    if not continue_:
        return keys
    namespace, slash, name = continue_.partition("/")
    if not slash:
        raise invalid("list.continue: is not what a list before answered")
    last = NamespacedName(namespace, name)
    return [key for key in keys if key > last]


