"""Reviews by several policies at once: `/shared/KEY`, the path of a webhook that policies share.

The body is read once. Members that the request does not concern say nothing. One that is not there, because after a
restart it is not known yet which custom resources there are, refuses, unless its failurePolicy is Ignore. All others
are asked together, until four fifths of the time that the API server waits: so a member that has no answer then is that
member's failure, and the verdicts of the others arrive.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import unquote

import trio

from edged.admission.endpoint.review_requests import (
    FAILED,
    ONLY_POST,
    answer_within,
    check_content_type,
    problem,
    refused,
    waits_s,
)
from edged.admission.host.admission import PATIENCE_S, Admission
from edged.admission.host.asked_together import ask_together
from edged.admission.rules import verdict
from edged.admission.rules.concerns import concerns, subject_of
from edged.admission.rules.review import BadReview, parse_review, review_body
from edged.admission.rules.shared_answer import join
from edged.admission.rules.webhooks import WebhookSpec
from edged.http.connection import Handler
from edged.http.messages import Request, Response
from edged.process.boundary import boundary
from edged.telemetry.logs import Logger

PATH = "/shared/"
SHARE = 0.8
"""Of the time that the API server waits, what members have for their answers."""

NOT_THERE = "this policy is not loaded yet"

Members = Callable[[str], Sequence[WebhookSpec] | None]
"""Of the webhook with a key, in the order in which they answer, as webhooks.problem takes them. None: there is no such
webhook. Empty: its last member is gone, and the API server may not know it yet."""


class SharedReviews:
    """Hands reviews to the members of the webhook that their path names. `timeout_s`: how long callers wait that do not
    say it. `include_system`: whether policies see the system's resources."""

    def __init__(
        self,
        admission: Admission,
        log: Logger,
        members: Members,
        timeout_s: float = PATIENCE_S,
        *,
        include_system: bool = False,
    ) -> None:
        self._admission = admission
        self._log = log
        self._members = members
        self._timeout_s = timeout_s
        self._include_system = include_system

    def routes(self) -> Mapping[str, Handler]:
        return {PATH: self._answer}

    def patience(self, request: Request) -> float:
        """For how many seconds after its arrival a request waits for its turn: as PolicyReviews.patience."""
        return SHARE * waits_s(request.query, self._timeout_s) if request.raw_path.startswith(PATH) else math.inf

    async def _answer(self, request: Request) -> Response:
        segments = request.raw_path.split("/")
        if len(segments) != 3 or not segments[2]:
            return Response(404)
        if request.method != "POST":
            return ONLY_POST
        with boundary(self._log, "review", request.raw_path):
            try:
                return await self._review(unquote(segments[2]), request)
            except BadReview as error:
                return refused(error)
        return problem(500, FAILED)

    async def _review(self, key: str, request: Request) -> Response:
        members = self._members(key)
        if members is None:
            return problem(404, f"unknown shared webhook: {key}")
        check_content_type(request)
        review = parse_review(request.body)
        request.body = b""  # while the policies are asked, its objects are there once, not twice
        arrived = request.arrived or trio.current_time()
        review.answer_by = arrived + self.patience(request)
        until = arrived + answer_within(request.query, self._timeout_s)
        subject, served = subject_of(review), self._admission.policies
        asked = [spec for spec in members if concerns(spec, subject, include_system=self._include_system)]
        policies = [served[spec.name] for spec in asked if spec.name in served]
        answers = await ask_together(self._admission, policies, review, until)
        answers += [(spec.name, verdict.plain_rejection(review.uid, 500, NOT_THERE))
                    for spec in asked if spec.name not in served and not _may_be_left_out(spec)]
        return Response(200, review_body(join(review.uid, answers)))


def _may_be_left_out(spec: WebhookSpec) -> bool:
    """As the API server does with a webhook that fails."""
    return spec.monitor or spec.failure_policy == "Ignore"
