"""Reviews of the custom resources themselves, under kubewarden-controller's paths."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import trio

from edged.admission.endpoint.review_requests import (
    FAILED,
    ONLY_POST,
    answer_within,
    check_content_type,
    problem,
    refused,
)
from edged.admission.host.admission import PATIENCE_S
from edged.admission.resources.resource_reviews import ResourceReviews
from edged.admission.rules.review import BadReview, parse_review
from edged.http.connection import Handler
from edged.http.messages import Request, Response
from edged.process.boundary import boundary
from edged.telemetry.logs import Logger


class ObjectReviews:
    """Hands reviews of policies, groups and PolicyServers to `ResourceReviews`."""

    def __init__(self, reviews: ResourceReviews, log: Logger) -> None:
        self._reviews = reviews
        self._log = log

    def routes(self) -> Mapping[str, Handler]:
        return {path: partial(self._answer, path) for path in self._reviews.paths}

    async def _answer(self, path: str, request: Request) -> Response:
        if request.method != "POST":
            return ONLY_POST
        with boundary(self._log, "review", path):
            try:
                check_content_type(request)
                review = parse_review(request.body)
                request.body = b""  # while it waits for memory, its objects are there once, not twice
                review.answer_by = (request.arrived or trio.current_time()) + answer_within(request.query, PATIENCE_S)
                return Response(200, await self._reviews.answer(path, review))
            except BadReview as error:
                return refused(error)
        return problem(500, FAILED)
