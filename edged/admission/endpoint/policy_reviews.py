"""Reviews by policies: `/validate/NAME`, `/validate_raw/NAME` and `/audit/NAME`, which are Kubewarden's paths.

The API server says in each request how long it waits (`?timeout=10s`, the webhook's timeoutSeconds). A policy that has
no verdict by then answers its own 500 a moment before: a timeout of the API server would not say whose it was.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from urllib.parse import unquote

import trio

from edged.admission.endpoint.review_requests import (
    FAILED,
    ONLY_POST,
    answer_within,
    check_content_type,
    plainly_refused,
    problem,
    refused,
)
from edged.admission.host.admission import PATIENCE_S, Admission, UnknownPolicy
from edged.admission.rules.review import (
    AdmissionRequest,
    AdmissionResponse,
    BadReview,
    parse_raw,
    parse_review,
    raw_body,
    review_body,
)
from edged.http.connection import Handler
from edged.http.messages import Request, Response
from edged.process.boundary import boundary
from edged.records import dataclass
from edged.telemetry.logs import Logger


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """How one of the paths reads a review, writes the answer, and refuses what is no review."""

    parse: Callable[[bytes], AdmissionRequest]
    render: Callable[[AdmissionResponse], bytes]
    refuse: Callable[[BadReview], Response]
    audit: bool = False


ENDPOINTS: Mapping[str, _Endpoint] = {
    "/validate/": _Endpoint(parse_review, review_body, refused),
    "/validate_raw/": _Endpoint(parse_raw, raw_body, plainly_refused),
    "/audit/": _Endpoint(parse_review, review_body, plainly_refused, audit=True),
}


_PATHS = tuple(ENDPOINTS)


class PolicyReviews:
    """Hands reviews to the policy that their path names. `timeout_s`: how long callers wait that do not say it."""

    def __init__(self, admission: Admission, log: Logger, timeout_s: float = PATIENCE_S) -> None:
        self._admission = admission
        self._log = log
        self._timeout_s = timeout_s

    def routes(self) -> Mapping[str, Handler]:
        return {path: partial(self._answer, endpoint) for path, endpoint in ENDPOINTS.items()}

    def patience(self, request: Request) -> float:
        """For how many seconds after its arrival a request waits for its turn. A policy's review whose time is over is
        answered without one, for it costs little. What else is asked takes one always: its handler works."""
        if not request.raw_path.startswith(_PATHS):
            return math.inf
        return answer_within(request.query, self._timeout_s)

    async def _answer(self, endpoint: _Endpoint, request: Request) -> Response:
        segments = request.raw_path.split("/")
        if len(segments) != 3 or not segments[2]:
            return Response(404)
        if request.method != "POST":
            return ONLY_POST
        name = unquote(segments[2])
        with boundary(self._log, "review", request.raw_path):
            try:
                return await self._review(name, endpoint, request)
            except UnknownPolicy:
                return problem(404, f"unknown policy: {name}")
            except BadReview as error:
                return endpoint.refuse(error)
        return problem(500, FAILED)

    async def _review(self, name: str, endpoint: _Endpoint, request: Request) -> Response:
        self._admission.find(name)
        check_content_type(request)
        review = endpoint.parse(request.body)
        request.body = b""  # while the policy is asked, its objects are there once, not twice
        review.answer_by = (request.arrived or trio.current_time()) + self.patience(request)
        return Response(200, endpoint.render(await self._admission.review(name, review, audit=endpoint.audit)))
