"""Which queue keys a change of an object means, by what the watch declares: `map`, `on` and `where`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from edged.controllers.core.conditions import all_hold
from edged.controllers.core.declarations import KeyMapping, WatchDeclaration
from edged.controllers.core.indexes import controller_of
from edged.controllers.core.keys import Key
from edged.controllers.core.overlays import Change
from edged.controllers.core.pointers import differs, read
from edged.controllers.core.watch_view import WatchView
from edged.json_text import loads
from edged.kube.values.names import NamespacedName

Object = Mapping[str, Any]
Before = Callable[[], dict[str, Any]] | None
"""Decodes the state before; asked only where it decides something."""


class Mapped(NamedTuple):
    """`keys`: each once. `ask_guest`: the module's own mapping has to be asked as well."""

    keys: tuple[Key, ...]
    ask_guest: bool


class OpenWatches(Protocol):
    """The other watches of the module."""

    def find(self, id: str) -> WatchView | None: ...
    def is_cluster_scoped(self, kind: str) -> bool:
        """Whether a watch shows a kind of that name whose objects have no namespace."""


_NOTHING = Mapped((), False)


def keys_of(
    watch: WatchView, change: Change, key: NamespacedName, old: Before, obj: Object, watches: OpenWatches
) -> Mapped:
    """`obj`: the object now, for "deleted" as it was last. `old` None for "added" and "deleted".

    Additions and deletions count, and so does a change of the uid, which is both at once. An update counts where one of
    the subtrees of `on` differs. `where` has to hold before or after; a deletion counts in any case.
    """
    declaration = watch.declaration
    before = _Before(old if change == "modified" else None)
    if not _counts(declaration, change, before, obj):
        return _NOTHING
    keys: dict[Key, None] = {}
    for mapping in declaration.mappings:
        for state in _states(mapping, before, obj):
            keys.update(dict.fromkeys(_mapped(mapping, watch, key, state, watches)))
    return Mapped(tuple(keys), declaration.asks_guest())


def keys_left(watch: WatchView, gone: Iterable[tuple[NamespacedName, bytes]], watches: OpenWatches) -> list[Key]:
    """The keys of objects (as JSON) that only a watch showed that is closed now, each once. What a guest maps itself it
    has to see itself: it closed the watch."""
    keys: dict[Key, None] = {}
    reads = any(each.by in ("owner", "path") for each in watch.declaration.mappings)
    for key, raw in gone:
        obj = loads(raw) if reads else {}
        for mapping in watch.declaration.mappings:
            keys.update(dict.fromkeys(_mapped(mapping, watch, key, obj, watches)))
    return list(keys)


class _Before:
    """The state before, decoded at most once."""

    def __init__(self, decode: Before) -> None:
        self._decode = decode
        self._object: Object | None = None

    def __call__(self) -> Object | None:
        if self._object is None and self._decode is not None:
            self._object = self._decode()
        return self._object


def _counts(declaration: WatchDeclaration, change: Change, before: _Before, obj: Object) -> bool:
    if change == "deleted":
        return True
    holds = all_hold(declaration.where, obj)
    if change == "added" or (declaration.on is None and holds):
        return holds
    old = before()
    if old is None or _uid(old) != _uid(obj):
        return True
    held = all_hold(declaration.where, old) if declaration.where else True
    if holds != held:
        return True
    return holds and (declaration.on is None or differs(old, obj, declaration.on))


def _states(mapping: KeyMapping, before: _Before, obj: Object) -> Iterator[Object]:
    """What the keys are read from: where they depend on the object, who was meant before is told, too."""
    yield obj
    if mapping.by in ("owner", "path"):
        old = before()
        if old is not None:
            yield old


def _mapped(
    mapping: KeyMapping, watch: WatchView, key: NamespacedName, obj: Object, watches: OpenWatches
) -> Iterator[Key]:
    match mapping.by:
        case "self":
            yield Key(watch.declaration.kind, key.namespace, key.name)
        case "owner":
            owner = controller_of(obj)
            if owner is not None and owner.get("kind") == mapping.kind and isinstance(owner.get("name"), str):
                yield _key(mapping.kind, key.namespace, owner["name"], watches)
        case "path":
            for name in _names(mapping, obj):
                yield _key(mapping.kind, key.namespace, name, watches)
        case "index":
            yield from _by_index(mapping, key, watches)
        case "guest":
            return


def _key(kind: str, namespace: str, name: str, watches: OpenWatches) -> Key:
    return Key(kind, "" if watches.is_cluster_scoped(kind) else namespace, name)


def _names(mapping: KeyMapping, obj: Object) -> Iterator[str]:
    """A name, or a list of them."""
    found = None if mapping.pointer is None else read(obj, mapping.pointer)
    for each in found if isinstance(found, list) else (found,):
        if isinstance(each, str) and each:
            yield each


def _by_index(mapping: KeyMapping, key: NamespacedName, watches: OpenWatches) -> Iterator[Key]:
    """Objects whose index holds `namespace/name`, and those of the same namespace whose index holds the bare name,
    which is how a field names an object beside it."""
    target = watches.find(mapping.watch)
    if target is None or not target.has_index(mapping.index_name):
        return
    kind = target.declaration.kind
    if key.namespace:
        for found in target.indexed(mapping.index_name, f"{key.namespace}/{key.name}"):
            yield Key(kind, *found)
    for found in target.indexed(mapping.index_name, key.name):
        if not key.namespace or found.namespace == key.namespace:
            yield Key(kind, *found)


def _uid(obj: Object) -> object:
    metadata = obj.get("metadata")
    return metadata.get("uid") if isinstance(metadata, dict) else None
