"""One cache of a collection, and those who are told of its changes.

Objects are pruned, kept as bytes (kube/control/store.py) and decoded when read. While the API server is away the last
known state is served. Reading from the server is watch.py's; informers.py makes informers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from typing import Any, Literal, Protocol

import trio

from edged.errors import PeerError
from edged.json_text import dumps, loads
from edged.kube.control.comparison import Comparison, State
from edged.kube.control.heartbeats import NODES, Heartbeat, Heartbeats
from edged.kube.control.selections import Prune, Selection
from edged.kube.control.store import Difference, Store
from edged.kube.values.kind_shapes import Whole, shape_of
from edged.kube.values.names import NamespacedName
from edged.kube.values.shape_checks import problem
from edged.kube.watch import SLICE_ITEMS, Watcher
from edged.process.boundary import boundary, describe
from edged.records import dataclass
from edged.telemetry.internal_errors import STUBBORN
from edged.telemetry.logs import Logger

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 300.0
"""How long until a handler is told again of what it could not take."""
_PARTIAL = frozenset(("apiVersion", "kind", "metadata"))
MOST_UNREADABLE = 100
"""So many are remembered by name."""


@dataclass(slots=True)
class Change:
    """What happened to one object. `object` is its present state, for "deleted" the last one; all handlers
    get the same dict and must not change it. `old` decodes the state before; None for "added"."""

    type: Literal["added", "modified", "deleted"]
    key: NamespacedName
    object: dict[str, Any]
    old: Callable[[], dict[str, Any]] | None


Handler = Callable[[Change], bool | None]
"""Takes a change. One that could not, because it raised or returned True, is told of the object again later."""


@dataclass(slots=True)
class Missed:
    """A change that a handler could not take, and when it is told again (trio's clock)."""

    change: Change
    due: float


class Subscription:
    """One handler of an informer. `pending`: keys that it has yet to be told of; None once it knows them all.
    `missed`: what it is told again; `tries`: how often that was in vain; `repeating`: whether a task sees to it.
    `heartbeats`: whether it is told of them."""

    def __init__(
        self, handler: Handler, pending: dict[NamespacedName, None] | None, *, heartbeats: bool = True
    ) -> None:
        self.handler = handler
        self.heartbeats = heartbeats
        self.pending = pending
        self.missed: dict[NamespacedName, Missed] = {}
        self.tries: dict[NamespacedName, int] = {}
        self.repeating = False
        self._replayed = trio.Event()
        if not pending:
            self.finished()

    def finished(self) -> None:
        self.pending = None
        self._replayed.set()

    async def wait_replayed(self) -> None:
        """Returns when the handler was told of everything that was there when it was added."""
        await self._replayed.wait()


class BadObject(PeerError):
    """An object of the cluster that is not what its kind says."""


class Unreadable:
    """Objects of a collection that could not be kept, for those who want to know why one is missing."""

    def __init__(self) -> None:
        self._why: dict[NamespacedName | None, str] = {}
        self._more = 0  # of too many

    def note(self, key: NamespacedName | None, why: str) -> None:
        """`key`: None where not even the name can be read."""
        if key in self._why or len(self._why) < MOST_UNREADABLE:
            self._why[key] = why
        else:
            self._more += 1

    def forget(self, key: NamespacedName | None) -> None:
        self._why.pop(key, None)

    def __len__(self) -> int:
        return len(self._why) + self._more

    def first(self) -> str:
        """One of them, and what is wrong with it; "" where there is none."""
        return next((f"{key}: {why}" if key else why for key, why in self._why.items()), "")


class Follower(Protocol):
    """Has a part of what an informer has, and is told of everything that happens to it (shared_selection.py)."""

    def take(self, change: Difference, obj: dict[str, Any]) -> None: ...
    def take_heartbeat(self, heartbeat: Heartbeat) -> None: ...
    def failed(self) -> None: ...
    @property
    def wants_heartbeats(self) -> bool: ...


class Informer:
    """The cache of one selection. Made by `Informers.acquire`; a sink for watch.py, or fed by a wider informer."""

    def __init__(
        self,
        selection: Selection,
        prune: Prune | None,
        start_replay: Callable[[Subscription], None],
        start_repeats: Callable[[Subscription], bool],
        log: Logger,
    ) -> None:
        self.selection = selection
        self._log = log
        self._prune = prune
        self._start_replay = start_replay
        self._start_repeats = start_repeats
        self._shape = Whole if selection.metadata else shape_of(selection.resource)
        self._store = Store()
        has_heartbeats = selection.resource == NODES and not selection.metadata
        self._heartbeats = Heartbeats(self._store) if has_heartbeats else None
        self._unreadable = Unreadable()
        self._listed_unreadable: Unreadable | None = None  # of the list that is being read
        self._synced = trio.Event()
        self._subscriptions: list[Subscription] = []
        self.followers: list[Follower] = []
        self.wider: Informer | None = None  # has it all: this one needs no stream
        self._watcher: Watcher | None = None
        self._proven_before = -math.inf  # by a wider informer that is gone
        self._prove_s = math.inf
        self.generation = 0
        self.references = 0
        self.linger_s = 0.0
        self.unused_since = -math.inf

    # --- reading

    @property
    def synced(self) -> bool:
        """The collection has been read completely once."""
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        await self._synced.wait()

    @property
    def connected(self) -> bool:
        """A watch is open; False: what is read here may be out of date."""
        return self._reader is not None and self._reader.connected

    @property
    def current(self) -> bool:
        """Connected, and what was missed in a break of the watch has had a moment to come."""
        reader = self._reader
        return reader is not None and reader.connected and trio.current_time() >= reader.current_at

    def age_s(self) -> float:
        """How old what is read here may be: seconds since the server last proved that this is what it has; infinite
        before the first list."""
        return trio.current_time() - self._proven_at

    @property
    def _proven_at(self) -> float:
        reader = self._reader
        return max(reader.proven_at if reader is not None else -math.inf, self._proven_before)

    def prove_within(self, seconds: float) -> None:
        """Somebody needs to know at least so often that what is read here is what the server has."""
        self._prove_s = min(self._prove_s, seconds)
        if self._reader is not None:
            self._reader.prove_within(self._prove_s)

    def watched_by(self, watcher: Watcher) -> None:
        self._watcher = watcher
        watcher.prove_within(self._prove_s)

    @property
    def _reader(self) -> Watcher | None:
        """Who reads from the server."""
        return self._watcher if self.wider is None else self.wider._watcher

    def follow(self, wider: Informer | None) -> None:
        """`wider` gives this one what belongs to it; None: it does so no longer."""
        self._proven_before = max(self._proven_before, self._proven_at) if self.synced else -math.inf
        self.wider = wider

    @property
    def unreadable(self) -> Unreadable:
        """Where a wider informer gives the objects, of all that it has: an object that cannot be read may belong."""
        return self._unreadable if self.wider is None else self.wider.unreadable

    @property
    def problem(self) -> str:
        """Why the server does not give what is wanted (away, forbidden, unknown resource); "" if it does."""
        return self._reader.problem if self._reader is not None else ""

    def get(self, key: NamespacedName) -> dict[str, Any] | None:
        """The object, freshly decoded (the caller may change it)."""
        data = self._store.get(key)
        return None if data is None else loads(data)

    def raw(self, key: NamespacedName) -> bytes | None:
        """The object as JSON."""
        return self._store.get(key)

    def revision(self, key: NamespacedName) -> str | None:
        """resourceVersion of the object."""
        return self._store.revision(key)

    def keys(self) -> Iterator[NamespacedName]:
        """The keys of this moment; the caller may wait between them."""
        return iter(list(self._store.keys()))

    def items(self) -> Iterator[dict[str, Any]]:
        """The objects, each decoded when its turn comes; one deleted meanwhile is left out."""
        for key in self.keys():
            obj = self.get(key)
            if obj is not None:
                yield obj

    def size_bytes(self) -> int:
        return self._store.size_bytes()

    def __contains__(self, key: object) -> bool:
        return key in self._store

    def __len__(self) -> int:
        return len(self._store)

    # --- handlers

    def add_handler(self, handler: Handler, *, heartbeats: bool = True) -> Subscription:
        """Call `handler` with every change from now on, on the event loop; it must not block. What is already
        there is replayed as "added", in slices, later; no change of an object comes before its "added".
        `heartbeats` False: it need not be told where only heartbeats of Nodes differ, which saves decoding them."""
        subscription = Subscription(handler, dict.fromkeys(self._store.keys()), heartbeats=heartbeats)
        self._subscriptions.append(subscription)
        if subscription.pending:
            self._start_replay(subscription)
        return subscription

    def remove_handler(self, handler: Handler) -> None:
        for subscription in [each for each in self._subscriptions if each.handler == handler]:
            subscription.finished()
            subscription.missed.clear()
            subscription.tries.clear()
            self._subscriptions.remove(subscription)

    def replay_slice(self, subscription: Subscription) -> bool:
        """Tell a new handler of the next SLICE_ITEMS objects; False when there are no more."""
        for _ in range(SLICE_ITEMS):
            pending = subscription.pending
            if not pending:
                subscription.finished()
                return False
            key = next(iter(pending))
            del pending[key]
            obj = self.get(key)
            if obj is not None:
                self._call(subscription, Change("added", key, obj, None))
        return True

    def repeat(self, subscription: Subscription, now: float) -> bool:
        """Tell a handler again of what it missed and is due; False when it has missed nothing more."""
        due = [missed.change for missed in subscription.missed.values() if missed.due <= now]
        for change in due[:SLICE_ITEMS]:
            subscription.missed.pop(change.key, None)
            obj = change.object if change.type == "deleted" else self.get(change.key)
            if obj is None:
                subscription.tries.pop(change.key, None)
                continue
            subscription.tries[change.key] = subscription.tries.get(change.key, 0) + 1
            self._call(subscription, replace(change, object=obj))
        subscription.repeating = bool(subscription.missed)
        return subscription.repeating

    # --- the sink of watch.py

    def compare(self, revision: str, explained: Collection[State]) -> Comparison:
        return Comparison(self._store, revision, explained)

    def begin_replace(self) -> None:
        self._listed_unreadable = Unreadable()
        self._store.begin_replace()

    def put(self, key: NamespacedName, revision: str, obj: dict[str, Any]) -> None:
        """Here objects of the cluster are checked: whoever reads them afterwards finds the types that shapes.py says.
        One that cannot be kept (a wrong type, nested too deep) stays as it was known before."""
        with boundary(self._log, "object", self._named(key)) as unit:
            if wrong := problem(obj, self._shape):
                raise BadObject(wrong)
            self._trim(obj)
            data = dumps(obj)
        if unit.error is not None:
            self._store.keep(key, revision)
            self.pass_over(key, describe(unit.error))
            if self._heartbeats is not None:
                self._heartbeats.forget(key)
            return
        self._is_readable(key)
        change = self._store.put(key, revision, data)
        if self._heartbeats is not None:
            self._heartbeats.stored(change, obj)
        if change is not None:
            self._tell(change, obj)

    def take_heartbeat(self, line: bytes) -> str:
        """The resourceVersion that a line of the watch brings, which is stored, and nothing was to be decoded for it;
        "" where it has to be read."""
        if self._heartbeats is None or self.wants_heartbeats:
            return ""
        heartbeat = self._heartbeats.take(line)
        if heartbeat is None:
            return ""
        self.generation += 1
        for follower in self.followers:
            follower.take_heartbeat(heartbeat)
        return heartbeat.revision

    @property
    def wants_heartbeats(self) -> bool:
        """Somebody is to be told of each."""
        told = any(each.heartbeats for each in self._subscriptions)
        return told or any(each.wants_heartbeats for each in self.followers)

    def pass_over(self, key: NamespacedName | None, why: str) -> None:
        """An object that cannot be read."""
        self._unreadable.note(key, why)
        if self._listed_unreadable is not None:
            self._listed_unreadable.note(key, why)

    def forget_unnamed(self) -> None:
        """The server has no object any more whose name cannot be read."""
        self._is_readable(None)

    def _is_readable(self, key: NamespacedName | None) -> None:
        """Or it is gone."""
        self._unreadable.forget(key)
        if self._listed_unreadable is not None:
            self._listed_unreadable.forget(key)

    def remove(self, key: NamespacedName, obj: dict[str, Any]) -> None:
        """Handlers are told the last state. Where that is no good, it is the one that was known."""
        change = self._store.remove(key)
        if self._heartbeats is not None:
            self._heartbeats.forget(key)
        self._is_readable(key)
        if change is None or change.before is None:
            return
        with boundary(self._log, "object", self._named(key)) as unit:
            if wrong := problem(obj, self._shape):
                raise BadObject(wrong)
            self._trim(obj)
        self._tell(change, obj if unit.error is None else loads(change.before))

    async def finish_replace(self) -> None:
        for number, change in enumerate(self._store.finish_replace(), 1):
            assert change.before is not None
            if self._heartbeats is not None:
                self._heartbeats.forget(change.key)
            self._tell(change, loads(change.before))
            if number % SLICE_ITEMS == 0:
                await trio.lowlevel.checkpoint()
        if self._listed_unreadable is not None:
            self._unreadable, self._listed_unreadable = self._listed_unreadable, None
        self._synced.set()

    # --- what a wider informer gives

    def give(self, key: NamespacedName, revision: str, data: bytes, obj: dict[str, Any]) -> None:
        """An object that belongs, `data` decoded. Handlers get the same `obj`."""
        change = self._store.put(key, revision, data)
        if change is not None:
            self._tell(change, obj)

    def give_heartbeat(self, heartbeat: Heartbeat) -> None:
        self._store.put(*heartbeat)
        self.generation += 1

    def withdraw(self, key: NamespacedName, obj: dict[str, Any]) -> None:
        """It does not belong any more; handlers are told this last state."""
        change = self._store.remove(key)
        if change is not None:
            self._tell(change, obj)

    def given_all(self) -> None:
        self._synced.set()

    # --- both

    def _trim(self, obj: dict[str, Any]) -> None:
        """Take out what nobody reads."""
        metadata = obj["metadata"]
        if self.selection.metadata:  # a server that knows no such form sends the whole
            for name in obj.keys() - _PARTIAL:
                del obj[name]
        metadata.pop("managedFields", None)
        annotations = metadata.get("annotations")
        if (
            isinstance(annotations, dict)
            and annotations.pop(LAST_APPLIED, None) is not None
            and not annotations
        ):
            del metadata["annotations"]
        if self._prune is not None:
            self._prune(obj)

    def _call(self, subscription: Subscription, change: Change) -> None:
        """What a handler raises costs the other handlers nothing, and it is told again."""
        missed = subscription.missed.pop(change.key, None)
        if missed is not None and change.type == "modified" and missed.change.type == "added":
            change = replace(change, type="added", old=None)
        again: bool | None = True
        with boundary(self._log, "object", f"{self._named(change.key)} {_name_of(subscription.handler)}"):
            again = subscription.handler(change)
        if again:
            self._tell_again(subscription, change)
        else:
            subscription.tries.pop(change.key, None)

    def _tell_again(self, subscription: Subscription, change: Change) -> None:
        """Soon, or later the more often it was told again in vain; a burst of changes alone makes nothing later."""
        tries = subscription.tries.get(change.key, 0)
        pause_s = LONGEST_PAUSE_S if tries + 1 >= STUBBORN else FIRST_PAUSE_S * 2**tries
        subscription.missed[change.key] = Missed(change, trio.current_time() + pause_s)
        if not subscription.repeating:
            subscription.repeating = self._start_repeats(subscription)

    def _named(self, key: NamespacedName) -> str:
        return f"{self.selection.resource} {key}"

    def _tell(self, change: Difference, obj: dict[str, Any]) -> None:
        self.generation += 1
        for follower in tuple(self.followers):
            with boundary(self._log, "object", self._named(change.key)) as unit:
                follower.take(change, obj)
            if unit.error is not None:
                follower.failed()
        if not self._subscriptions:
            return
        before = change.before
        old = None if before is None else lambda: loads(before)
        told = Change(change.kind, change.key, obj, old)
        for subscription in tuple(self._subscriptions):
            pending = subscription.pending
            if pending is None or change.key not in pending:
                self._call(subscription, told)
            elif change.kind == "deleted":
                del pending[change.key]  # it never knew the object


def _name_of(handler: Handler) -> str:
    return getattr(handler, "__qualname__", type(handler).__name__)
