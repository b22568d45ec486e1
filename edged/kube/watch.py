"""Drives kube/control/listwatch.py: carries out its effects over HTTP and feeds it what comes back.

A Watcher reads one collection for ever and hands objects to a sink (informers.py). It holds no objects
itself. Work on objects is done in slices under a lock that all watchers of the process share, so that one
slice at most (SLICE_ITEMS objects) runs per pass of the event loop, however many watches have something to
say.
"""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Protocol

import trio

from edged.errors import PeerError
from edged.json_text import JsonError, TooDeep, loads
from edged.kube.client import (
    MAX_LINE_BYTES,
    ApiClient,
    ApiError,
    CutLine,
    LineStream,
    Session,
    StreamIdle,
    TooLarge,
)
from edged.kube.control import listwatch
from edged.kube.control.backoff import Backoff
from edged.kube.control.comparison import Comparison, Outcome, Result, State
from edged.kube.control.pages import Undecodable, page_of, shown
from edged.kube.control.proofs import Proofs
from edged.kube.paths import collection_path
from edged.kube.values.names import GroupVersionResource, NamespacedName
from edged.process.boundary import Unit, boundary, describe
from edged.records import dataclass
from edged.telemetry.logs import Logger

SLICE_ITEMS = 50
PAGE_LIMIT = 500
PAGE_BYTES = 256 << 10  # decoding more than this in one piece would hold up the event loop for over 2-3 ms
FIRST_PAGE_LIMIT = 50
FEWEST_ITEMS = 10  # of a page, unless ten are more than an answer may hold
CATCH_UP_S = 1.0  # a watch that is taken up again begins with what was missed
JSON = "application/json"
METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1, application/json"
WATCHED_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1, application/json"
WHOLE = 0.9  # of the time for which a watch was asked: one that ends sooner was cut
SPREAD_S = 0.1  # within which all watches come back to a server that was away


@dataclass(frozen=True, slots=True)
class WatchTimes:
    """Seconds. A server sends bookmarks about once a minute: `stall_s` must be longer. A watch is renewed
    after `renew_s` to twice that. `initial_stall_s`: silence after which a WatchList is held to be
    ignored. `scout_s`, to twice that: how often one of all the watches looks whether a server is back. `compare_s`, to
    twice that: how often what is known is compared with the server's list although nothing seems wrong."""

    stall_s: float = 100.0
    initial_stall_s: float = 20.0
    renew_s: float = 300.0
    request_s: float = 60.0
    backoff_base_s: float = 0.8
    backoff_cap_s: float = 30.0
    scout_s: float = 1.5
    compare_s: float = 4 * 3600.0


class Sink(Protocol):
    """Where objects go. `put` and `remove` are called up to SLICE_ITEMS times per pass of the event loop."""

    def begin_replace(self) -> None: ...
    async def finish_replace(self) -> None: ...
    def compare(self, revision: str, explained: Collection[State]) -> Comparison: ...
    def put(self, key: NamespacedName, revision: str, obj: dict[str, object]) -> None: ...
    def remove(self, key: NamespacedName, obj: dict[str, object]) -> None: ...
    def take_heartbeat(self, line: bytes) -> str: ...
    def pass_over(self, key: NamespacedName | None, why: str) -> None: ...
    def forget_unnamed(self) -> None: ...


class Watcher:
    """List and watch of `resource`, for ever. `turn` is the lock under which slices of objects are worked
    on. `metadata`: of the metadata of objects alone."""

    def __init__(
        self,
        client: ApiClient,
        resource: GroupVersionResource,
        sink: Sink,
        *,
        namespace: str | None = None,
        label_selector: str = "",
        field_selector: str = "",
        metadata: bool = False,
        turn: trio.Lock,
        random: Callable[[], float],
        times: WatchTimes,
        log: Logger,
        comparisons: Counter[Result] | None = None,
        streams: bool = True,
    ) -> None:
        self._client = client
        self._path = collection_path(resource, namespace)
        self._selectors = {
            name: value
            for name, value in (("labelSelector", label_selector), ("fieldSelector", field_selector))
            if value
        }
        self._metadata = metadata
        self._sink = sink
        self._turn = turn
        self._random = random
        self._times = times
        self._away = Backoff(random, base_s=times.backoff_base_s, cap_s=times.backoff_cap_s)
        self._refused = Backoff(random, base_s=times.backoff_base_s, cap_s=times.backoff_cap_s)
        self._proofs = Proofs(times.stall_s, times.compare_s, random)
        self._session: Session | None = None  # of the last proof
        self._prove_s = math.inf
        self._lines_open: LineStream | None = None  # of the watch
        self._known_since = math.inf  # when everything was known on it, so that it became a watch
        self._begun = 0.0  # when the list, or the comparison, that is being read began
        self._asked: Session | None = None  # of whom it was asked first
        self._comparison: Comparison | None = None
        self._counts = Counter() if comparisons is None else comparisons
        self._explained: frozenset[State] = frozenset()
        self._unnamed = 0  # objects of the list that is being read of which not even the name can be read
        self._page_limit = self._metadata_limit = FIRST_PAGE_LIMIT
        self._log = log.bind(resource=str(resource), **({"namespace": namespace} if namespace else {}))
        self._said = self._said_of_objects = ""
        self._streams = streams
        self._state, self._effects = listwatch.start(streams)
        self.problem = ""  # what went wrong last; "" when all is well again
        self.connected = False  # a watch is open and everything that is stored came from it or before it
        self.current_at = -math.inf  # trio's clock: by then what was missed in the last break will have come
        self._lost_at = math.inf

    async def run(self) -> None:
        """Ends by cancellation only."""
        while True:
            with boundary(self._log, "watch", self._path) as unit:
                await self._round()
            if self.connected:
                self.connected, self._lost_at = False, trio.current_time()
            if unit.error is not None:
                await self._begin_anew(unit)

    async def _round(self) -> None:
        """Carry out what is due, the request that comes last included."""
        request = await self._carry_out(self._effects)
        if request is None:
            raise RuntimeError(f"{self._state} asks for nothing")
        await self._client.wait_configured()
        await self._perform(request)

    async def _begin_anew(self, unit: Unit) -> None:
        """Nobody knows what the round left behind, so everything is read again, after a while."""
        self.problem = describe(unit.error) if unit.error is not None else ""
        self._state, self._effects = listwatch.start(self._streams)
        await trio.sleep(self._times.backoff_cap_s if unit.is_stubborn else self._refused.next())

    async def _carry_out(self, effects: Sequence[listwatch.Effect]) -> listwatch.Effect | None:
        """Everything but requests; the request that comes last is returned."""
        for effect in effects:
            if isinstance(effect, listwatch.Put):
                self._sink.put(effect.key, effect.revision, effect.object)
            elif isinstance(effect, listwatch.Remove):
                self._sink.remove(effect.key, effect.object)
            elif isinstance(effect, listwatch.Note):
                self._say(effect)
            elif isinstance(effect, listwatch.Pause):
                await self._pause(effect)
            elif isinstance(effect, listwatch.Progress):
                if effect.afresh:
                    self._refused.reset()
                self._said = self.problem = ""
            elif isinstance(effect, listwatch.BeginReplace):
                self._unnamed = 0
                self._sink.begin_replace()
            elif isinstance(effect, listwatch.FinishReplace):
                await self._sink.finish_replace()
                self._everything_read()
            else:
                return effect
        return None

    async def _pause(self, pause: listwatch.Pause) -> None:
        """Shorter when others find that a server that was away is back: what is known of one kind of objects should not
        be minutes younger than of another. A server that refuses was there all the time: only another kubeconfig, which
        may lead elsewhere or bring other rights, makes that pause shorter."""
        at_least_s = pause.at_least_s or 0.0
        delay_s = (self._away if pause.away else self._refused).next()
        await trio.sleep(at_least_s)
        with (self._scouting() if pause.away else contextlib.nullcontext(math.inf)) as longest_s:
            with trio.move_on_after(max(min(delay_s, longest_s) - at_least_s, 0.0)):
                await (self._client.wait_back() if pause.away else self._client.wait_replaced())
                await trio.sleep(self._random() * SPREAD_S)

    @contextlib.contextmanager
    def _scouting(self) -> Iterator[float]:
        """How long a pause lasts at most: one of all the watches looks often whether the server is back."""
        scout = self._client.scout
        if scout.locked():
            yield math.inf
            return
        scout.acquire_nowait()
        try:
            yield self._times.scout_s * (1.0 + self._random())
        finally:
            scout.release()

    def _say(self, note: listwatch.Note) -> None:
        """A server that is away for days is news once, not at every attempt. One object that cannot be read is no
        problem of all others."""
        if note.of_object:
            self._unnamed += 1
            self._proofs.doubted(trio.current_time())
            self._sink.pass_over(None, f"{note.message}: {note.detail}")
            if note.message != self._said_of_objects:
                self._said_of_objects = note.message
                self._log.warning(note.message, detail=note.detail)
            return
        self.problem = f"{note.message}: {note.detail}" if note.detail else note.message
        if note.message != self._said:
            self._said = note.message
            self._log.warning(note.message, detail=note.detail)

    async def _perform(self, request: listwatch.Effect) -> None:
        """Send the request and step until the state machine wants another one (left in `_effects`)."""
        try:
            if isinstance(request, listwatch.FetchPage):
                await self._page(request)
            elif isinstance(request, listwatch.FetchMetadata):
                await self._compare(request)
            elif isinstance(request, listwatch.OpenWatch):
                await self._watch(request)
        except ApiError as error:
            text = error.message[:500]
            self._step(listwatch.Failed(error.code, error.reason, text, error.retry_after_s, error.relayed))
        except StreamIdle:
            self._step(listwatch.Stalled())
        except PeerError as error:
            self._step(listwatch.Failed(0, "", str(error)))

    def _step(self, given: listwatch.Input) -> None:
        if not isinstance(given, listwatch.Stalled) and not (isinstance(given, listwatch.Failed) and given.away):
            self._away.reset()  # an answer, of whatever kind
        self._state, self._effects = listwatch.step(self._state, given)

    # --- lists

    async def _page(self, request: listwatch.FetchPage) -> None:
        query = dict(self._selectors)
        if request.limited:
            query["limit"] = str(self._page_limit)
        if request.token:
            query["continue"] = request.token
        else:
            self._begin_reading()
        try:
            accept = METADATA if self._metadata else JSON
            data = await self._client.fetch(
                "GET", self._path, query=query, timeout_s=self._times.request_s, accept=accept
            )
        except TooLarge as error:
            if request.limited:
                self._page_limit = self._fewer(request, self._page_limit, error)
            else:
                self._fewer(request, 1, error)
            return
        async with self._turn:
            page = page_of(data)
        if page is None:
            self._step(listwatch.Garbage(shown(data)))
            return
        items, metadata = page["items"], page["metadata"]
        if items:
            self._page_limit = _fitting(self._page_limit, len(items), len(data))
        del data
        await self._items(items, page)
        token = metadata.get("continue")
        revision = str(metadata.get("resourceVersion") or "")
        self._step(listwatch.PageRead(revision, token if isinstance(token, str) else ""))

    def _fewer(self, request: listwatch.Effect, limit: int, error: TooLarge) -> int:
        """Ask for fewer objects at once than `limit`; how many. Where that was one, the state machine decides."""
        if limit > 1:
            self._effects = [request]
        else:
            self._step(listwatch.Failed(413, "", str(error)))
        return max(1, limit // FEWEST_ITEMS)

    async def _items(self, items: list[object], page: dict[str, object]) -> None:
        """Items of typed lists carry no kind of their own: it is the list's without "List". It goes in front,
        as in watch events, so that the same object gives the same bytes."""
        kind, api_version = str(page.get("kind") or "").removesuffix("List"), page.get("apiVersion")
        items.reverse()  # taken from the end, so that each is freed as soon as it is stored
        while items:
            async with self._turn:
                for _ in range(min(SLICE_ITEMS, len(items))):
                    item = items.pop()
                    if isinstance(item, dict) and kind and api_version and "kind" not in item:
                        item = {"kind": kind, "apiVersion": api_version, **item}
                    await self._feed(listwatch.Item(item))

    def _everything_read(self) -> None:
        state, now = self._state, trio.current_time()
        is_streamed = isinstance(state, listwatch.Watching) and state.opened
        self._proven(now if is_streamed else self._begun)
        if is_streamed:
            self._followed(now)
        if self._comparison is not None:
            self._explained, self._comparison = self._comparison.unstored(self._unnamed), None

    # --- comparisons

    async def _compare(self, request: listwatch.FetchMetadata) -> None:
        """Read a page of metadata, and compare it with what the sink holds."""
        query = {**self._selectors, "limit": str(self._metadata_limit)}
        if request.token:
            query["continue"] = request.token
        else:
            self._begin_reading()
            self._comparison = self._sink.compare(request.revision, self._explained)
        timeout_s = self._times.request_s
        try:
            data = await self._client.fetch("GET", self._path, query=query, timeout_s=timeout_s, accept=METADATA)
        except TooLarge as error:
            self._metadata_limit = self._fewer(request, self._metadata_limit, error)
            return
        async with self._turn:
            page = page_of(data)
        if page is None or self._comparison is None:
            self._step(listwatch.Garbage(shown(data)))
            return
        items, metadata = page["items"], page["metadata"]
        if items:
            self._metadata_limit = _fitting(self._metadata_limit, len(items), len(data))
        del data
        for start in range(0, len(items), SLICE_ITEMS):
            async with self._turn:
                for item in items[start : start + SLICE_ITEMS]:
                    self._comparison.take(item)
        token, revision = metadata.get("continue"), str(metadata.get("resourceVersion") or "")
        if isinstance(token, str) and token:
            self._step(listwatch.MetadataRead(revision, token))
        elif not revision:
            self._step(listwatch.Garbage("list without resourceVersion"))
        else:
            self._compared(revision, self._comparison.outcome(revision))

    def _compared(self, revision: str, outcome: Outcome) -> None:
        self._counts[outcome.result] += 1
        if outcome.result == "same":
            if self._comparison is not None and self._comparison.is_whole:
                self._sink.forget_unnamed()
            self._comparison = None
            self._proven(self._begun)
        self._step(listwatch.MetadataRead(revision, "", outcome))

    # --- proofs

    @property
    def proven_at(self) -> float:
        """Trio's clock: everything that the server had by then is known; -inf before the first list."""
        return self._proofs.proven_at

    def prove_within(self, seconds: float) -> None:
        """From now on the watch is renewed so often, since nothing else proves a quiet one more than once a minute."""
        if seconds < self._prove_s:
            self._prove_s = seconds
            if isinstance(self._state, listwatch.Watching):  # a list takes as long as it takes
                self._end_within(seconds)

    def _end_within(self, seconds: float) -> None:
        if self._lines_open is not None:
            self._lines_open.end_by(trio.current_time() + seconds)

    def _followed(self, now: float) -> None:
        """Everything is known on the open stream: from now on it is a watch."""
        self._known_since = now
        self._end_within(self._prove_s)

    def _begin_reading(self) -> None:
        self._begun, self._asked = trio.current_time(), self._client.session

    def _proven(self, begun: float) -> None:
        self._proofs.read(begun, trio.current_time())
        self._session = self._asked

    def _is_in_doubt(self) -> bool:
        """Whether the revision may mean something else by now. Another session may lead to another server."""
        return self._client.session is not self._session or self._proofs.in_doubt(trio.current_time())

    # --- watches

    async def _watch(self, request: listwatch.OpenWatch) -> None:
        if not request.initial and self._is_in_doubt():
            self._step(listwatch.Doubtful())
            return
        renew_s = self._times.renew_s * (1.0 + self._random())
        if request.initial:
            self._begin_reading()
        else:
            renew_s = min(renew_s, self._prove_s)
        asked_s = max(1, int(renew_s))
        query = {
            **self._selectors,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(asked_s),
        }
        if request.revision:
            query["resourceVersion"] = request.revision
        if request.initial:
            query |= {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
        idle_s = self._times.initial_stall_s if request.initial else self._times.stall_s
        async with self._client.stream(
            self._path,
            query,
            idle_s=idle_s,
            end_after_s=renew_s + self._times.stall_s,  # for servers that do not honour timeoutSeconds
            open_timeout_s=self._times.request_s,
            accept=WATCHED_METADATA if self._metadata else JSON,
        ) as lines:
            if not request.initial and self._client.session is not self._session:  # since a 401
                self._step(listwatch.Doubtful())
                return
            begun, self._lines_open, self._known_since = trio.current_time(), lines, math.inf
            try:
                if not request.initial:
                    self._known_since = begun
                    self._step(listwatch.Opened())
                    self._connect()
                if await self._read(lines):
                    return
            finally:
                now, self._lines_open = trio.current_time(), None
                agreed = now - begun >= asked_s * WHOLE or now - self._known_since >= self._prove_s * WHOLE
                self._proofs.left(now, cut=not agreed)
        self._step(listwatch.Ended(agreed))

    async def _read(self, lines: LineStream) -> bool:
        """True when the state machine wants another request, False when the stream ended."""
        while batch := await lines.batch():
            for start in range(0, len(batch), SLICE_ITEMS):
                async with self._turn:
                    if await self._lines(batch[start : start + SLICE_ITEMS]):
                        return True
            if isinstance(self._state, listwatch.Watching):
                lines.idle_s = self._times.stall_s
                self._connect()
                self._proofs.heard(trio.current_time())
        return False

    def _connect(self) -> None:
        if not self.connected:
            self.connected = True
            now = trio.current_time()
            self._proofs.heard(now)
            if now - self._lost_at > CATCH_UP_S:  # not the everyday renewal of a watch
                self.current_at = now + CATCH_UP_S

    async def _lines(self, lines: Iterable[bytes]) -> bool:
        for line in lines:
            if await self._feed(self._heartbeat_of(line) or _event_of(line)):
                return True
        return False

    def _heartbeat_of(self, line: bytes) -> listwatch.Heartbeat | None:
        """Most lines of a watch of Nodes are done with here."""
        if not isinstance(self._state, listwatch.Watching) or isinstance(line, CutLine):
            return None
        revision = self._sink.take_heartbeat(line)
        return listwatch.Heartbeat(revision) if revision else None

    async def _feed(self, given: listwatch.Input) -> bool:
        """Step and carry out; True when a request, or a pause before one, is now due in `_effects`."""
        self._step(given)
        effects = self._effects
        if any(isinstance(effect, _ENDS_STREAM) for effect in effects):
            return True
        self._effects = []
        await self._carry_out(effects)
        return False


_ENDS_STREAM = (listwatch.FetchPage, listwatch.OpenWatch, listwatch.FetchMetadata)


def _fitting(limit: int, items: int, size: int) -> int:
    """How many items of a page that had `items` in `size` bytes, of at most `limit`, fit into PAGE_BYTES."""
    return max(min(FEWEST_ITEMS, limit), min(PAGE_LIMIT, PAGE_BYTES * items // size))


def _event_of(line: bytes) -> listwatch.WatchEvent | listwatch.Garbage:
    if isinstance(line, CutLine):
        return listwatch.WatchEvent(None, Undecodable(f"more than {MAX_LINE_BYTES} bytes: {shown(line)}"))
    try:
        event = loads(line)
    except TooDeep as error:
        return listwatch.WatchEvent(None, Undecodable(f"{error}: {shown(line)}"))
    except JsonError:
        return listwatch.Garbage(shown(line))
    if not isinstance(event, dict) or "type" not in event or "object" not in event:
        return listwatch.Garbage(shown(line))
    return listwatch.WatchEvent(event["type"], event["object"])
