"""Shared caches of collections: one per (resource, namespace, selectors) for the whole process.

A user of objects acquires an Informer and releases it later; the last release stops the watch after a
short linger. Objects are pruned, kept as bytes (kube/control/store.py) and decoded when read. While the API server
is away the last known state is served. Reading from the server is watch.py's.
"""

from __future__ import annotations

import math
import random as random_numbers
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import trio

from edged.errors import PeerError
from edged.json_text import dumps, loads
from edged.kube.client import ApiClient
from edged.kube.control.comparison import Comparison, Result, State
from edged.kube.control.heartbeats import NODES, Heartbeats
from edged.kube.control.store import Difference, Store
from edged.kube.paths import collection_path
from edged.kube.values.kind_shapes import shape_of
from edged.kube.values.names import GroupVersionResource, NamespacedName
from edged.kube.values.shape_checks import problem
from edged.kube.watch import SLICE_ITEMS, Watcher, WatchTimes
from edged.process.boundary import boundary, describe
from edged.records import dataclass
from edged.telemetry.internal_errors import STUBBORN
from edged.telemetry.logs import Logger

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
LINGER_S = 30.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 300.0
"""How long until a handler is told again of what it could not take."""
REPEAT_INTERVAL_S = 1.0
MOST_UNREADABLE = 100
"""So many are remembered by name."""

Prune = Callable[[dict[str, Any]], None]


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


class Selection(NamedTuple):
    """What an informer watches. `namespace` None: all of them, or a cluster-scoped resource. `prune` None: objects
    are kept whole, as far as `Informers` keeps any."""

    resource: GroupVersionResource
    namespace: str | None
    label_selector: str
    field_selector: str
    prune: Prune | None = None


class Informer:
    """The cache of one selection. Made by `Informers.acquire`; a sink for watch.py."""

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
        self._shape = shape_of(selection.resource)
        self._store = Store()
        self._heartbeats = Heartbeats(self._store) if selection.resource == NODES else None
        self.unreadable = Unreadable()
        self._listed_unreadable: Unreadable | None = None  # of the list that is being read
        self._synced = trio.Event()
        self._subscriptions: list[Subscription] = []
        self._watcher: Watcher | None = None
        self._prove_s = math.inf
        self.generation = 0
        self.references = 0

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
        return self._watcher is not None and self._watcher.connected

    @property
    def current(self) -> bool:
        """Connected, and what was missed in a break of the watch has had a moment to come."""
        watcher = self._watcher
        return watcher is not None and watcher.connected and trio.current_time() >= watcher.current_at

    def age_s(self) -> float:
        """How old what is read here may be: seconds since the server last proved that this is what it has; infinite
        before the first list."""
        return trio.current_time() - self._watcher.proven_at if self._watcher is not None else math.inf

    def prove_within(self, seconds: float) -> None:
        """Somebody needs to know at least so often that what is read here is what the server has."""
        self._prove_s = min(self._prove_s, seconds)
        if self._watcher is not None:
            self._watcher.prove_within(self._prove_s)

    def watched_by(self, watcher: Watcher) -> None:
        self._watcher = watcher
        watcher.prove_within(self._prove_s)

    @property
    def problem(self) -> str:
        """Why the server does not give what is wanted (away, forbidden, unknown resource); "" if it does."""
        return self._watcher.problem if self._watcher is not None else ""

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
        if self._heartbeats is None or any(each.heartbeats for each in self._subscriptions):
            return ""
        revision = self._heartbeats.take(line)
        if revision:
            self.generation += 1
        return revision

    def pass_over(self, key: NamespacedName | None, why: str) -> None:
        """An object that cannot be read."""
        self.unreadable.note(key, why)
        if self._listed_unreadable is not None:
            self._listed_unreadable.note(key, why)

    def forget_unnamed(self) -> None:
        """The server has no object any more whose name cannot be read."""
        self._is_readable(None)

    def _is_readable(self, key: NamespacedName | None) -> None:
        """Or it is gone."""
        self.unreadable.forget(key)
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
            self.unreadable, self._listed_unreadable = self._listed_unreadable, None
        self._synced.set()

    def _trim(self, obj: dict[str, Any]) -> None:
        """Take out what nobody reads."""
        metadata = obj["metadata"]
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


class Informers:
    """All informers of the process. `run()` holds their tasks; `acquire` before it only takes note.

    `prunes`: per resource a function that takes more out of an object (in place) than is taken out anyway; it
    must leave name, namespace and resourceVersion.
    """

    def __init__(
        self,
        client: ApiClient,
        *,
        prunes: Mapping[GroupVersionResource, Prune] | None = None,
        times: WatchTimes | None = None,
        log: Logger,
        linger_s: float = LINGER_S,
        random: Callable[[], float] = random_numbers.random,
    ) -> None:
        self._client = client
        self._prunes = dict(prunes or {})
        self._times = times or WatchTimes()
        self._log = log
        self._linger_s = linger_s
        self._random = random
        self._turn = trio.Lock()
        self.comparisons: Counter[Result] = Counter()
        """How many comparisons of what is known with the server's lists ended in which way."""
        self._informers: dict[Selection, Informer] = {}
        self._scopes: dict[Selection, trio.CancelScope] = {}
        self._nursery: trio.Nursery | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled. What goes wrong with one object, one handler or one watch stays there."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                for informer in self._informers.values():
                    nursery.start_soon(self._watch, informer)
                task_status.started()
                await trio.sleep_forever()
            finally:
                self._nursery = None

    def acquire(
        self,
        resource: GroupVersionResource,
        *,
        namespace: str | None = None,
        label_selector: str = "",
        field_selector: str = "",
        prune: Prune | None = None,
    ) -> Informer:
        """The informer of this selection, shared with everybody who asked for the same. Release it once.

        `prune` takes more out of each object (in place). Without it, or with another one, the caller gets an
        informer of its own. ValueError when `namespace` is not a name. What the server refuses (selectors,
        permissions) is retried for ever and told by `Informer.problem`.
        """
        collection_path(resource, namespace)
        selection = Selection(resource, namespace, label_selector, field_selector, prune)
        informer = self._informers.get(selection)
        if informer is None:
            informer = self._make(selection)
        informer.references += 1
        return informer

    def release(self, informer: Informer) -> None:
        """The caller needs it no longer. Without users it is dropped after `linger_s`."""
        if informer.references <= 0:
            raise RuntimeError("an informer was released more often than acquired")
        informer.references -= 1
        if informer.references == 0:
            if self._nursery is None:
                self._drop(informer)
            else:
                self._nursery.start_soon(self._linger, informer)

    def __iter__(self) -> Iterator[Informer]:
        return iter(list(self._informers.values()))

    def _make(self, selection: Selection) -> Informer:
        def start_replay(subscription: Subscription) -> None:
            # Without a nursery the store is empty, or run() has ended and nobody listens any more.
            if self._nursery is not None:
                self._nursery.start_soon(self._replay, informer, subscription)

        def start_repeats(subscription: Subscription) -> bool:
            """Whether a task sees to it now."""
            if self._nursery is not None:
                self._nursery.start_soon(self._repeat, informer, subscription)
            return self._nursery is not None

        prune = selection.prune or self._prunes.get(selection.resource)
        informer = Informer(selection, prune, start_replay, start_repeats, self._log)
        self._informers[selection] = informer
        if self._nursery is not None:
            self._nursery.start_soon(self._watch, informer)
        return informer

    async def _watch(self, informer: Informer) -> None:
        selection = informer.selection
        if self._informers.get(selection) is not informer:
            return  # dropped before this task began
        watcher = Watcher(
            self._client,
            selection.resource,
            informer,
            namespace=selection.namespace,
            label_selector=selection.label_selector,
            field_selector=selection.field_selector,
            turn=self._turn,
            random=self._random,
            times=self._times,
            log=self._log,
            comparisons=self.comparisons,
        )
        informer.watched_by(watcher)
        with trio.CancelScope() as scope:
            self._scopes[selection] = scope
            await watcher.run()

    async def _replay(self, informer: Informer, subscription: Subscription) -> None:
        more = True
        while more:
            async with self._turn:
                more = informer.replay_slice(subscription)

    async def _repeat(self, informer: Informer, subscription: Subscription) -> None:
        more = True
        while more:
            await trio.sleep(REPEAT_INTERVAL_S)
            async with self._turn:
                more = informer.repeat(subscription, trio.current_time())

    async def _linger(self, informer: Informer) -> None:
        await trio.sleep(self._linger_s)
        if informer.references == 0 and self._informers.get(informer.selection) is informer:
            self._drop(informer)

    def _drop(self, informer: Informer) -> None:
        self._informers.pop(informer.selection, None)
        scope = self._scopes.pop(informer.selection, None)
        if scope is not None:
            scope.cancel()
