"""How long a review may take: what the API server says, and a little less."""

from __future__ import annotations

import math
from typing import Any

import pytest
import trio

from edged.admission.endpoint.policy_reviews import PolicyReviews
from edged.admission.endpoint.review_requests import answer_within
from edged.admission.resources.resource_reviews import ResourceReviews
from edged.admission.rules.review import AdmissionRequest, AdmissionResponse
from edged.http.messages import Peer, Request
from edged.telemetry.logs import Logger, LogStyle
from tests.cluster.edged import pod, review_of


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("timeout=3s", 2.7),
        ("timeout=30s", 29.0),
        ("timeout=1s", 0.9),
        ("timeout=0m10s", 9.0),
        ("timeout=2.5s", 2.25),
        ("timeout=5s&dryRun=All", 4.5),
        ("", 6.3),
        ("dryRun=All", 6.3),
        ("timeout=", 6.3),
        ("timeout=0s", 6.3),
        ("timeout=soon", 6.3),
        ("timeout=-3s", 6.3),
        ("timeout=99999999999999999999s", 6.3),
        ("timeout=1m0s", 29.0),
        ("timeout=%00", 6.3),
    ],
)
def test_an_answer_is_due_before_the_api_server_gives_up(query: str, expected: float) -> None:
    assert answer_within(query, 7.0) == pytest.approx(expected)


class Asked:
    """Stands in for Admission: remembers until when each review may take."""

    def __init__(self) -> None:
        self.answer_by: list[float] = []

    def find(self, name: str) -> None:
        pass

    async def review(self, name: str, request: AdmissionRequest, *, audit: bool) -> AdmissionResponse:
        self.answer_by.append(request.answer_by)
        return AdmissionResponse(request.uid, True)


@pytest.mark.parametrize(
    ("target", "expected"),
    [(b"/validate/p?timeout=10s", 109.0), (b"/validate/p", 106.3), (b"/audit/p?timeout=2s", 101.8)],
)
def test_the_time_counts_from_the_arrival(target: bytes, expected: float) -> None:
    asked = Asked()
    admission: Any = asked
    reviews = PolicyReviews(admission, Logger(LogStyle(), write=lambda line: None), 7.0)
    headers = [(b"content-type", b"application/json")]
    request = Request("POST", target, "1.1", headers, review_of(pod("x")), True, Peer("a"))
    request.arrived = 100.0
    handler = reviews.routes()[target[: target.index(b"/", 1) + 1].decode()]
    assert trio.run(handler, request).status == 200
    assert asked.answer_by == [pytest.approx(expected)]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (b"/validate/p?timeout=10s", 9.0),
        (b"/validate_raw/p?timeout=10s", 9.0),
        (b"/audit/p?timeout=10s", 9.0),
        *((path.encode() + b"?timeout=10s", math.inf) for path in sorted(ResourceReviews.paths)),
        (b"/elsewhere?timeout=10s", math.inf),
    ],
)
def test_only_a_policys_review_is_answered_without_a_turn(target: bytes, expected: float) -> None:
    """The handler of another one does not only say that it is late."""
    request = Request("POST", target, "1.1", [], b"", True, Peer("127.0.0.1"))
    anything: Any = None
    assert PolicyReviews(anything, Logger(write=lambda line: None)).patience(request) == expected
