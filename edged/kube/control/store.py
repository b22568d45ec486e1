"""The last seen state of every object of one informer, as bytes; answers "what changed".

Keys are NamespacedName, values the pruned object as JSON bytes with its resourceVersion: a Pod takes 24 kB as
a dict and 3.4 kB as bytes, so objects are decoded when they are read. Encoding, pruning and I/O are not here.
kube/informers.py is the user.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from edged.kube.values.names import NamespacedName

Kind = Literal["added", "modified", "deleted"]


class Entry(NamedTuple):
    """One object: its resourceVersion and its JSON. A tuple, because there is one per object."""

    revision: str
    data: bytes


class Difference(NamedTuple):
    """One change: what happened to `key`, its state before (None when added) and after (None when
    deleted)."""

    kind: Kind
    key: NamespacedName
    before: bytes | None
    after: bytes | None


class Store:
    """Objects by key. A replacement (a new list) runs from `begin_replace()` over `put()` of every object
    that is listed to `finish_replace()`, which drops, and names, the ones that were not: their deletion was
    missed.
    """

    def __init__(self) -> None:
        self._entries: dict[NamespacedName, Entry] = {}
        self._size_bytes = 0
        self._listed: set[NamespacedName] | None = None
        self._unfit: dict[NamespacedName, str] = {}  # objects whose last state could not be stored: its resourceVersion

    def put(self, key: NamespacedName, revision: str, data: bytes) -> Difference | None:
        """Store an object; None when it is the one already there."""
        if self._listed is not None:
            self._listed.add(key)
        self._unfit.pop(key, None)
        before = self._entries.get(key)
        if before is not None and before.data == data:
            return None
        self._entries[key] = Entry(revision, data)
        self._size_bytes += len(data) - (0 if before is None else len(before.data))
        if before is None:
            return Difference("added", key, None, data)
        return Difference("modified", key, before.data, data)

    def keep(self, key: NamespacedName, revision: str) -> None:
        """The server holds this object, whose new state could not be stored: it is no deletion that was missed."""
        self._unfit[key] = revision
        if self._listed is not None:
            self._listed.add(key)

    def remove(self, key: NamespacedName) -> Difference | None:
        """Drop an object; None when it is not there."""
        if self._listed is not None:
            self._listed.discard(key)
        self._unfit.pop(key, None)
        return self._drop(key) if key in self._entries else None

    def _drop(self, key: NamespacedName) -> Difference:
        before = self._entries.pop(key)
        self._size_bytes -= len(before.data)
        return Difference("deleted", key, before.data, None)

    def begin_replace(self) -> None:
        """A new list begins; an unfinished one is forgotten. What is stored stays readable meanwhile."""
        self._listed = set()

    def finish_replace(self) -> list[Difference]:
        """The list is complete: drop what it did not hold and say what that was."""
        if self._listed is None:
            raise RuntimeError("finish_replace without begin_replace")
        listed, self._listed = self._listed, None
        for key in self._unfit.keys() - listed:
            del self._unfit[key]
        gone = [key for key in self._entries if key not in listed]
        return [self._drop(key) for key in gone]

    def replace(self, objects: Iterable[tuple[NamespacedName, str, bytes]]) -> list[Difference]:
        """The whole list at once: additions and modifications in its order, then deletions."""
        self.begin_replace()
        changes = [change for item in objects if (change := self.put(*item)) is not None]
        return changes + self.finish_replace()

    def get(self, key: NamespacedName) -> bytes | None:
        entry = self._entries.get(key)
        return None if entry is None else entry.data

    def revision(self, key: NamespacedName) -> str | None:
        """resourceVersion of the stored object."""
        entry = self._entries.get(key)
        return None if entry is None else entry.revision

    def holds(self, key: NamespacedName, revision: str, uid: str) -> bool:
        """Whether this very state of this very object is known, or could not be stored. The uid is looked for in the
        JSON, where it stands once."""
        if self._unfit.get(key) == revision:
            return True
        entry = self._entries.get(key)
        if entry is None or entry.revision != revision:
            return False
        return not uid or b'"uid":"%b"' % uid.encode("utf-8", "surrogatepass") in entry.data

    def knows(self, key: NamespacedName) -> bool:
        """Whether any state of this object is stored, or could not be."""
        return key in self._entries or key in self._unfit

    def keys(self) -> Iterator[NamespacedName]:
        return iter(self._entries)

    def values(self) -> Iterator[bytes]:
        return (entry.data for entry in self._entries.values())

    def size_bytes(self) -> int:
        """Sum of the lengths of the stored JSON."""
        return self._size_bytes

    def __iter__(self) -> Iterator[NamespacedName]:
        return iter(self._entries)

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def __len__(self) -> int:
        return len(self._entries)
