"""What one module sees of the cluster: its open watches over shared caches, its own writes laid over them.

Objects stay bytes: a read is a look into a dictionary. Limits are the module's share of the process's memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from edged.controllers.core import messages
from edged.controllers.core.codes import Code, Refused
from edged.controllers.core.declarations import WatchDeclaration
from edged.controllers.core.keys import Key
from edged.controllers.core.kind_view import Identity, KindView, identity_of
from edged.controllers.core.listing import Page, page_of
from edged.controllers.core.mapping import keys_left
from edged.controllers.core.requests import ListRequest
from edged.controllers.core.watch_view import WatchView
from edged.json_text import loads
from edged.kube.values.names import GroupVersionResource, NamespacedName

MOST_WATCHES, MOST_OBJECTS, MOST_BYTES = 1024, 4096, 16 << 20


class Limits(NamedTuple):
    """Of one module. `bytes`: of the JSON that its watches cache; what modules share counts for each."""

    watches: int = MOST_WATCHES
    objects: int = MOST_OBJECTS
    bytes: int = MOST_BYTES


class View:
    """Resources without an open watch show nothing."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._watches: dict[str, WatchView] = {}
        self._kinds: dict[GroupVersionResource, KindView] = {}

    # --- watches

    def known(self, declaration: WatchDeclaration) -> WatchView | None:
        """The open watch of an equal declaration. Raises Refused (WATCH_CLASH) where the id is that of another one."""
        watch = self._watches.get(declaration.id)
        if watch is not None and watch.declaration != declaration:
            raise Refused(Code.WATCH_CLASH, f"the watch {declaration.id} is open with another declaration")
        return watch

    def check_room(self) -> None:
        """Before a watch is opened. Raises Refused (LIMIT)."""
        if len(self._watches) >= self._limits.watches:
            raise Refused(Code.LIMIT, f"{len(self._watches)} watches are open, as many as this module may have")
        if excess := self.excess():
            raise Refused(Code.LIMIT, excess)

    def excess(self) -> str:
        """What is more than the module may cache, for people; "" where nothing is. Takes as long as there are cached
        objects: to be asked now and then."""
        objects = sum(len(each.cache) for each in self._watches.values())
        if objects > self._limits.objects:
            return f"its watches show {objects} objects, {self._limits.objects} are allowed (max_objects)"
        size = sum(each.cache.size_bytes() for each in self._watches.values())
        if size > self._limits.bytes:
            most = self._limits.bytes >> 20
            return f"the objects of its watches take {-(-size >> 20)} MiB, {most} are allowed (max_cache_mib)"
        return ""

    def open(self, watch: WatchView) -> None:
        self._watches[watch.id] = watch
        self._kinds.setdefault(watch.served.resource, KindView()).open(watch)

    def close(self, id: str) -> list[Key]:
        """The queue keys of objects that only this watch showed, for those who are to be told. KeyError for a watch
        that is not open."""
        watch = self._watches.pop(id)
        resource = watch.served.resource
        kind = self._kinds[resource]
        gone = kind.close(id)
        if not kind.watches:
            del self._kinds[resource]
        return keys_left(watch, gone, self) if watch.declaration.on_close_enqueue else []

    def find(self, id: str) -> WatchView | None:
        return self._watches.get(id)

    def is_cluster_scoped(self, kind: str) -> bool:
        """Whether a watch shows a kind of that name whose objects have no namespace."""
        return any(each.declaration.kind == kind and not each.served.namespaced for each in self._watches.values())

    def __iter__(self) -> Iterator[WatchView]:
        return iter(list(self._watches.values()))

    def __len__(self) -> int:
        return len(self._watches)

    # --- reads

    def raw(self, resource: GroupVersionResource, key: NamespacedName, watch: str = "") -> bytes | None:
        """The object as JSON; None where no watch shows it, or not this one."""
        kind = self._kinds.get(resource)
        if kind is None or (watch and watch not in kind.watches):
            return None
        return kind.raw(key, watch)

    def get(self, resource: GroupVersionResource, key: NamespacedName, watch: str = "") -> bytes:
        """The answer to a `get`. Raises Refused: NOT_FOUND, or NOT_SYNCED where it may come yet."""
        kind = self._kinds.get(resource)
        if kind is None or (watch and watch not in kind.watches):
            raise Refused(Code.NOT_FOUND, f"no watch {watch or f'of {resource}'} is open")
        raw = kind.raw(key, watch)
        if raw is not None:
            return messages.get_answer(raw, kind.revision(key, watch), kind.sources(key))
        if unsynced := kind.unsynced(watch):
            raise Refused(Code.NOT_SYNCED, f"{key}: the watch {unsynced} does not know all objects yet")
        raise Refused(Code.NOT_FOUND, f"no watch shows {resource} {key}")

    def select(self, resource: GroupVersionResource, request: ListRequest) -> Page:
        """Raises Refused: NOT_FOUND without a watch, NOT_SYNCED, INVALID."""
        kind = self._kinds.get(resource)
        if kind is None:
            raise Refused(Code.NOT_FOUND, f"no watch of {resource} is open")
        return page_of(kind, resource, request)

    def list(self, resource: GroupVersionResource, request: ListRequest) -> bytes:
        """The answer to a `list`. Raises as `select`."""
        page = self.select(resource, request)
        return messages.list_answer(page.items, page.continue_)

    def sources(self, resource: GroupVersionResource, key: NamespacedName) -> tuple[str, ...]:
        """Ids of the watches that show the object, in order."""
        kind = self._kinds.get(resource)
        return () if kind is None else kind.sources(key)

    def ambiguous_since(self, resource: GroupVersionResource, key: NamespacedName, now: float) -> float | None:
        """Since when watches show different states of an object (monotonic seconds); None where they agree. For as long
        as somebody asks."""
        kind = self._kinds.get(resource)
        return None if kind is None else kind.ambiguous_since(key, now)

    def ambiguous(self, resource: GroupVersionResource, key: NamespacedName, now: float) -> bool:
        return self.ambiguous_since(resource, key, now) is not None

    # --- own writes

    def identity(self, resource: GroupVersionResource, key: NamespacedName) -> Identity | None:
        """Which state of which object is seen; None where there is none."""
        raw = self.raw(resource, key)
        return None if raw is None else identity_of(loads(raw))

    def overlay(
        self, resource: GroupVersionResource, key: NamespacedName, raw: bytes | None, revision: str, uid: str,
        now: float, *, holds: bool = True, before: Identity | None = None,
    ) -> bool:  # fmt: skip
        """What the API server answered to a write (`raw` None: the object is gone) is seen from now on, until the
        watches show it or a later state. False where there is nothing to wait for. `holds` False for an object that
        was read live, because its watches did not agree or came too late: nothing waits for them again. `before`:
        what `identity` said before a deletion was asked for; it tells a new object of the name from the deleted one."""
        kind = self._kinds.get(resource)
        return kind is not None and kind.lay(
            key, raw, Identity(revision, uid), now, holds=holds, before=before
        )

    def unsettled(self, resource: GroupVersionResource, key: NamespacedName) -> float | None:
        """Until when (monotonic seconds) the next reconcile of an object waits for its watches to show what was
        written; None where they do."""
        kind = self._kinds.get(resource)
        overlay = None if kind is None else kind.overlays.get(key)
        return overlay.until if overlay is not None and overlay.holds else None

    def expired(self, now: float) -> Sequence[tuple[GroupVersionResource, NamespacedName]]:
        """Objects whose watches did not show a write in time. They are to be read live (`overlay`, or `uncover` where
        that will never be possible) before they are reconciled; until then they wait again."""
        return [(resource, key) for resource, kind in self._kinds.items() for key in kind.overlays.expired(now)]

    def uncover(self, resource: GroupVersionResource, key: NamespacedName) -> None:
        """The object is seen as its watches show it from now on."""
        if (kind := self._kinds.get(resource)) is not None:
            kind.overlays.drop(key)


class Left(NamedTuple):
    """What a watch of a module's earlier edition showed at last, as JSON. `view`: all that this edition saw."""

    view: View
    watch: WatchView
    objects: list[tuple[NamespacedName, bytes]]
