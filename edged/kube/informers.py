"""Shared caches of collections: one per (resource, namespace, selectors) for the whole process.

A user of objects acquires an Informer (informer.py) and releases it later; the last release stops the watch after a
short linger. What an open informer has anyway is served from it (shared_selection.py).
"""

from __future__ import annotations

import random as random_numbers
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import trio

from edged.kube.client import ApiClient
from edged.kube.control.comparison import Result
from edged.kube.control.selections import Match, Prune, Selection, match_within
from edged.kube.informer import (
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    BadObject,
    Change,
    Handler,
    Informer,
    Missed,
    Subscription,
    Unreadable,
)
from edged.kube.paths import collection_path
from edged.kube.shared_selection import SharedSelection
from edged.kube.values.names import GroupVersionResource
from edged.kube.values.selectable_fields import SelectableFields
from edged.kube.watch import Watcher, WatchTimes
from edged.process.boundary import boundary
from edged.telemetry.logs import Logger

__all__ = [
    "FIRST_PAUSE_S", "LINGER_S", "LONGEST_PAUSE_S", "BadObject", "Change", "Count", "Handler", "Informer", "Informers",
    "Missed", "Prune", "Selection", "Subscription", "Unreadable",
]  # fmt: skip

LINGER_S = 30.0
REPEAT_INTERVAL_S = 1.0


class Count(NamedTuple):
    """Of one resource: open watches (or those being opened), selections that they serve, and their users."""

    streams: int
    selections: int
    users: int


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
        self._shared: dict[Selection, SharedSelection] = {}
        self._nursery: trio.Nursery | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled. What goes wrong with one object, one handler or one watch stays there."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                for informer in self._informers.values():
                    self._begin(informer)
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
        metadata: bool = False,
        selectable: SelectableFields | None = None,
        linger_s: float | None = None,
    ) -> Informer:
        """The informer of this selection, shared with everybody who asked for the same. Release it once.

        Where a wider informer that was read already has all of these objects, they are taken from it, and no stream is
        opened; a wider one that is opened later changes nothing. By a field selector they are taken only where it is
        known what the API server would select: `selectable` says so of a custom resource.

        `prune` takes more out of each object (in place); without it, or with another one, the caller gets an informer
        of its own. `metadata`: the API server sends the metadata of objects alone, as PartialObjectMetadata.
        `linger_s`: how long it is kept after the last release, where that is to differ from the others.

        ValueError when `namespace` is not a name. What the server refuses (selectors, permissions) is retried for ever
        and told by `Informer.problem`.
        """
        collection_path(resource, namespace)
        selection = Selection(resource, namespace, label_selector, field_selector, prune, metadata)
        informer = self._informers.get(selection)
        if informer is None:
            informer = self._make(selection, selectable)
        linger_s = self._linger_s if linger_s is None else linger_s
        informer.linger_s = max(linger_s, informer.linger_s) if informer.references else linger_s
        informer.references += 1
        return informer

    def release(self, informer: Informer) -> None:
        """The caller needs it no longer. Without users it is dropped a little later."""
        if informer.references <= 0:
            raise RuntimeError("an informer was released more often than acquired")
        informer.references -= 1
        if informer.references == 0:
            if self._nursery is None:
                self._drop(informer)
            else:
                informer.unused_since = trio.current_time()
                self._nursery.start_soon(self._linger, informer)

    def __iter__(self) -> Iterator[Informer]:
        return iter(list(self._informers.values()))

    def counts(self) -> dict[GroupVersionResource, Count]:
        """Of each resource that somebody reads."""
        found: dict[GroupVersionResource, Count] = {}
        for selection, informer in self._informers.items():
            streams, selections, users = found.get(selection.resource, (0, 0, 0))
            streams += informer.wider is None
            found[selection.resource] = Count(streams, selections + 1, users + informer.references)
        return found

    def _make(self, selection: Selection, selectable: SelectableFields | None) -> Informer:
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
        self._share(informer, selectable)
        self._informers[selection] = informer
        self._begin(informer)
        return informer

    def _share(self, informer: Informer, selectable: SelectableFields | None) -> None:
        """Take what another informer has, if one has it all. One that has a problem may never get rid of it, and one
        that was not read yet may never be: reading the whole cluster may be forbidden where one namespace is not."""
        selection = informer.selection
        if selection.resource in self._prunes:  # nobody knows what is left to select by
            return
        found: list[tuple[int, Informer, Match]] = []
        for wider in self._informers.values():
            if wider.wider is None and wider.synced and not wider.problem:
                match = match_within(wider.selection, selection, selectable)
                if match is not None:
                    found.append((len(wider), wider, match))
        if found:
            _, wider, match = min(found, key=lambda each: each[0])
            self._shared[selection] = SharedSelection(wider, informer, match, self._leave)

    def _begin(self, informer: Informer) -> None:
        if self._nursery is None:
            return
        shared = self._shared.get(informer.selection)
        if shared is None:
            self._nursery.start_soon(self._watch, informer)
        elif not informer.synced:
            self._nursery.start_soon(self._fill, shared)

    def _leave(self, shared: SharedSelection) -> None:
        """From now on the informer has a stream of its own."""
        shared.stop()
        self._shared.pop(shared.informer.selection, None)
        self._begin(shared.informer)

    async def _fill(self, shared: SharedSelection) -> None:
        more = True
        while more:
            with boundary(self._log, "watch", str(shared.informer.selection.resource)) as unit:
                async with self._turn:
                    more = shared.fill()
            if unit.error is not None:
                self._leave(shared)
                return

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
            metadata=selection.metadata,
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
        """The task of one release: the last one drops it."""
        await trio.sleep(informer.linger_s)
        is_over = trio.current_time() >= informer.unused_since + informer.linger_s
        if informer.references == 0 and is_over and self._informers.get(informer.selection) is informer:
            self._drop(informer)

    def _drop(self, informer: Informer) -> None:
        self._informers.pop(informer.selection, None)
        scope = self._scopes.pop(informer.selection, None)
        if scope is not None:
            scope.cancel()
        shared = self._shared.pop(informer.selection, None)
        if shared is not None:
            shared.stop()
        for other in [each for each in self._shared.values() if each.informer.wider is informer]:
            self._leave(other)
