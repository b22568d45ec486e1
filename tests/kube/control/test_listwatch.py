"""The list-and-watch machine, step by step: no server, no clock."""

from __future__ import annotations

import random
from typing import Any

import pytest

from edged.kube.control import listwatch as lw
from edged.kube.control.listwatch import (
    BeginReplace,
    Ended,
    Failed,
    FetchPage,
    FinishReplace,
    Garbage,
    Initial,
    Item,
    Listing,
    Note,
    OpenWatch,
    PageRead,
    Pause,
    Probe,
    Probed,
    Probing,
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
    assert state == Watching("7", streams=True, fresh=False)


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
        assert effects == [Pause(2.0), *STREAMED]
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


def test_empty_watch_is_opened_again_after_a_pause_but_never_listed_for_that() -> None:
    state: lw.State = Watching("5", streams=True)
    for _ in range(10):
        state, effects = step(state, Ended())
        assert effects == [Pause(), OpenWatch("5", initial=False)]


@pytest.mark.parametrize("given", [status(410, "Expired"), Failed(410, "Expired", "")])
@pytest.mark.parametrize(("streams", "list_again"), [(True, STREAMED), (False, LISTED)])
def test_expired_means_list_again(given: lw.Input, streams: bool, list_again: list[lw.Effect]) -> None:
    _, effects = step(Watching("5", streams, fresh=False), given)
    assert effects == list_again
    _, effects = step(Watching("5", streams, fresh=True), given)
    assert effects == [Pause(), *list_again]  # a server that always says so is not asked in a tight loop


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


@pytest.mark.parametrize("given", [Failed(0, "", "reset"), Stalled()])
def test_lost_contact_is_probed_then_resumed(given: lw.Input) -> None:
    state, effects = step(Watching("5", True, fresh=False), given)
    assert effects == [Pause(), Probe()]
    state, effects = step(state, Failed(0, "", "refused"))
    assert effects == [Pause(), Probe()]
    state, effects = step(state, Probed("9"))
    assert effects == [OpenWatch("5", initial=False)]


def test_revision_that_went_back_means_list_again() -> None:
    assert step(Probing("500", True), Probed("12"))[1] == STREAMED
    assert step(Probing("500", True), Probed("opaque"))[1] == [OpenWatch("500", initial=False)]


def test_refused_or_garbled_probe_means_list_again() -> None:
    assert step(Probing("5", False), Failed(403, "", ""))[1] == [Pause(), *LISTED]
    assert step(Probing("5", False), Garbage(""))[1] == [Pause(), *LISTED]
    assert step(Probing("5", False), Failed(503, "", ""))[1] == [Pause(), Probe()]


def test_stream_that_stalls_again_and_again_is_listed() -> None:
    state: lw.State = Watching("5", True)
    for _ in range(lw.TRIES - 1):
        state, effects = step(state, Stalled())
        assert effects == [Pause(), Probe()]
        state, _ = step(state, Probed("5"))
    assert step(state, Stalled())[1] == [Pause(), *STREAMED]


def test_expired_pages_are_asked_for_in_one_piece() -> None:
    state, effects = step(Listing("token"), Failed(410, "Expired", ""))
    assert effects == [Pause(), BeginReplace(), FetchPage("", limited=False)]
    assert state == Listing(limited=False)


def test_failed_page_is_asked_for_again() -> None:
    state, effects = step(Listing("token"), Failed(0, "", ""))
    assert (state, effects) == (Listing("token"), [Pause(), FetchPage("token", limited=True)])
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
    requests = (FetchPage, OpenWatch, Probe)
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
        elif isinstance(state, Probing):
            choice = [*common, Probed("9"), Probed("1")]
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


@pytest.mark.parametrize("revision", ["9" * 5000, "x", "", "\u0663"])
def test_revisions_of_any_kind_are_compared(revision: str) -> None:
    state, effects = lw.step(Probing("5", streams=True), Probed(revision))
    assert effects and isinstance(state, Watching | Initial)
