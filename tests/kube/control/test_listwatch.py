"""The list-and-watch machine, step by step: no server, no clock."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from edged.kube.control import listwatch as lw
from edged.kube.control.comparison import Outcome
from edged.kube.control.listwatch import (
    BeginReplace,
    Comparing,
    Doubtful,
    Ended,
    Failed,
    FetchMetadata,
    FetchPage,
    FinishReplace,
    Garbage,
    Initial,
    Item,
    Listing,
    MetadataRead,
    Note,
    Opened,
    OpenWatch,
    PageRead,
    Pause,
    Progress,
    Put,
    Remove,
    Stalled,
    WatchEvent,
    Watching,
)
from edged.kube.values.names import NamespacedName

KEY = NamespacedName("ns", "a")
STREAMED = [BeginReplace(), OpenWatch("", initial=True)]
LISTED = [BeginReplace(), FetchPage("", limited=True)]


def pod(revision: str = "5", name: str = "a") -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "ns", "resourceVersion": revision}}


def bookmark(revision: str, *, end: bool = False) -> WatchEvent:
    metadata: dict[str, Any] = {"resourceVersion": revision}
    if end:
        metadata["annotations"] = {lw.INITIAL_EVENTS_END: "true"}
    return WatchEvent("BOOKMARK", {"metadata": metadata})


def status(code: int, reason: str = "", message: str = "") -> WatchEvent:
    return WatchEvent("ERROR", {"kind": "Status", "code": code, "reason": reason, "message": message})


def step(state: lw.State, given: lw.Input) -> tuple[lw.State, list[lw.Effect]]:
    """A step without the notes for the log."""
    after, effects = lw.step(state, given)
    return after, [effect for effect in effects if not isinstance(effect, Note)]


def test_streamed_list() -> None:
    state, effects = lw.start()
    assert (state, effects) == (Initial(), STREAMED)
    state, effects = step(state, WatchEvent("ADDED", pod()))
    assert effects == [Put(KEY, "5", pod())]
    state, effects = step(state, bookmark("6"))
    assert (state, effects) == (Initial(), [])
    state, effects = step(state, bookmark("7", end=True))
    assert effects == [Progress(), FinishReplace()]
    assert state == Watching("7", streams=True, opened=True, fresh=False)


def test_listed_in_pages() -> None:
    state, effects = lw.start(streams=False)
    assert effects == LISTED
    state, effects = step(state, Item(pod()))
    assert effects == [Put(KEY, "5", pod())]
    state, effects = step(state, PageRead("9", "more"))
    assert effects == [Progress(), FetchPage("more", limited=True)]
    state, effects = step(state, PageRead("9", ""))
    assert effects == [Progress(), FinishReplace(), OpenWatch("9", initial=False)]
    assert state == Watching("9", streams=False)


@pytest.mark.parametrize("code", [400, 422])
def test_server_without_streamed_lists(code: int) -> None:
    state, effects = step(Initial(), Failed(code, "Invalid", ""))
    assert (state, effects) == (Listing(), LISTED)


def test_initial_events_that_never_end() -> None:
    assert step(Initial(), Stalled()) == (Listing(), LISTED)


def test_initial_list_cut_short_too_often_is_listed() -> None:
    state: lw.State = Initial()
    for _ in range(lw.TRIES - 1):
        state, effects = step(state, Ended())
        assert effects == [Pause(), *STREAMED]
    state, effects = step(state, Ended())
    assert (state, effects) == (Listing(), [Pause(), *LISTED])


@pytest.mark.parametrize("code", [0, 401, 403, 404, 429, 503])
def test_server_that_is_away_or_refuses_everything_does_not_change_the_method(code: int) -> None:
    state: lw.State = Initial()
    for _ in range(20):
        state, effects = step(state, Failed(code, "", "", retry_after_s=2.0))
        assert effects == [Pause(2.0, away=code == 0), *STREAMED]
    assert state == Initial()


def test_watch_moves_its_revision() -> None:
    state: lw.State = Watching("5", streams=True)
    state, effects = step(state, WatchEvent("MODIFIED", pod("6")))
    assert effects == [Progress(), Put(KEY, "6", pod("6"))]
    state, effects = step(state, WatchEvent("DELETED", pod("7")))
    assert effects == [Remove(KEY, pod("7"))]
    state, effects = step(state, bookmark("8"))
    assert effects == []
    state, effects = step(state, Ended())
    assert effects == [OpenWatch("8", initial=False)]


def test_a_heartbeat_moves_the_revision_as_the_change_itself_would() -> None:
    for expirations in (0, 1):
        for fresh in (True, False):
            state = Watching("4", True, opened=True, fresh=fresh, failures=1, expirations=expirations)
            after, effects = step(state, WatchEvent("MODIFIED", pod("5")))
            assert step(state, lw.Heartbeat("5")) == (after, effects[:-1])
            assert effects[-1] == Put(KEY, "5", pod("5"))


def test_empty_watch_is_opened_again_after_a_pause_but_never_listed_for_that() -> None:
    state: lw.State = Watching("5", streams=True)
    for _ in range(10):
        state, effects = step(state, Ended())
        assert effects == [Pause(), OpenWatch("5", initial=False)]


def test_a_quiet_watch_that_is_renewed_as_agreed_needs_no_pause() -> None:
    for _ in range(10):
        assert step(Watching("5", True, opened=True), Ended(agreed=True)) == (
            Watching("5", True),
            [OpenWatch("5", initial=False)],
        )


EXPIRED = [status(410, "Expired"), Failed(410, "Expired", "")]


@pytest.mark.parametrize("given", EXPIRED)
@pytest.mark.parametrize("fresh", [True, False])
@pytest.mark.parametrize(("streams", "list_again"), [(True, STREAMED), (False, LISTED)])
def test_expired_means_list_again_now(given: lw.Input, fresh: bool, streams: bool, list_again: list[lw.Effect]) -> None:
    """Above all after an outage: the server is there, so its answer is no reason to sleep."""
    state, effects = step(Watching("5", streams, fresh=fresh), given)
    assert effects == list_again
    assert state.expirations == 1


@pytest.mark.parametrize("given", EXPIRED)
@pytest.mark.parametrize("between", [[], [Opened()], [WatchEvent("ADDED", pod("8"))]])
@pytest.mark.parametrize("streams", [True, False])
def test_what_expires_again_and_again_backs_off_until_a_bookmark(
    given: lw.Input, between: list[lw.Input], streams: bool
) -> None:
    """Each list works and resets nothing, however it is read; nor does a single event."""
    state: lw.State = Watching("5", streams)
    for number in range(5):
        state, effects = step(state, given)
        assert effects[:-2] == ([Pause()] if number else [])
        state, effects = step(state, bookmark("7", end=True) if streams else PageRead("7", ""))
        assert effects[0] == Progress(afresh=False)
        for event in between:
            state, effects = step(state, event)
            assert Progress(afresh=True) not in effects
    state, effects = step(state, bookmark("9"))
    assert effects == [Progress(afresh=True)]
    assert step(state, given)[1] == (STREAMED if streams else LISTED)


def test_what_expires_again_and_again_backs_off_until_a_watch_lasted_to_its_end() -> None:
    state = Watching("5", True, fresh=False, expirations=3)
    assert step(state, Ended())[0] == Watching("5", True)


def test_revision_from_the_future_means_list_again() -> None:
    failed = Failed(504, "Timeout", "Too large resource version: 999, current: 439")
    assert step(Watching("999", True), failed)[1] == [Pause(), *STREAMED]


def test_busy_server_is_asked_again_however_long() -> None:
    state: lw.State = Watching("5", True)
    for _ in range(10):
        state, effects = step(state, Failed(429, "TooManyRequests", "", retry_after_s=7.0))
        assert effects == [Pause(7.0), OpenWatch("5", initial=False)]


@pytest.mark.parametrize("given", [Failed(500, "", ""), Garbage("x"), status(500)])
def test_other_failures_are_resumed_and_then_listed(given: lw.Input) -> None:
    state: lw.State = Watching("5", True)
    for _ in range(lw.TRIES - 1):
        state, effects = step(state, given)
        assert effects == [Pause(), OpenWatch("5", initial=False)]
    assert step(state, given)[1] == [Pause(), *STREAMED]
    state, _ = step(state, bookmark("6"))  # something came: counted from the beginning
    assert step(state, given)[1] == [Pause(), OpenWatch("6", initial=False)]


@pytest.mark.parametrize(
    ("state", "given", "away"),
    [
        (Watching("5", True), Failed(0, "", "refused"), True),
        (Watching("5", True, opened=True), Failed(0, "", "reset before anything came"), False),
        (Watching("5", True, opened=True, fresh=False), Failed(0, "", "reset"), True),
        (Watching("5", True, opened=True, fresh=False), Stalled(), True),
    ],
)
def test_lost_contact_is_resumed(state: lw.State, given: lw.Input, away: bool) -> None:
    """Of two back-offs. A server that is not there has nothing to say about the one for what it refuses."""
    state, effects = step(state, given)
    assert effects == [Pause(away=away), OpenWatch("5", initial=False)]
    assert state == Watching("5", True)


@pytest.mark.parametrize("code", [502, 503, 504])
def test_what_a_proxy_says_in_the_servers_place_is_no_answer(code: int) -> None:
    relayed = Failed(code, "", "no upstream", relayed=True)
    assert step(Watching("5", True), relayed)[1] == [Pause(1.0, away=True), OpenWatch("5", initial=False)]
    assert step(Initial(2), relayed) == (Initial(2), [Pause(1.0, away=True), *STREAMED])
    assert step(Listing(), relayed) == (Listing(), [Pause(1.0, away=True), FetchPage("", limited=True)])
    after = Comparing("5", True), [Pause(1.0, away=True), FetchMetadata("5", "")]
    assert step(Comparing("5", True, "t"), relayed) == after
    later = Failed(code, "", "", retry_after_s=7.0, relayed=True)
    assert step(Watching("5", True), later)[1] == [Pause(7.0, away=True), OpenWatch("5", initial=False)]


def test_a_revision_in_doubt_is_not_watched_from_until_everything_was_compared() -> None:
    state, effects = step(Watching("5", True), Doubtful())
    assert effects == [FetchMetadata("5", "")]
    state, effects = step(state, MetadataRead("9", "more"))
    assert effects == [FetchMetadata("5", "more")]
    assert step(state, MetadataRead("9", "", Outcome("same"))) == (
        Watching("9", True),
        [Progress(afresh=False), OpenWatch("9", initial=False)],
    )
    assert step(state, MetadataRead("9", "", Outcome("changed", "a")))[1] == STREAMED
    _, effects = lw.step(state, MetadataRead("9", "", Outcome("rewritten", "a")))
    assert effects == [Note(lw.REWRITTEN, "a"), *STREAMED]
    assert step(replace(state, streams=False), MetadataRead("9", "", Outcome("changed")))[1] == LISTED


def test_a_comparison_begins_anew_after_every_failure() -> None:
    """Pages of two moments, or of two histories, say nothing."""
    half = Comparing("5", True, "token")
    assert step(half, Failed(0, "", "")) == (Comparing("5", True), [Pause(away=True), FetchMetadata("5", "")])
    for code in (429, 503):
        busy = Failed(code, "", "", retry_after_s=3.0)
        assert step(half, busy) == (Comparing("5", True), [Pause(3.0), FetchMetadata("5", "")])
    for given in (Failed(403, "", ""), Failed(410, "Expired", ""), Failed(406, "", ""), Garbage("")):
        assert step(half, given)[1] == [Pause(), *STREAMED]


def test_what_expired_before_a_comparison_is_not_forgotten_by_it() -> None:
    state: lw.State = Watching("5", True, expirations=2)
    for given in (Doubtful(), MetadataRead("9", "t"), MetadataRead("9", "", Outcome("same"))):
        state, _ = step(state, given)
    assert state == Watching("9", True, expirations=2)
    state, _ = step(Comparing("5", True, expirations=2), MetadataRead("9", "", Outcome("changed")))
    assert state == Initial(expirations=2)


def test_expired_pages_are_asked_for_in_one_piece() -> None:
    state, effects = step(Listing("token"), Failed(410, "Expired", ""))
    assert effects == [Pause(), BeginReplace(), FetchPage("", limited=False)]
    assert state == Listing(limited=False)


def test_failed_page_is_asked_for_again() -> None:
    state, effects = step(Listing("token"), Failed(500, "", ""))
    assert (state, effects) == (Listing("token"), [Pause(), FetchPage("token", limited=True)])
    # After an outage the other pages are those of another server, perhaps.
    assert step(Listing("token"), Failed(0, "", "")) == (Listing(), [Pause(away=True), *LISTED])
    assert step(Listing("token"), Failed(400, "", "invalid continue token"))[1] == [Pause(), *LISTED]


def test_garbled_pages() -> None:
    state: lw.State = Listing("token")
    for _ in range(lw.TRIES - 1):
        state, effects = step(state, Garbage(""))
        assert effects == [Pause(), FetchPage("token", limited=True)]
    assert step(state, Garbage(""))[1] == [Pause(), *LISTED]
    assert step(Listing(), PageRead("", ""))[1] == [Pause(), FetchPage("", limited=True)]


UNUSABLE: list[Any] = [
    None,
    7,
    [],
    {},
    {"metadata": None},
    {"metadata": {}},
    {"metadata": {"name": 7, "resourceVersion": "1"}},
    {"metadata": {"name": "a", "resourceVersion": 1}},
    {"metadata": {"name": "a", "namespace": 7, "resourceVersion": "1"}},
]


@pytest.mark.parametrize("obj", UNUSABLE)
@pytest.mark.parametrize("kind", ["ADDED", "DELETED", "BOOKMARK", "WHAT", 7, None])
def test_unusable_objects_are_passed_over(obj: Any, kind: Any) -> None:
    watching = Watching("5", True, fresh=False)
    if kind != "BOOKMARK" or obj not in (UNUSABLE[6], UNUSABLE[8]):  # of a bookmark only the revision counts
        assert step(watching, WatchEvent(kind, obj)) == (watching, [])
    assert step(Initial(), WatchEvent(kind, obj)) == (Initial(), [])
    assert step(Listing(), Item(obj)) == (Listing(), [])


def test_unknown_events_do_not_count() -> None:
    state, effects = lw.step(Watching("5", True), WatchEvent("WHAT", pod("9")))
    assert state == Watching("5", True) and isinstance(effects[0], Note)


def test_any_order_of_inputs_ends_with_at_most_one_request() -> None:
    """The contract that kube/watch.py leans on: a request comes last, replacements are begun and ended
    in pairs, and no pause stands without a request after it."""
    numbers = random.Random(11)
    requests = (FetchPage, OpenWatch, FetchMetadata)
    common: list[lw.Input] = [Garbage("x"), *[Failed(code, "", "") for code in (0, 400, 410, 422, 429, 500)]]
    stream: list[lw.Input] = [
        Ended(),
        Stalled(),
        bookmark("9"),
        bookmark("9", end=True),
        status(410, "Expired"),
        status(500),
        WatchEvent("ADDED", pod()),
        WatchEvent("ADDED", {}),
    ]
    state, effects = lw.start()
    replacing = False
    for _ in range(50_000):
        for position, effect in enumerate(effects):
            assert not isinstance(effect, requests) or position == len(effects) - 1
            if isinstance(effect, BeginReplace):
                replacing = True
            if isinstance(effect, FinishReplace):
                assert replacing
                replacing = False
            if isinstance(effect, Pause):
                assert isinstance(effects[-1], requests)
        assert replacing or not isinstance(state, (Initial, Listing))
        if isinstance(state, Listing):
            choice = [*common, Item(pod()), PageRead("9", "t"), PageRead("9", "")]
        elif isinstance(state, Comparing):
            outcomes = [None, Outcome("same"), Outcome("changed"), Outcome("rewritten")]
            choice = [*common, *[MetadataRead("9", "" if outcome else "t", outcome) for outcome in outcomes]]
        elif isinstance(state, Watching):
            choice = [*common, *stream, Opened(), Doubtful()]
        else:
            choice = [*common, *stream]
        state, effects = lw.step(state, numbers.choice(choice))


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        (3, 3.0), (0, 0.0), (-5, None), (1e300, 30.0), (10**400, 30.0), (99999, 30.0), ("3", None), (None, None),
        (2.5, 2.5),
    ],
)  # fmt: skip
def test_how_long_a_server_asks_to_be_left_alone(given: Any, seconds: float | None) -> None:
    assert lw.retry_after(given) == seconds
    assert bool(lw.beyond_reason(given)) == (isinstance(given, int | float) and given > 30)


def test_a_watch_that_asks_to_be_left_alone_for_a_day_is_opened_again_soon() -> None:
    details = {"retryAfterSeconds": 99999}
    busy = WatchEvent("ERROR", {"kind": "Status", "code": 429, "message": "slow down", "details": details})
    _, effects = lw.step(Watching("5", True), busy)
    assert effects[1:] == [Pause(30.0), OpenWatch("5", initial=False)]
    assert isinstance(effects[0], Note) and "slow down (it asks to be left alone for longer than" in effects[0].detail
