"""What a module wrote and its watches do not show yet: laid over what they show, until they do.

The answer to a write and the event that it causes race. Whichever comes first, the module sees its own write, and never
a state before it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

from edged.kube.control.comparison import is_after
from edged.kube.values.names import NamespacedName
from edged.records import dataclass

SETTLE_S = 5.0
"""So long at most. After that only the API server knows."""
Change = Literal["added", "modified", "deleted"]


@dataclass(slots=True)
class Overlay:
    """`raw`: the object as JSON, None where no watch will show it. `is_deletion`: it was deleted; then `revision` is
    the last one that is known of it, perhaps "". `uid` "": not known. `shown_by`: ids of the watches that will show it;
    `waiting`: of those that have not yet caught up. `until`: monotonic seconds. `holds`: the next reconcile of the
    object waits for them."""

    raw: bytes | None
    revision: str
    uid: str
    shown_by: frozenset[str]
    waiting: set[str]
    until: float = math.inf
    holds: bool = True
    is_deletion: bool = False

    def is_seen_in(self, revision: str) -> bool:
        """Whether a state with that resourceVersion is this one or a later one. Numbers are compared, other texts are
        equal or nothing is known."""
        return bool(revision) and (revision == self.revision or is_after(revision, self.revision) is True)

    def is_gone_in(self, revision: str, uid: str) -> bool:
        """Whether that is a state of another object of the name, which came after the deleted one. One that was before
        it has another uid as well."""
        return uid != self.uid and bool(self.revision) and is_after(revision, self.revision) is True


class Overlays:
    """Of the objects of one resource."""

    def __init__(self) -> None:
        self._laid: dict[NamespacedName, Overlay] = {}

    def lay(self, key: NamespacedName, overlay: Overlay) -> None:
        """One that the watches show already is not laid. A write that was answered late covers no later one."""
        former = self._laid.get(key)
        if former is not None and not overlay.is_deletion and is_after(former.revision, overlay.revision) is True:
            return
        if overlay.waiting:
            self._laid[key] = overlay
        else:
            self._laid.pop(key, None)

    def get(self, key: NamespacedName) -> Overlay | None:
        return self._laid.get(key)

    def seen(self, watch: str, change: Change, key: NamespacedName, revision: str, uid: str) -> None:
        """What a watch shows now. The event may be about a former object of that name, or a state before the write."""
        overlay = self._laid.get(key)
        if overlay is None or watch not in overlay.waiting:
            return
        if overlay.is_deletion:
            seen = overlay.is_gone_in(revision, uid) or (change == "deleted" and uid in (overlay.uid, ""))
        else:
            seen = overlay.is_seen_in(revision) or (change == "deleted" and watch not in overlay.shown_by)
        if seen:
            self._forget(key, watch)

    def drop_watch(self, watch: str) -> None:
        """It is closed: nobody waits for it."""
        for key, overlay in list(self._laid.items()):
            overlay.shown_by -= {watch}
            if watch in overlay.waiting:
                self._forget(key, watch)

    def expired(self, now: float) -> Iterator[NamespacedName]:
        """Those that something waited for too long: it waits again, until one says what the API server has. Others that
        are that old are dropped."""
        for key, overlay in list(self._laid.items()):
            if overlay.until <= now:
                if overlay.holds:
                    overlay.until = now + SETTLE_S
                    yield key
                else:
                    del self._laid[key]

    def drop(self, key: NamespacedName) -> None:
        """What was written is not waited for any more."""
        self._laid.pop(key, None)

    def _forget(self, key: NamespacedName, watch: str) -> None:
        overlay = self._laid[key]
        overlay.waiting.discard(watch)
        if not overlay.waiting:
            del self._laid[key]

    def items(self) -> Iterator[tuple[NamespacedName, Overlay]]:
        yield from list(self._laid.items())

    def __len__(self) -> int:
        return len(self._laid)
