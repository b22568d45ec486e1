"""What a module sees of one resource: the watches that show it, and its own writes laid over them.

With many watches (one for each virtual network) looking into each of them would make every read slow, so from FEW on
there is a map of who shows what. It may name a watch that shows an object no more, never leave one out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from edged.controllers.core.overlays import SETTLE_S, Change, Overlay, Overlays
from edged.controllers.core.watch_view import WatchView
from edged.json_text import loads
from edged.kube.control.comparison import is_after
from edged.kube.values.names import NamespacedName

FEW = 8


class Identity(NamedTuple):
    """Which state of which object it is. "" where it is not known."""

    revision: str
    uid: str


class KindView:
    """`watches` by id, in the order of opening."""

    def __init__(self) -> None:
        self.watches: dict[str, WatchView] = {}
        self.overlays = Overlays()
        self._only: WatchView | None = None  # where there is one alone, as with most kinds
        self._holders: dict[NamespacedName, tuple[WatchView, ...]] | None = None
        self._ambiguous_since: dict[NamespacedName, float] = {}

    # --- watches

    def open(self, watch: WatchView) -> None:
        self.watches[watch.id] = watch
        self._only = watch if len(self.watches) == 1 else None
        watch.listener = self
        if self._holders is not None:
            self._hold_all(watch)
        elif len(self.watches) > FEW:
            self._holders = {}
            for each in self.watches.values():
                self._hold_all(each)

    def close(self, id: str) -> list[tuple[NamespacedName, bytes]]:
        """Objects that no other watch shows, with what is cached of them."""
        watch = self.watches.pop(id)
        self._only = next(iter(self.watches.values())) if len(self.watches) == 1 else None
        watch.listener = None
        self.overlays.drop_watch(id)
        if len(self.watches) <= FEW:
            self._holders = None
        gone = []
        for key in tuple(watch.cache.keys()):
            self._let_go(watch, key)
            raw = watch.cache.raw(key)
            if raw is not None and next(self.holders(key), None) is None:
                gone.append((key, raw))
        return gone

    def _hold_all(self, watch: WatchView) -> None:
        for key in tuple(watch.cache.keys()):
            self._hold(watch, key)

    def _hold(self, watch: WatchView, key: NamespacedName) -> None:
        if self._holders is not None:
            held = self._holders.get(key, ())
            if watch not in held:
                self._holders[key] = (*held, watch)

    def _let_go(self, watch: WatchView, key: NamespacedName) -> None:
        if self._holders is None:
            return
        rest = tuple(each for each in self._holders.get(key, ()) if each is not watch)
        if rest:
            self._holders[key] = rest
        else:
            self._holders.pop(key, None)

    def seen(self, watch: WatchView, change: Change, key: NamespacedName, obj: Mapping[str, Any]) -> None:
        """A watch shows an object, shows it otherwise, or no more."""
        if self._holders is not None:
            if change == "deleted":
                self._let_go(watch, key)
            else:
                self._hold(watch, key)
        if len(self.overlays):
            self.overlays.seen(watch.id, change, key, *identity_of(obj))
        if self._ambiguous_since and self._agree(key):
            self._ambiguous_since.pop(key, None)

    def unsynced(self, id: str = "") -> str:
        """The id of a watch whose objects are not all known, or ""."""
        among = (self.watches[id],) if id else self.watches.values()
        return next((each.id for each in among if not each.synced), "")

    # --- objects

    def holders(self, key: NamespacedName) -> Iterator[WatchView]:
        """Watches whose cache has the object, without regard to own writes."""
        among = self.watches.values() if self._holders is None else self._holders.get(key, ())
        return (each for each in among if key in each.cache)

    def raw(self, key: NamespacedName, id: str = "") -> bytes | None:
        """The object as JSON, as the watch of that id shows it, or whoever has the latest state of it."""
        overlay = self.overlays.get(key)
        if overlay is not None:
            return overlay.raw if overlay.shown_by and (not id or id in overlay.shown_by) else None
        if id:
            return self.watches[id].cache.raw(key)
        latest = self._latest(key)
        return None if latest is None else latest.cache.raw(key)

    def revision(self, key: NamespacedName, id: str = "") -> str:
        """resourceVersion of what `raw` gives."""
        overlay = self.overlays.get(key)
        if overlay is not None:
            return overlay.revision
        watch = self.watches[id] if id else self._latest(key)
        return "" if watch is None else watch.cache.revision(key) or ""

    def _latest(self, key: NamespacedName) -> WatchView | None:
        """The watch with the latest state; it need not have the object where it is the only one."""
        if self._only is not None:
            return self._only
        latest: WatchView | None = None
        revision = ""
        for watch in self.holders(key):
            other = watch.cache.revision(key) or ""
            if latest is None or is_after(other, revision) is True:
                latest, revision = watch, other
        return latest

    def sources(self, key: NamespacedName) -> tuple[str, ...]:
        """Ids of the watches that show the object, in order."""
        overlay = self.overlays.get(key)
        if overlay is not None:
            return tuple(sorted(overlay.shown_by))
        if self._only is not None:
            return (self._only.id,) if key in self._only.cache else ()
        return tuple(sorted(watch.id for watch in self.holders(key)))

    def ambiguous_since(self, key: NamespacedName, now: float) -> float | None:
        """Since when several watches are known to show different states of the object; None where they agree."""
        if len(self.watches) < 2 or self.overlays.get(key) is not None or self._agree(key):
            self._ambiguous_since.pop(key, None)
            return None
        return self._ambiguous_since.setdefault(key, now)

    def _agree(self, key: NamespacedName) -> bool:
        return len({watch.cache.revision(key) for watch in self.holders(key)}) <= 1

    def lay(
        self, key: NamespacedName, raw: bytes | None, identity: Identity, now: float, *, holds: bool,
        before: Identity | None,
    ) -> bool:  # fmt: skip
        """What was written is to be seen from now on; False where no watch shows the object, or all do already."""
        obj = None if raw is None else loads(raw)
        revision, uid = self._last_of(key, identity, before) if raw is None else identity
        holding = [watch.id for watch in self.holders(key)]
        shown = {id for id, watch in self.watches.items() if obj is not None and watch.would_show(key, obj)}
        seen = raw if shown else None
        overlay = Overlay(seen, revision, uid, frozenset(shown), set(), now + SETTLE_S, holds, raw is None)
        overlay.waiting = {id for id in {*holding, *shown} if not self._has_caught_up(overlay, id, key)}
        self.overlays.lay(key, overlay)
        return bool(overlay.waiting)

    def _has_caught_up(self, overlay: Overlay, id: str, key: NamespacedName) -> bool:
        cache = self.watches[id].cache
        revision = cache.revision(key)
        if revision is None:
            return id not in overlay.shown_by
        if overlay.is_deletion:
            return overlay.is_gone_in(*identity_of(loads(cache.raw(key) or b"{}")))
        return overlay.is_seen_in(revision)

    def _last_of(self, key: NamespacedName, deleted: Identity, before: Identity | None) -> Identity:
        """The last revision that is known of a deleted object, or "": the answer to a deletion has none. Where not even
        the uid is known, it is the object that is seen."""
        states = (each.cache.raw(key) for each in self.holders(key))
        known = [identity_of(loads(raw)) for raw in states if raw is not None]
        overlay = self.overlays.get(key)
        known += [Identity(overlay.revision, overlay.uid)] if overlay is not None else []
        known += [before] if before is not None else []
        last = Identity("", deleted.uid)
        for each in known:
            if deleted.uid in ("", each.uid) and (not last.revision or is_after(each.revision, last.revision) is True):
                last = each
        return last


def identity_of(obj: Mapping[str, Any]) -> Identity:
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict):
        return Identity("", "")
    revision, uid = metadata.get("resourceVersion"), metadata.get("uid")
    return Identity(str(revision or ""), str(uid or ""))
