"""The queue of one module: which key is reconciled next, and when one that failed is tried again.

Keys belong to shards, of which each has one instance, so that a key is never reconciled twice at once. The rules of a
shard are those of kube/control/workqueue.py: a key is queued once; one that is added while it runs runs once more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from edged.controllers.core.codes import Code, Refused
from edged.controllers.core.keys import START, Key
from edged.controllers.core.results import ReconcileResult
from edged.controllers.core.troubles import Troubles
from edged.kube.control.backoff import KeyedBackoff
from edged.kube.control.workqueue import WorkQueue

MOST_KEYS = 100_000
LEAST_QUARANTINE_S = 60.0
"""Whatever the module says of its pauses: each attempt costs an instance."""
MOST_SHOWN = 20
"""Keys that people are shown."""


class Work:
    """`base_s` and `longest_s` bound the pause after failures, which doubles from one to the next."""

    def __init__(
        self, *, shards: int = 1, base_s: float = 0.005, longest_s: float = 1000.0, most_keys: int = MOST_KEYS
    ) -> None:
        self._queues = tuple(WorkQueue[Key]() for _ in range(shards))
        self._backoff = KeyedBackoff(base_s=base_s, cap_s=longest_s)
        self._longest_s = longest_s
        self._most_keys = most_keys
        self._troubles = Troubles()
        self._quarantine: dict[Key, float] = {}
        self._held: dict[Key, float] = {}
        self._until_sync: set[Key] = set()
        self._start_at: float | None = None
        self._is_starting = False

    # --- adding

    def start(self, now: float) -> None:
        """Offer the key START. No other key runs until it ended well, or for good."""
        if not self._is_starting:
            self._start_at = now

    def add(self, key: Key, now: float) -> None:
        """Due at once. A key in quarantine stays there. Raises Refused (LIMIT) where there are too many keys; one that
        is queued already is none more."""
        self.add_at(key, now, now)

    def add_at(self, key: Key, due: float, now: float) -> None:
        """Due at a time; the earliest of several wins. Raises as `add`."""
        if key == START:
            self.start(now)
            return
        queue = self._queue(key)
        if len(self) >= self._most_keys and key not in queue:
            raise Refused(Code.LIMIT, f"the queue of this module has {len(self)} keys, and takes no more (max_keys)")
        queue.add_at(key, max(due, self._quarantine.get(key, due), self._held.get(key, due)), now)

    def inherit(self, pending: Iterable[tuple[Key, float | None]], now: float) -> None:
        """What an earlier edition of the module had yet to do, as its `pending` says. What there is no room for is left
        out."""
        for key, due in pending:
            try:
                self.add_at(key, now if due is None else due, now)
            except Refused:
                return

    def hold(self, key: Key, until: float, now: float) -> None:
        """A key that was taken is not to run before `until` or `release`, whoever adds it meanwhile. It counts neither
        as a failure nor as a success."""
        queue = self._queue(key)
        if until > now:
            self._held[key] = until
        queue.forget(key)
        queue.add_at(key, until, now)
        queue.done(key, now)

    def release(self, key: Key, now: float) -> None:
        """What a key was held for may have come."""
        if self._held and self._held.pop(key, None) is not None:
            self._queue(key).add_at(key, max(now, self._quarantine.get(key, now)), now)

    def synced(self, now: float) -> None:
        """A watch is synced: keys that asked for it are due."""
        waiting, self._until_sync = self._until_sync, set()
        for key in waiting:
            self._queue(key).add(key, now)

    # --- taking

    def take(self, shard: int, now: float) -> Key | None:
        """The next key of a shard, None where nothing is due. One of `succeeded`, `failed`, `trapped` and `hold` has to
        follow."""
        if self.parked_until > now or self._is_starting:
            return None
        if self._start_at is not None:
            if shard != 0 or self._start_at > now:
                return None
            self._is_starting = True
            return START
        key = self._queues[shard].take(now)
        if key is not None and self._held:
            self._held.pop(key, None)
        return key

    def next_due(self, shard: int, now: float) -> float | None:
        """When `take` will have something: `now` if it has already, None if only a call here can change that. After the
        end of START every shard has to look again."""
        if self._start_at is not None or self._is_starting:
            due = None if shard != 0 or self._is_starting else self._start_at
        else:
            due = self._queues[shard].next_due(now)
        return None if due is None else max(due, self.parked_until, now)

    def attempt(self, key: Key) -> int:
        """1 for the first one, or the first after a success."""
        return self._backoff.failures(key) + 1

    # --- outcomes

    def succeeded(self, key: Key, result: ReconcileResult, now: float) -> None:
        """The reconcile answered, be it with an error. An error beats the wish to be called again later."""
        if result.error:
            self._failed(key, result.error, now, terminal=result.terminal)
            return
        self._backoff.succeeded(key)
        self._troubles.ended_well(key)
        self._quarantine.pop(key, None)
        if result.requeue_on_sync and (key in self._until_sync or len(self._until_sync) < self._most_keys):
            self._until_sync.add(key)
        due = None if result.requeue_after_s is None else now + result.requeue_after_s
        if key == START and self._is_starting:
            # The start is over, so that other keys go on; from now on it is a key like them.
            self._is_starting, self._start_at = False, None
            if due is not None:
                self._queue(key).add_at(key, due, now)
            return
        self._done(key, due, now)

    def failed(self, key: Key, error: str, now: float) -> None:
        """It did not answer, through no fault of the module: it is tried again after a pause."""
        self._failed(key, error, now, terminal=False)

    def _failed(self, key: Key, error: str, now: float, *, terminal: bool) -> None:
        attempts = self.attempt(key)
        self._troubles.ended_well(key)
        self._quarantine.pop(key, None)
        self._troubles.note(key, error, attempts, now)
        if terminal:
            self._backoff.succeeded(key)
        self._done(key, None if terminal else now + self._backoff.failed(key), now)

    def trapped(self, key: Key, error: str, now: float) -> None:
        """It cost the instance. A key that does so again and again is put aside; where several do, the module is."""
        self._troubles.note(key, error, self.attempt(key), now, is_trap=True)
        due = now + self._backoff.failed(key)
        if self._troubles.trapped(key, now):
            due = self._set_aside(key, due, now)
        self._done(key, due, now)

    def _set_aside(self, key: Key, due: float, now: float) -> float:
        """When it may run again. Without START nothing runs, so the module rests as a whole."""
        if key == START:
            self._troubles.park(now)
            return due
        self._queue(key).forget(key)
        due = self._quarantine[key] = now + max(self._longest_s, LEAST_QUARANTINE_S)
        return due

    def _done(self, key: Key, due: float | None, now: float) -> None:
        """`due`: when it runs again without anybody asking."""
        if key == START and self._is_starting:
            self._is_starting = False
            self._start_at = due
            return
        queue = self._queue(key)
        if due is not None:
            queue.add_at(key, due, now)
        queue.done(key, now)

    def park(self, now: float) -> None:
        """The module cannot even be set up: no key is taken for a while, longer each time."""
        self._troubles.park(now)

    @property
    def parked_until(self) -> float:
        """Monotonic seconds; in the past where the module is not parked."""
        return self._troubles.parked_until

    # --- what people ask

    def __len__(self) -> int:
        """Keys that are queued or wait for their time."""
        return sum(len(queue) + queue.waiting for queue in self._queues)

    def pending(self) -> Iterator[tuple[Key, float | None]]:
        """Those keys and those that wait for a watch, and when each is due; None for at once. For a successor, whose
        module is a newer one."""
        for queue in self._queues:
            yield from queue.pending()
        yield from ((key, None) for key in list(self._until_sync))

    def describe(self, now: float) -> dict[str, Any]:
        """Numbers of keys, and the last errors with their age."""
        return {
            "queue": sum(len(queue) for queue in self._queues) + (self._start_at is not None),
            "waiting": sum(queue.waiting for queue in self._queues),
            "in_work": sum(queue.in_work for queue in self._queues) + self._is_starting,
            "held": sum(until > now for until in self._held.values()),
            "failing": len(self._backoff),
            "quarantined": [str(key) for key, until in islice(self._quarantine.items(), MOST_SHOWN) if until > now],
            "parked_for_s": max(0.0, round(self.parked_until - now, 3)),
            "errors": [
                {
                    "key": str(each.key), "error": each.error, "attempts": each.attempts, "trap": each.is_trap,
                    "age_s": round(now - each.at, 3),
                }
                for each in self._troubles.last()
            ],
        }  # fmt: skip

    def _queue(self, key: Key) -> WorkQueue[Key]:
        return self._queues[hash(key) % len(self._queues)] if len(self._queues) > 1 else self._queues[0]
