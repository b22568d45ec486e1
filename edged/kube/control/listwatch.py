"""List and watch of one collection as a state machine: which request comes next, and what each answer means.

The states, in the order of a healthy life:

    Initial    a watch is open that first sends every object there is and then a bookmark ("WatchList")
    Listing    the server refused that: the collection is being read in pages
    Watching   everything up to `revision` is known; a watch is open from there
    Comparing  the revision is in doubt: what is known is compared with a list of metadata

Recovery is a transition, not an exception. A lost stream is resumed from the last revision, but only if nothing can
have happened to the server meanwhile: after any time away, and now and then without one, the revision is in doubt
(`kube/control/proofs.py` says when). A server that was restored from a backup counts anew, and as soon as it has passed
the old number, a watch from there is accepted and misses everything between. So numbers are not compared but objects:
where all are what they were, the watch goes on from the revision of that list; otherwise everything is listed, as after
an expired revision (410). A list is a replacement: objects that it does not hold are deletions that happened unseen.

A pause is of one of two kinds. `away`: nothing answers, so there is nothing to do but to look again. Otherwise the
server answered and refused: it is there, and is asked again soon, at first, however long it was away before.

`step` takes a state and an input and returns the next state and effects, to be carried out in order. The last
effect is the next request; without one the stream that is open goes on being read. Pure: no clock, no I/O, no
logging; kube/watch.py drives it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from edged.json_text import shown
from edged.kube.control.comparison import Outcome
from edged.kube.control.pages import Undecodable
from edged.kube.values.names import NamespacedName, is_segment
from edged.records import dataclass

INITIAL_EVENTS_END = "k8s.io/initial-events-end"
LONGEST_RETRY_S = 30.0
"""However long a server, or what stands before it, asks to be left alone: as long as the back-off ever is."""
REWRITTEN = "the server has another history than before (restored from a backup?), listing again"
RELAYED_S = 1.0
TRIES = 3  # failures in a row after which a cheap way of going on is given up for a more thorough one


# --- states


@dataclass(frozen=True, slots=True)
class Initial:
    """Streaming the initial list. `failures`: attempts that were answered but did not reach the end. `expirations`: how
    often in a row the revision that was reached expired, here and in the other states."""

    failures: int = 0
    expirations: int = 0


@dataclass(frozen=True, slots=True)
class Listing:
    """Reading pages; `token` continues after the last one. `limited` False: asked for in one piece."""

    token: str = ""
    limited: bool = True
    failures: int = 0
    expirations: int = 0


@dataclass(frozen=True, slots=True)
class Watching:
    """`streams`: the server offers WatchList. `opened`: this stream was answered. `fresh`: nothing came yet on it.
    `failures`: attempts in a row without anything new."""

    revision: str
    streams: bool
    opened: bool = False
    fresh: bool = True
    failures: int = 0
    expirations: int = 0


@dataclass(frozen=True, slots=True)
class Comparing:
    """Reading pages of metadata; `token` continues after the last one."""

    revision: str
    streams: bool
    token: str = ""
    expirations: int = 0


State = Initial | Listing | Watching | Comparing


# --- inputs


@dataclass(frozen=True, slots=True)
class Item:
    """One object of a page."""

    object: Any


@dataclass(frozen=True, slots=True)
class PageRead:
    """All items of a page were given; `token` is metadata.continue, "" on the last page."""

    revision: str
    token: str


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One decoded line of a watch."""

    type: Any
    object: Any


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A line of a watch whose object was stored without being decoded: only its revision matters here."""

    revision: str


@dataclass(frozen=True, slots=True)
class Garbage:
    """A page or a line that is not what Kubernetes sends."""

    detail: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The stream is over; `agreed`: after as long as was asked for, so that it does not matter that nothing came."""

    agreed: bool = False


@dataclass(frozen=True, slots=True)
class Stalled:
    """Nothing came for too long, bookmarks included: the connection may be half open."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A request failed: HTTP status `code`, 0 when there was no answer (refused, reset, timed out). `relayed`: what
    stands before the server answered in its place, because it does not reach it."""

    code: int
    reason: str
    message: str
    retry_after_s: float | None = None
    relayed: bool = False

    @property
    def away(self) -> bool:
        """No answer of the server itself."""
        return self.code == 0 or self.relayed

    def pause(self, *, away: bool) -> Pause:
        """An answer that was relayed costs the one who gave it: it is not asked again within the second."""
        at_least_s = RELAYED_S if self.relayed and self.retry_after_s is None else self.retry_after_s
        return Pause(at_least_s, away)


@dataclass(frozen=True, slots=True)
class Opened:
    """The server took the watch."""


@dataclass(frozen=True, slots=True)
class Doubtful:
    """The revision from which the watch was to be opened may mean something else by now."""


@dataclass(frozen=True, slots=True)
class MetadataRead:
    """A page of metadata was compared; `outcome` None: there are more, after `token`."""

    revision: str
    token: str
    outcome: Outcome | None = None


Input = Item | PageRead | WatchEvent | Heartbeat | Garbage | Ended | Stalled | Failed | Opened | Doubtful | MetadataRead


# --- effects


@dataclass(frozen=True, slots=True)
class FetchPage:
    token: str
    limited: bool


@dataclass(frozen=True, slots=True)
class OpenWatch:
    """Watch from `revision`; `initial` True: from nothing, with all present objects first (WatchList)."""

    revision: str
    initial: bool


@dataclass(frozen=True, slots=True)
class FetchMetadata:
    """Read a page of metadata and compare it with what is known up to `revision`; the first page if `token` is ""."""

    revision: str
    token: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait for the next delay of the backoff, and at least `at_least_s`. `away`: of the backoff for a server that does
    not answer."""

    at_least_s: float | None = None
    away: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """The server is well. `afresh`: so the backoff starts afresh."""

    afresh: bool = True


@dataclass(frozen=True, slots=True)
class Put:
    key: NamespacedName
    revision: str
    object: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Remove:
    """`object` is the last state, as the server sent it with the deletion."""

    key: NamespacedName
    object: dict[str, Any]


@dataclass(frozen=True, slots=True)
class BeginReplace:
    """A whole list begins."""


@dataclass(frozen=True, slots=True)
class FinishReplace:
    """The list is complete: what it did not hold is gone."""


@dataclass(frozen=True, slots=True)
class Note:
    """A fact for the log. `of_object`: it is about one object only, and all else is well."""

    message: str
    detail: str = ""
    of_object: bool = False


Effect = FetchPage | OpenWatch | FetchMetadata | Pause | Progress | Put | Remove | BeginReplace | FinishReplace | Note
Step = tuple[State, list[Effect]]


# --- transitions


def start(streams: bool = True) -> Step:
    """The first state and request. `streams` False: do not try WatchList."""
    if streams:
        return Initial(), [BeginReplace(), OpenWatch("", initial=True)]
    return Listing(), [BeginReplace(), FetchPage("", limited=True)]


def step(state: State, given: Input) -> Step:
    """The next state and what to do. An input that a state cannot meet is a fault of the caller
    (assertion)."""
    if isinstance(state, Watching):
        return _watching(state, given)
    if isinstance(state, Initial):
        return _initial(state, given)
    if isinstance(state, Listing):
        return _listing(state, given)
    return _comparing(state, given)


def _watching(state: Watching, given: Input) -> Step:
    if isinstance(given, WatchEvent):
        return _watch_event(state, given)
    if isinstance(given, Heartbeat):
        return _advance(state, given.revision), _progress(state, afresh=not state.expirations)
    if isinstance(given, Ended):
        if given.agreed or not state.fresh:
            return _resume(replace(state, expirations=0), [])
        return _resume(state, [Pause()])
    if isinstance(given, Opened):
        return replace(state, opened=True), []
    if isinstance(given, Doubtful):
        comparing = Comparing(state.revision, state.streams, expirations=state.expirations)
        return comparing, [FetchMetadata(state.revision, "")]
    if isinstance(given, Stalled):
        return _resume(state, [Note("watch stalled"), Pause(away=True)])
    if isinstance(given, Garbage):
        return _try_again(state, Note("watch sent garbage", given.detail), None)
    if not isinstance(given, Failed):
        raise _out_of_place(state, given)
    return _watch_failed(state, given)


def _watch_event(state: Watching, event: WatchEvent) -> Step:
    if event.type == "ERROR":
        return _watch_failed(state, _status_failure(event.object))
    if event.type == "BOOKMARK":
        revision = _revision_of(event.object)
        if not revision:
            return state, [_unusable(event)]
        news = _progress(state, afresh=True)
        return replace(_advance(state, revision), expirations=0), news
    effect = _change(event)
    if isinstance(effect, Note):
        return state, [effect]
    revision = effect.revision if isinstance(effect, Put) else _revision_of(effect.object)
    return _advance(state, revision or state.revision), [*_progress(state, afresh=not state.expirations), effect]


def _watch_failed(state: Watching, failed: Failed) -> Step:
    if _expired(failed):  # listed again at once, unless that has led to nothing before
        pause: list[Effect] = [Pause(failed.retry_after_s)] if state.expirations else []
        expired = replace(state, expirations=state.expirations + 1)
        return _relist(expired, [Note("watch expired, listing again", failed.message), *pause])
    if failed.away:
        # A stream that breaks before anything came was answered: a server that goes on doing so is not away.
        pause = [failed.pause(away=failed.relayed or not (state.opened and state.fresh))]
        return _resume(state, [Note("watch lost", failed.message), *pause])
    if _from_the_future(failed):
        return _relist(state, [Note("revision unknown to the server", failed.message), Pause()])
    note = Note("watch refused", f"{failed.code} {failed.reason}: {failed.message}")
    if failed.code in (429, 503):  # busy, not wrong: no number of these says anything about the revision
        return _resume(state, [note, Pause(failed.retry_after_s)])
    return _try_again(state, note, failed.retry_after_s)


def _try_again(state: Watching, note: Note, retry_after_s: float | None) -> Step:
    """Resume from the last revision; list again when that has failed several times in a row."""
    failures = state.failures + 1
    if failures >= TRIES:
        return _relist(state, [note, Pause(retry_after_s)])
    return _resume(replace(state, failures=failures), [note, Pause(retry_after_s)])


def _resume(state: Watching, before: list[Effect]) -> Step:
    again = replace(state, opened=False, fresh=True)
    return again, [*before, OpenWatch(state.revision, initial=False)]


def _advance(state: Watching, revision: str) -> Watching:
    return replace(state, revision=revision, opened=True, fresh=False, failures=0)


def _progress(state: Watching, *, afresh: bool) -> list[Effect]:
    is_news = state.fresh or state.failures or (afresh and state.expirations)
    return [Progress(afresh)] if is_news else []


def _comparing(state: Comparing, given: Input) -> Step:
    if isinstance(given, Failed):
        if given.away or given.code in (429, 503):  # what was compared of it is too old by then
            note, pause = Note("server away", given.message), given.pause(away=given.away)
            return replace(state, token=""), [note, pause, FetchMetadata(state.revision, "")]
        return _relist(state, [Note("comparison refused", given.message), Pause(given.retry_after_s)])
    if isinstance(given, Garbage):
        return _relist(state, [Note("comparison sent garbage", given.detail), Pause()])
    if not isinstance(given, MetadataRead):
        raise _out_of_place(state, given)
    if given.outcome is None:
        return replace(state, token=given.token), [FetchMetadata(state.revision, given.token)]
    if given.outcome.result != "same":
        is_odd = given.outcome.result == "rewritten"
        return _relist(state, [Note(REWRITTEN, given.outcome.detail)] if is_odd else [])
    watching = Watching(given.revision, state.streams, expirations=state.expirations)
    return watching, [Progress(afresh=False), OpenWatch(given.revision, initial=False)]


def _initial(state: Initial, given: Input) -> Step:
    if isinstance(given, WatchEvent) and given.type != "ERROR":
        return _initial_event(state, given)
    if isinstance(given, Stalled):  # a server that ignores sendInitialEvents is silent after the objects
        return _fall_back(state, Note("initial events did not end, listing in pages"), pause=False)
    failed = _status_failure(given.object) if isinstance(given, WatchEvent) else given
    if isinstance(failed, Failed) and failed.code in (400, 422):
        return _fall_back(state, Note("server does not stream lists", failed.message), pause=False)
    return _initial_again(state, failed)


def _initial_event(state: Initial, event: WatchEvent) -> Step:
    if event.type != "BOOKMARK":
        return state, [_change(event)]
    revision = _revision_of(event.object)
    annotations = event.object["metadata"].get("annotations") if revision else None
    if not isinstance(annotations, dict) or annotations.get(INITIAL_EVENTS_END) != "true":
        return state, []
    watching = Watching(revision, streams=True, opened=True, fresh=False, expirations=state.expirations)
    return watching, [Progress(afresh=not state.expirations), FinishReplace()]


def _initial_again(state: Initial, given: Input) -> Step:
    pause = Pause()
    if isinstance(given, Failed):
        note = Note("initial list failed", f"{given.code} {given.reason}: {given.message}")
        pause = given.pause(away=given.away)
        counts = not given.away and given.code not in (401, 403, 404, 429, 503)  # these would refuse a list as well
    else:
        if not isinstance(given, (Ended, Garbage)):
            raise _out_of_place(state, given)
        note = Note("initial list cut short", given.detail if isinstance(given, Garbage) else "")
        counts = True
    failures = state.failures + counts
    if failures >= TRIES:
        return _fall_back(state, note, pause=True)
    return replace(state, failures=failures), [note, pause, BeginReplace(), OpenWatch("", initial=True)]


def _fall_back(state: Initial, note: Note, *, pause: bool) -> Step:
    listing = Listing(expirations=state.expirations)
    return listing, [note, *([Pause()] if pause else []), BeginReplace(), FetchPage("", limited=True)]


def _listing(state: Listing, given: Input) -> Step:
    if isinstance(given, Item):
        return state, [_item(given.object)]
    if isinstance(given, PageRead):
        return _page_read(state, given)
    if isinstance(given, Garbage):
        return _list_again(state, Note("list sent garbage", given.detail), None)
    if not isinstance(given, Failed):
        raise _out_of_place(state, given)
    note = Note("list failed", f"{given.code} {given.reason}: {given.message}")
    if _expired(given):  # read too slowly: pages of a revision live for some minutes only
        begin: list[Effect] = [note, Pause(given.retry_after_s), BeginReplace(), FetchPage("", limited=False)]
        return Listing(limited=False, expirations=state.expirations), begin
    if given.code == 413 and not state.limited:  # in one piece it is more than is read at once
        again = Listing(expirations=state.expirations)
        return again, [note, Pause(), BeginReplace(), FetchPage("", limited=True)]
    if state.token and given.code in (400, 422):
        return _list_again(replace(state, failures=TRIES), note, given.retry_after_s)
    if given.away and state.token:  # the pages that come are those of another moment, or of another history
        again = replace(state, token="")
        return again, [note, given.pause(away=True), BeginReplace(), FetchPage("", state.limited)]
    return state, [note, given.pause(away=given.away), FetchPage(state.token, state.limited)]


def _page_read(state: Listing, page: PageRead) -> Step:
    if page.token:
        afresh = Progress(afresh=not state.expirations)
        return replace(state, token=page.token, failures=0), [afresh, FetchPage(page.token, state.limited)]
    if not page.revision:
        return _list_again(state, Note("list without resourceVersion"), None)
    watching = Watching(page.revision, streams=False, expirations=state.expirations)
    news = Progress(afresh=not state.expirations)
    return watching, [news, FinishReplace(), OpenWatch(page.revision, initial=False)]


def _list_again(state: Listing, note: Note, retry_after_s: float | None) -> Step:
    """The same page, or all pages when that has failed several times in a row."""
    if state.failures + 1 >= TRIES:
        return replace(state, token="", failures=0), [
            note,
            Pause(retry_after_s),
            BeginReplace(),
            FetchPage("", state.limited),
        ]
    again = replace(state, failures=state.failures + 1)
    return again, [note, Pause(retry_after_s), FetchPage(state.token, state.limited)]


def _relist(state: Watching | Comparing, before: list[Effect]) -> Step:
    again, effects = start(state.streams)
    return replace(again, expirations=state.expirations), [*before, *effects]


# --- reading what the server sent


def _change(event: WatchEvent) -> Put | Remove | Note:
    effect = _item(event.object)
    if isinstance(effect, Note):
        return effect
    if event.type in ("ADDED", "MODIFIED"):
        return effect
    if event.type == "DELETED":
        return Remove(effect.key, effect.object)
    return _unusable(event)


def _item(obj: Any) -> Put | Note:
    """Objects without name or resourceVersion cannot be stored; they are named in the log and passed over."""
    if isinstance(obj, Undecodable):
        return Note("object that cannot be read", obj.detail, of_object=True)
    metadata = obj.get("metadata") if isinstance(obj, dict) else None
    if not isinstance(metadata, dict):
        return Note("object without metadata", shown(obj), of_object=True)
    name, namespace = metadata.get("name"), metadata.get("namespace") or ""
    revision = metadata.get("resourceVersion")
    if not (isinstance(name, str) and name and isinstance(namespace, str) and isinstance(revision, str)):
        return Note("object without name or resourceVersion", shown(metadata), of_object=True)
    if not is_segment(name) or (namespace and not is_segment(namespace)):
        return Note("object whose name is none", shown(metadata), of_object=True)
    return Put(NamespacedName(namespace, name), revision, obj)


def _unusable(event: WatchEvent) -> Note:
    return Note("unknown watch event", f"{shown(event.type, 40)} {shown(event.object, 160)}", of_object=True)


def _revision_of(obj: object) -> str:
    metadata = obj.get("metadata") if isinstance(obj, dict) else None
    revision = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
    return revision if isinstance(revision, str) else ""


def _status_failure(status: object) -> Failed:
    """The Status object of an ERROR event. One without a usable code counts as a server error."""
    body = status if isinstance(status, dict) else {}
    code = body.get("code")
    details = body.get("details")
    after = details.get("retryAfterSeconds") if isinstance(details, dict) else None
    return Failed(
        code if isinstance(code, int) and code >= 400 else 500,
        str(body.get("reason") or ""),
        str(body.get("message") or "")[:500] + beyond_reason(after),
        retry_after(after),
    )


def retry_after(seconds: object) -> float | None:
    """How long the server asks to be left alone, within reason; None where it says nothing of use."""
    if not isinstance(seconds, int | float) or seconds < 0:
        return None
    return float(min(seconds, LONGEST_RETRY_S))


def beyond_reason(seconds: object) -> str:
    """For the message of a failure: that the server is asked again sooner than it wants; "" otherwise."""
    if not isinstance(seconds, int | float) or seconds <= LONGEST_RETRY_S:
        return ""
    return f" (it asks to be left alone for longer than the {LONGEST_RETRY_S:g} s that edged waits)"


def _expired(failed: Failed) -> bool:
    return failed.code == 410 or failed.reason in ("Expired", "Gone")


def _from_the_future(failed: Failed) -> bool:
    return failed.code == 504 or "Too large resource version" in failed.message


def _out_of_place(state: State, given: Input) -> RuntimeError:
    """An input that no effect of this state leads to."""
    return RuntimeError(f"{given} in {state}")
