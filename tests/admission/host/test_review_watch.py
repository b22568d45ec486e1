"""Whole reviews on demand: only of the policy that was asked for, only while somebody reads."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
import trio
import trio.testing

from edged.admission.host.observers import Evaluation, RequestOrigin
from edged.admission.host.review_watch import MOST_SHOWN, MOST_WAITING, MOST_WATCHERS, QUEUE, TOO_LARGE, ReviewWatch
from edged.admission.rules.redaction import HIDDEN
from edged.admission.rules.review import AdmissionRequest, AdmissionResponse, parse_review
from edged.errors import ConfigError
from tests.admission.host.support import request
from tests.admission.host.test_policy_metrics import policy


def evaluate(
    watch: ReviewWatch, name: str = "p", *, allowed: bool = True, origin: RequestOrigin = "validate",
    asked: AdmissionRequest | None = None, value: object = 1,
) -> None:  # fmt: skip
    own = AdmissionResponse("u-1", allowed, [{"op": "add", "path": "/a", "value": value}] if allowed else None)
    response = AdmissionResponse("u-1", allowed)
    asked = asked or request(name="web")
    watch.evaluated(Evaluation(policy(name), asked, own, response, "", origin, 0.001))


def review(obj: object) -> AdmissionRequest:
    """As it comes in: its objects are text."""
    return parse_review(orjson.dumps({"request": request(obj or {"kind": "Pod"}).payload | {"object": obj}}))  # type: ignore[arg-type]


def watching(asked: dict[str, Any], act: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """What was shown, and how it ended; `act` runs once somebody watches."""
    shown: list[dict[str, Any]] = []
    ended: list[dict[str, Any]] = []
    watch = ReviewWatch()

    async def send(event: dict[str, Any]) -> None:
        shown.append(event["review"])

    async def look() -> None:
        ended.append(await watch.watch({"policy": "p"} | asked, send, ["p", "q"]))

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(look)
            await trio.testing.wait_all_tasks_blocked()
            act(watch)
        evaluate(watch)

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    return shown, ended[0]


def test_reviews_of_one_policy_are_shown_until_there_were_enough():
    def act(watch: ReviewWatch) -> None:
        evaluate(watch, "q")
        evaluate(watch, origin="audit")
        evaluate(watch)
        evaluate(watch, allowed=False)

    shown, ended = watching({"count": 2}, act)
    assert [entry["verdict"] for entry in shown] == ["mutated", "rejected"]
    assert shown[0]["request"]["name"] == "web"
    assert shown[0]["own"]["patch"] == [{"op": "add", "path": "/a", "value": 1}]
    assert "patch" not in shown[0]["response"]
    assert ended == {"shown": 2, "missed": 0}


def test_only_rejections_and_only_for_a_while():
    shown, ended = watching({"rejected": True, "seconds": 60}, lambda watch: [evaluate(watch), evaluate(watch, "q")])
    assert shown == [] and ended == {"shown": 0, "missed": 0}


def test_who_reads_slowly_misses_reviews_and_is_told():
    def act(watch: ReviewWatch) -> None:
        for _ in range(1 + QUEUE + 5):  # the first goes straight to who waits for it
            evaluate(watch)

    shown, ended = watching({"seconds": 1}, act)
    assert len(shown) == QUEUE + 1 and ended == {"shown": QUEUE + 1, "missed": 5}


def test_large_objects_and_patches_are_not_shown():
    """As values they may take forty times as much as they have bytes."""
    large = review({"kind": "Secret", "data": {"k": "v"}, "more": [[]] * 60_000})
    assert large.decoded_size() > MOST_SHOWN

    def act(watch: ReviewWatch) -> None:
        evaluate(watch, asked=large, value="secret")
        evaluate(watch, asked=review({"kind": "Pod"}), value="x" * 70_000)

    shown, _ = watching({"seconds": 1}, act)
    assert shown[0]["request"]["object"] == TOO_LARGE and shown[0]["request"]["kind"]["kind"] == "Pod"
    assert shown[0]["own"]["patch"] == [{"op": "add", "path": "/a", "value": HIDDEN}]
    assert shown[1]["request"]["object"] == {"kind": "Pod"}
    assert shown[1]["own"]["patch"] == [{"op": "add", "path": "/a", "value": HIDDEN}]


def test_what_waits_for_a_watcher_is_bounded_in_bytes():
    asked = review({"more": [[]] * 30_000})
    fits = MOST_WAITING // asked.decoded_size()
    assert 1 < fits < 6

    def act(watch: ReviewWatch) -> None:
        for _ in range(8):
            evaluate(watch, asked=asked)

    shown, ended = watching({"seconds": 1}, act)
    assert ended == {"shown": fits, "missed": 8 - fits}
    assert all(len(entry["request"]["object"]["more"]) == 30_000 for entry in shown)


@pytest.mark.parametrize("wrong", [{"policy": "r"}, {"count": -1}, {"count": "2"}, {"seconds": 0}])
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any]):
    with pytest.raises(ConfigError):
        trio.run(ReviewWatch().watch, {"policy": "p"} | wrong, None, ["p"])


def test_not_everybody_may_watch():
    async def main() -> None:
        watch = ReviewWatch()
        async with trio.open_nursery() as nursery:
            for _ in range(MOST_WATCHERS):
                nursery.start_soon(watch.watch, {"policy": "p"}, None, ["p"])
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(ConfigError, match="others are watching already"):
                await watch.watch({"policy": "p"}, None, ["p"])  # type: ignore[arg-type]
            nursery.cancel_scope.cancel()
        assert not watch._watchers

    trio.run(main)
