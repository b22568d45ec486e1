"""Which key may be worked on next: keys that are due, keys in work, keys to be taken once more.

The rules are client-go's: a key is queued at most once, a key in work is never handed out a second time, and
a key added while in work is queued again when it is done. Time comes in as `now` (monotonic seconds). Does
not wait and does not call anybody: its owner sleeps until `next_due` and is told of adds by its
caller.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
MOST_VOID = 64
"""Times that no longer count are dropped when there are more of them than that and than keys that wait: a key whose
time moves from a week to less, again and again, would leave one behind each time."""


class WorkQueue(Generic[Key]):
    """Keys in order of becoming due.

    Invariants: `_ready` holds keys of `_dirty` that are not in `_processing`, each once; a key in
    `_processing` and `_dirty` goes back to `_ready` in `done()`; `_due` has the earliest time of each key
    that waits.
    """

    def __init__(self) -> None:
        self._ready: deque[Key] = deque()
        self._dirty: set[Key] = set()
        self._processing: set[Key] = set()
        self._due: dict[Key, float] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._sequence = 0  # keeps the heap from comparing keys
        self._closed = False

    def add(self, key: Key, now: float) -> None:
        """Make `key` due at once (`now` is taken so that every method reads the same)."""
        if self._closed:
            return
        self._due.pop(key, None)
        if key in self._dirty:
            return
        self._dirty.add(key)
        if key not in self._processing:
            self._ready.append(key)

    def add_at(self, key: Key, due: float, now: float) -> None:
        """Make `key` due at time `due`; of several times for one key the earliest wins."""
        if due <= now:
            self.add(key, now)
            return
        if self._closed or key in self._dirty or self._due.get(key, due + 1.0) <= due:
            return
        self._due[key] = due
        if len(self._heap) > 2 * len(self._due) + MOST_VOID:
            self._heap = [(due, number, each) for number, (each, due) in enumerate(self._due.items())]
            heapq.heapify(self._heap)
            self._sequence = len(self._heap)
            return
        self._sequence += 1
        heapq.heappush(self._heap, (due, self._sequence, key))

    def take(self, now: float) -> Key | None:
        """The next key to work on, None when nothing is due. The caller must call `done(key)` later."""
        if self._closed:
            return None
        self._promote(now)
        if not self._ready:
            return None
        key = self._ready.popleft()
        self._dirty.discard(key)
        self._processing.add(key)
        return key

    def done(self, key: Key, now: float) -> None:
        """Work on `key` ended; queued again when it was added meanwhile."""
        self._processing.discard(key)
        if key in self._dirty and not self._closed:
            self._ready.append(key)

    def forget(self, key: Key) -> None:
        """Drop `key` where it only waits or is queued (its object is gone for good); work in progress
        stays."""
        self._due.pop(key, None)
        if key in self._dirty:
            self._dirty.discard(key)
            if key not in self._processing:
                self._ready.remove(key)

    def next_due(self, now: float) -> float | None:
        """When `take` will have something: `now` if it has already, None if only an add can change that."""
        if self._closed:
            return None
        self._promote(now)
        if self._ready:
            return now
        return self._heap[0][0] if self._heap else None

    def close(self) -> None:
        """No key is handed out or accepted any more; work in progress may still be reported done."""
        self._closed = True
        self._ready.clear()
        self._dirty.clear()
        self._due.clear()
        self._heap.clear()

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def in_work(self) -> int:
        """Keys handed out and not yet done."""
        return len(self._processing)

    def __len__(self) -> int:
        """Keys that are queued or due again after their present work (waiting ones not counted)."""
        return len(self._dirty)

    def __contains__(self, key: object) -> bool:
        """Whether it is queued, will be once its present work is done, or waits for its time."""
        return key in self._dirty or key in self._due

    def pending(self) -> Iterator[tuple[Key, float | None]]:
        """Those keys, and when each is due; None for at once."""
        yield from ((key, None) for key in list(self._dirty))
        yield from list(self._due.items())

    @property
    def waiting(self) -> int:
        """Keys that will become due later."""
        return len(self._due)

    def _promote(self, now: float) -> None:
        """Queue what has become due; drop heap entries that a later call made void."""
        while self._heap:
            due, _, key = self._heap[0]
            void = self._due.get(key) != due
            if not void and due > now:
                return
            heapq.heappop(self._heap)
            if not void:
                self.add(key, now)
