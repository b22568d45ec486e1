"""When a review counts as wrong, late or lost, on a stand-in for the daemon that answers as it is told."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from typing import Any, cast

import pytest

from tests.cluster.edged import Edged, pod
from tests.fire.reviews import Question, Reviews, privileged_questions
from tests.fire.rows import Tally

DENIED = {"allowed": False, "status": {"code": 400, "message": "Pod x is privileged"}}


@pytest.mark.parametrize(
    ("allowed", "code", "says", "right"),
    [
        (False, None, "", True),
        (False, 400, "privileged", True),
        (None, None, "", True),
        (True, None, "", False),
        (False, 500, "", False),
        (False, None, "another reason", False),
    ],
)
def test_a_verdict_is_compared_with_the_right_one(allowed: bool, code: int | None, says: str, right: bool) -> None:
    assert (Question("p", pod("x"), allowed, code, says).wrong(DENIED) == "") is right


class Daemon:
    """Answers from a list, over and over; an exception in it is raised."""

    def __init__(self, *answers: object) -> None:
        self.answers = answers
        self.asked = 0

    def connect(self, **_: object) -> http.client.HTTPSConnection:
        return cast(http.client.HTTPSConnection, Connection())

    def review(self, name: str, obj: Mapping[str, Any], *, connection: Any) -> object:
        connection.sock = self
        answer = self.answers[self.asked % len(self.answers)]
        self.asked += 1
        if isinstance(answer, Exception):
            raise answer
        return answer


class Connection:
    """Not connected until it was used once."""

    def __init__(self) -> None:
        self.sock: object = None

    def close(self) -> None:
        self.sock = None


def load(*answers: object, **settings: Any) -> Tally:
    tally = Tally()
    daemon = Daemon(*answers)
    reviews = Reviews(cast(Edged, daemon), tally, privileged_questions()[:1], threads=1, **settings)
    with reviews:
        while daemon.asked < 10:
            pass
    return tally


def test_right_answers_count_as_asked_only() -> None:
    tally = load(DENIED)
    assert tally.asked >= 10 and (tally.lost.count, tally.wrong.count, tally.late.count) == (0, 0, 0)


def test_wrong_and_late_answers_are_counted() -> None:
    assert load({"allowed": True}).wrong.count >= 10
    assert load(DENIED, late_s=-1.0).late.count >= 10


def test_a_kept_connection_that_broke_is_tried_once_more() -> None:
    assert load(DENIED, ConnectionResetError(), DENIED).lost.count == 0
    assert load(ConnectionResetError()).lost.count >= 5, "a new connection that breaks is a review lost"
