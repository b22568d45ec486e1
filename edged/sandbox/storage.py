"""Objects, one global version counter, a bounded history and watches. Pure: no clock, no I/O.

Stored objects are never changed in place: writers hand in new dicts and must not touch them afterwards, readers
must not change what they get. A bucket holds the objects of one resource ("pods", "deployments.apps") whatever
API version they are read in. Called by reads.py, watches.py, lifecycle.py and the verbs of writer.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from edged.errors import EdgedError
from edged.kube.values.names import NamespacedName, key_of

Object = dict[str, Any]
# Inside Storage `list` is the method.
Objects = list[Object]
Names = list[str]


class KeyExists(EdgedError):
    """create() of a key that is there."""


class KeyAbsent(EdgedError):
    """update() or delete() of a key that is not there."""


class VersionMismatch(EdgedError):
    """Somebody else has written the object since the caller read it."""


class TooOld(EdgedError):
    """The history does not reach back to the version that was asked for."""

    def __init__(self, version: int, oldest: int) -> None:
        super().__init__(f"too old resource version: {version} ({oldest})")
        self.oldest = oldest


@dataclass(frozen=True, slots=True)
class Event:
    """One write. `old` is None for ADDED; `object` of DELETED is the last state with the new version."""

    type: Literal["ADDED", "MODIFIED", "DELETED"]
    bucket: str
    key: NamespacedName
    object: Object
    old: Object | None
    version: int


class Subscription:
    """A watch on one bucket; `close()` ends the calls. `on_end` is called when the server ends it."""

    def __init__(
        self, storage: Storage, bucket: str, callback: Callable[[Event], None], on_end: Callable[[], None]
    ) -> None:
        self._storage = storage
        self.bucket = bucket
        self.callback = callback
        self.on_end = on_end

    def close(self) -> None:
        self._storage._subscriptions.discard(self)


class Storage:
    """`history`: how many past writes are kept; a watch or list from before them gets TooOld."""

    def __init__(self, *, history: int = 10_000, first_version: int = 1) -> None:
        self.version = first_version
        self._buckets: dict[str, dict[NamespacedName, Object]] = {}
        self._history: deque[Event] = deque()
        self._limit = history
        self._compacted = first_version
        self._subscriptions: set[Subscription] = set()
        self._observers: list[Callable[[Event], None]] = []

    @property
    def oldest(self) -> int:
        """The lowest version that a watch may resume from."""
        return self._compacted

    def get(self, bucket: str, key: NamespacedName) -> Object | None:
        return self._buckets.get(bucket, {}).get(key)

    def list(self, bucket: str, namespace: str | None = None) -> Objects:
        """Objects by namespace, then name; `namespace` None means all."""
        objects = self._buckets.get(bucket, {})
        keys = sorted(objects if namespace is None else (k for k in objects if k.namespace == namespace))
        return [objects[key] for key in keys]

    def list_at(self, bucket: str, version: int, namespace: str | None = None) -> Objects:
        """The list as it was at `version`, by undoing the history. Raises TooOld."""
        if version < self._compacted:
            raise TooOld(version, self._compacted)
        objects = dict(self._buckets.get(bucket, {}))
        for event in reversed(self._history):
            if event.version <= version:
                break
            if event.bucket == bucket:
                _undo(objects, event)
        keys = sorted(k for k in objects if namespace is None or k.namespace == namespace)
        return [objects[key] for key in keys]

    def buckets(self) -> Names:
        return [name for name, objects in self._buckets.items() if objects]

    def create(self, bucket: str, obj: Object) -> Object:
        """Stores `obj` (its metadata gets the new resourceVersion) and returns what was stored."""
        key = key_of(obj)
        objects = self._buckets.setdefault(bucket, {})
        if key in objects:
            raise KeyExists(f"{bucket} {key}")
        stored = self._stamped(obj)
        objects[key] = stored
        self._record("ADDED", bucket, key, stored, None)
        return stored

    def update(self, bucket: str, obj: Object, *, expected: Object | None = None) -> Object:
        """Replaces the object of that key. Equal content changes nothing. `expected`: what the caller read."""
        key = key_of(obj)
        old = self._present(bucket, key, expected)
        obj = {**obj, "metadata": {**obj["metadata"], "resourceVersion": old["metadata"]["resourceVersion"]}}
        if obj == old:
            return old
        stored = self._stamped(obj)
        self._buckets[bucket][key] = stored
        self._record("MODIFIED", bucket, key, stored, old)
        return stored

    def delete(self, bucket: str, key: NamespacedName, *, expected: Object | None = None) -> Object:
        """Removes the object; the return value carries a fresh resourceVersion."""
        old = self._present(bucket, key, expected)
        del self._buckets[bucket][key]
        last = self._stamped(old)
        self._record("DELETED", bucket, key, last, old)
        return last

    def events_since(self, bucket: str, version: int) -> Iterator[Event]:
        """Writes after `version`, oldest first. Raises TooOld at once."""
        if version < self._compacted:
            raise TooOld(version, self._compacted)
        return iter([e for e in self._history if e.version > version and e.bucket == bucket])

    def subscribe(
        self, bucket: str, callback: Callable[[Event], None], on_end: Callable[[], None] = lambda: None
    ) -> Subscription:
        """Calls `callback` for every later write to the bucket, within that write: it must not write itself."""
        subscription = Subscription(self, bucket, callback, on_end)
        self._subscriptions.add(subscription)
        return subscription

    def end_watches(self, bucket: str) -> None:
        """Says to all watches of a bucket that they end: the resource is no longer what it was."""
        for subscription in list(self._subscriptions):
            if subscription.bucket == bucket:
                subscription.on_end()

    def observe(self, callback: Callable[[Event], None]) -> None:
        """Calls `callback` for every later write to any bucket, within that write: it must not write itself."""
        self._observers.append(callback)

    def compact(self, version: int | None = None) -> None:
        """Forgets the history up to `version` (default: all of it)."""
        upto = self.version if version is None else version
        while self._history and self._history[0].version <= upto:
            self._history.popleft()
        self._compacted = max(self._compacted, min(upto, self.version))

    def check(self, bucket: str, expected: Object) -> None:
        """Raises KeyAbsent or VersionMismatch if somebody has written the object since the caller read it."""
        self._present(bucket, key_of(expected), expected)

    def _present(self, bucket: str, key: NamespacedName, expected: Object | None) -> Object:
        old = self.get(bucket, key)
        if old is None:
            raise KeyAbsent(f"{bucket} {key}")
        if expected is not None and old is not expected:
            raise VersionMismatch(f"{bucket} {key}")
        return old

    def _stamped(self, obj: Object) -> Object:
        self.version += 1
        return {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self.version)}}

    def _record(
        self,
        kind: Literal["ADDED", "MODIFIED", "DELETED"],
        bucket: str,
        key: NamespacedName,
        obj: Object,
        old: Object | None,
    ) -> None:
        event = Event(kind, bucket, key, obj, old, self.version)
        self._history.append(event)
        while len(self._history) > self._limit:
            self._compacted = self._history.popleft().version
        for observer in self._observers:
            observer(event)
        for subscription in list(self._subscriptions):
            if subscription.bucket == bucket:
                subscription.callback(event)


def _undo(objects: dict[NamespacedName, Object], event: Event) -> None:
    if event.old is None:
        objects.pop(event.key, None)
    else:
        objects[event.key] = event.old
