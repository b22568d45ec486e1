"""One open watch of a module: its declaration, the cache that serves it, its indexes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from edged.controllers.core.codes import Refused
from edged.controllers.core.declarations import WatchDeclaration
from edged.controllers.core.indexes import Indexes
from edged.controllers.core.overlays import Change
from edged.controllers.core.selection import Filter, filter_of
from edged.kube.values.names import NamespacedName, ServedKind


class Cache(Protocol):
    """The objects of one selection, as JSON. An Informer is one."""

    @property
    def synced(self) -> bool: ...
    def raw(self, key: NamespacedName) -> bytes | None: ...
    def revision(self, key: NamespacedName) -> str | None:
        """resourceVersion of the object."""
    def keys(self) -> Iterator[NamespacedName]: ...
    def size_bytes(self) -> int: ...
    def __contains__(self, key: object) -> bool: ...
    def __len__(self) -> int: ...


class Listener(Protocol):
    """Who is told of what a watch shows."""

    def seen(self, watch: WatchView, change: Change, key: NamespacedName, obj: Mapping[str, Any]) -> None: ...


class WatchView:
    """`selectors`: those of the declaration with what the operator forces, for labels and for fields."""

    def __init__(
        self, declaration: WatchDeclaration, served: ServedKind, cache: Cache,
        selectors: tuple[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.declaration = declaration
        self.served = served
        self.cache = cache
        self.listener: Listener | None = None
        self._selectors = selectors or (declaration.label_selector, declaration.field_selector)
        self._indexes = Indexes(declaration.indexes) if declaration.indexes else None
        self._has_caught_up = self._indexes is None
        self._selector: tuple[Filter | None] | None = None  # read when it is needed

    @property
    def id(self) -> str:
        return self.declaration.id

    @property
    def synced(self) -> bool:
        """The objects are known, and this watch was told of all of them where it has indexes."""
        if not self._has_caught_up and self._indexes is not None:
            self._has_caught_up = self.cache.synced and len(self._indexes) >= len(self.cache)
        return self._has_caught_up and self.cache.synced

    def apply(self, change: Change, key: NamespacedName, obj: Mapping[str, Any]) -> None:
        """An event of this watch, which its cache shows already. `obj`: the object, for "deleted" as it was last."""
        if self._indexes is not None:
            if change == "deleted":
                self._indexes.remove(key)
            else:
                self._indexes.put(key, obj)
        if self.listener is not None:
            self.listener.seen(self, change, key, obj)

    def has_index(self, name: str) -> bool:
        return self._indexes is not None and name in self._indexes

    def indexed(self, name: str, value: str) -> Iterator[NamespacedName]:
        """Keys of the objects that have this value. The index has to be there."""
        return iter(()) if self._indexes is None else self._indexes.find(name, value)

    def would_show(self, key: NamespacedName, obj: Mapping[str, Any]) -> bool:
        """Whether an object is selected by this watch."""
        namespace = self.declaration.namespace
        if namespace is not None and self.served.namespaced and key.namespace != namespace:
            return False
        if self._selector is None:
            self._selector = (self._filter(),)
        selector = self._selector[0]
        return selector is None or selector.matches(obj)

    def _filter(self) -> Filter | None:
        try:
            return filter_of(self.served.resource, *self._selectors, self.id)
        except Refused:  # the API server refuses it as well: the watch shows nothing
            return None
