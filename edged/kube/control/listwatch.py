"""List and watch of one collection as a state machine: which request comes next, and what each answer means.

The states, in the order of a healthy life:

    Initial    a watch is open that first sends every object there is and then a bookmark ("WatchList")
    Listing    the server refused that: the collection is being read in pages
    Watching   everything up to `revision` is known; a watch is open from there
    Probing    contact was lost while watching: ask for the collection's present revision before resuming

Recovery is a transition, not an exception: a lost stream is resumed from the last revision; an expired one
(410), or a server whose revision went *backwards* (restored from a backup, or restarted without storage: a
watch from a future revision would be silent for ever), leads to a new list, which is a replacement: objects
that it does not hold are deletions that happened unseen.

`step` takes a state and an input and returns the next state and effects, to be carried out in order. The last
effect is the next request; without one the stream that is open goes on being read. Pure: no clock, no I/O, no
logging; kube/watch.py drives it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from edged.kube.control.pages import Undecodable
from edged.kube.values.names import NamespacedName

INITIAL_EVENTS_END = "k8s.io/initial-events-end"
LONGEST_RETRY_S = 30.0
"""However long a server, or what stands before it, asks to be left alone: as long as the back-off ever is."""
MOST_DIGITS = 40  # of a revision that is compared as a number
TRIES = 3  # failures in a row after which a cheap way of going on is given up for a more thorough one


# --- states


@dataclass(frozen=True, slots=True)
class Initial:
    """Streaming the initial list. `failures`: attempts that were answered but did not reach the end."""

    failures: int = 0


@dataclass(frozen=True, slots=True)
class Listing:
    """Reading pages; `token` continues after the last one. `limited` False: asked for in one piece."""

    token: str = ""
    limited: bool = True
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Watching:
    """`streams`: the server offers WatchList. `fresh`: nothing came yet on this stream. `failures`: attempts
    in a row without anything new."""

    revision: str
    streams: bool
    fresh: bool = True
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Probing:
    revision: str
    streams: bool
    failures: int = 0


State = Initial | Listing | Watching | Probing


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
class Garbage:
    """A page or a line that is not what Kubernetes sends."""

    detail: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The server ended the stream."""


@dataclass(frozen=True, slots=True)
class Stalled:
    """Nothing came for too long, bookmarks included: the connection may be half open."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A request failed: HTTP status `code`, 0 when there was no answer (refused, reset, timed out)."""

    code: int
    reason: str
    message: str
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Probed:
    """The collection's present revision."""

    revision: str


Input = Item | PageRead | WatchEvent | Garbage | Ended | Stalled | Failed | Probed


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
class Probe:
    """Ask for the collection's present revision (a list of one)."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait for the next delay of the backoff, and at least `at_least_s`."""

    at_least_s: float | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """The server is well: the backoff starts afresh."""


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
    """A fact for the log."""

    message: str
    detail: str = ""


Effect = FetchPage | OpenWatch | Probe | Pause | Progress | Put | Remove | BeginReplace | FinishReplace | Note
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
    return _probing(state, given)


def _watching(state: Watching, given: Input) -> Step:
    if isinstance(given, WatchEvent):
        return _watch_event(state, given)
    if isinstance(given, Ended):
        if not state.fresh:
            return _resume(state, [])
        return _resume(state, [Pause()])
    if isinstance(given, Stalled):
        return _contact_lost(state, Note("watch stalled"), None)
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
        return (_advance(state, revision), _progress(state)) if revision else (state, [_unusable(event)])
    effect = _change(event)
    if isinstance(effect, Note):
        return state, [effect]
    revision = effect.revision if isinstance(effect, Put) else _revision_of(effect.object)
    return _advance(state, revision or state.revision), [*_progress(state), effect]


def _watch_failed(state: Watching, failed: Failed) -> Step:
    if _expired(failed):
        pause: list[Effect] = [Pause(failed.retry_after_s)] if state.fresh else []
        return _relist(state.streams, [Note("watch expired, listing again", failed.message), *pause])
    if _from_the_future(failed):
        return _relist(state.streams, [Note("revision unknown to the server", failed.message), Pause()])
    if failed.code == 0:
        return _contact_lost(state, Note("watch lost", failed.message), failed.retry_after_s)
    note = Note("watch refused", f"{failed.code} {failed.reason}: {failed.message}")
    if failed.code in (429, 503):  # busy, not wrong: no number of these says anything about the revision
        return Watching(state.revision, state.streams, failures=state.failures), [
            note,
            Pause(failed.retry_after_s),
            OpenWatch(state.revision, initial=False),
        ]
    return _try_again(state, note, failed.retry_after_s)


def _try_again(state: Watching, note: Note, retry_after_s: float | None) -> Step:
    """Resume from the last revision; list again when that has failed several times in a row."""
    failures = state.failures + 1
    if failures >= TRIES:
        return _relist(state.streams, [note, Pause(retry_after_s)])
    again = Watching(state.revision, state.streams, failures=failures)
    return again, [note, Pause(retry_after_s), OpenWatch(state.revision, initial=False)]


def _contact_lost(state: Watching, note: Note, retry_after_s: float | None) -> Step:
    failures = state.failures + 1 if state.fresh else 1
    if failures >= TRIES:
        return _relist(state.streams, [note, Pause(retry_after_s)])
    return Probing(state.revision, state.streams, failures), [note, Pause(retry_after_s), Probe()]


def _resume(state: Watching, before: list[Effect]) -> Step:
    again = replace(state, fresh=True)
    return again, [*before, OpenWatch(state.revision, initial=False)]


def _advance(state: Watching, revision: str) -> Watching:
    return Watching(revision, state.streams, fresh=False)


def _progress(state: Watching) -> list[Effect]:
    return [Progress()] if state.fresh or state.failures else []


def _probing(state: Probing, given: Input) -> Step:
    if isinstance(given, Failed):
        if given.code == 0 or given.code in (429, 503):
            return state, [Note("server away", given.message), Pause(given.retry_after_s), Probe()]
        return _relist(state.streams, [Note("probe refused", given.message), Pause(given.retry_after_s)])
    if isinstance(given, Garbage):
        return _relist(state.streams, [Note("probe sent garbage", given.detail), Pause()])
    if not isinstance(given, Probed):
        raise _out_of_place(state, given)
    if _went_back(state.revision, given.revision):
        note = Note("server's revision went back, listing again", f"{state.revision} to {given.revision}")
        return _relist(state.streams, [note])
    watching = Watching(state.revision, state.streams, failures=state.failures)
    return watching, [OpenWatch(state.revision, initial=False)]


def _initial(state: Initial, given: Input) -> Step:
    if isinstance(given, WatchEvent) and given.type != "ERROR":
        return _initial_event(state, given)
    if isinstance(given, Stalled):  # a server that ignores sendInitialEvents is silent after the objects
        return _fall_back(Note("initial events did not end, listing in pages"), pause=False)
    failed = _status_failure(given.object) if isinstance(given, WatchEvent) else given
    if isinstance(failed, Failed) and failed.code in (400, 422):
        return _fall_back(Note("server does not stream lists", failed.message), pause=False)
    return _initial_again(state, failed)


def _initial_event(state: Initial, event: WatchEvent) -> Step:
    if event.type != "BOOKMARK":
        return state, [_change(event)]
    revision = _revision_of(event.object)
    annotations = event.object["metadata"].get("annotations") if revision else None
    if not isinstance(annotations, dict) or annotations.get(INITIAL_EVENTS_END) != "true":
        return state, []
    return Watching(revision, streams=True, fresh=False), [Progress(), FinishReplace()]


def _initial_again(state: Initial, given: Input) -> Step:
    retry_after_s = None
    if isinstance(given, Failed):
        note = Note("initial list failed", f"{given.code} {given.reason}: {given.message}")
        retry_after_s = given.retry_after_s
        counts = given.code not in (0, 401, 403, 404, 429, 503)  # these would refuse a list as well
    else:
        if not isinstance(given, (Ended, Garbage)):
            raise _out_of_place(state, given)
        note = Note("initial list cut short", given.detail if isinstance(given, Garbage) else "")
        counts = True
    failures = state.failures + counts
    if failures >= TRIES:
        return _fall_back(note, pause=True)
    begin: list[Effect] = [note, Pause(retry_after_s), BeginReplace(), OpenWatch("", initial=True)]
    return Initial(failures), begin


def _fall_back(note: Note, *, pause: bool) -> Step:
    state, effects = start(streams=False)
    return state, [note, *([Pause()] if pause else []), *effects]


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
        return Listing(limited=False), begin
    if given.code == 413 and not state.limited:  # in one piece it is more than is read at once
        return Listing(), [note, Pause(), BeginReplace(), FetchPage("", limited=True)]
    if state.token and given.code in (400, 422):
        return _list_again(replace(state, failures=TRIES), note, given.retry_after_s)
    return state, [note, Pause(given.retry_after_s), FetchPage(state.token, state.limited)]


def _page_read(state: Listing, page: PageRead) -> Step:
    if page.token:
        return Listing(page.token, state.limited), [Progress(), FetchPage(page.token, state.limited)]
    if not page.revision:
        return _list_again(state, Note("list without resourceVersion"), None)
    watching = Watching(page.revision, streams=False)
    return watching, [Progress(), FinishReplace(), OpenWatch(page.revision, initial=False)]


def _list_again(state: Listing, note: Note, retry_after_s: float | None) -> Step:
    """The same page, or all pages when that has failed several times in a row."""
    if state.failures + 1 >= TRIES:
        return Listing(limited=state.limited), [
            note,
            Pause(retry_after_s),
            BeginReplace(),
            FetchPage("", state.limited),
        ]
    again = replace(state, failures=state.failures + 1)
    return again, [note, Pause(retry_after_s), FetchPage(state.token, state.limited)]


def _relist(streams: bool, before: list[Effect]) -> Step:
    state, effects = start(streams)
    return state, [*before, *effects]


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
        return Note("object that cannot be read", obj.detail)
    metadata = obj.get("metadata") if isinstance(obj, dict) else None
    if not isinstance(metadata, dict):
        return Note("object without metadata", str(obj)[:200])
    name, namespace = metadata.get("name"), metadata.get("namespace") or ""
    revision = metadata.get("resourceVersion")
    if not (isinstance(name, str) and name and isinstance(namespace, str) and isinstance(revision, str)):
        return Note("object without name or resourceVersion", str(metadata)[:200])
    return Put(NamespacedName(namespace, name), revision, obj)


def _unusable(event: WatchEvent) -> Note:
    return Note("unknown watch event", f"{str(event.type)[:40]} {str(event.object)[:160]}")


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


def _went_back(ours: str, theirs: str) -> bool:
    """Revisions are compared as numbers where they are numbers (they are, in every Kubernetes API server)."""
    comparable = ours.isdecimal() and theirs.isdecimal() and max(len(ours), len(theirs)) <= MOST_DIGITS
    return comparable and int(theirs) < int(ours)
