"""Paths of the admission listener: `/validate/NAME`, `/validate_raw/NAME`, `/audit/NAME` (Kubewarden's), and those
where custom resources are reviewed.

Status codes and bodies are policy-server's: a denial is HTTP 200; only unknown policies and bodies that are no
review are HTTP errors.
"""

from __future__ import annotations

from urllib.parse import unquote

import orjson

from edged.admission.host.admission import Admission, UnknownPolicy
from edged.admission.resources.resource_reviews import ResourceReviews
from edged.admission.rules.review import BadReview, parse_raw, parse_review, raw_body, review_body
from edged.http.messages import Request, Response

_ENDPOINTS = ("validate", "audit", "validate_raw")


class Routes:
    """The handler of the admission listener."""

    def __init__(self, admission: Admission, resources: ResourceReviews | None = None) -> None:
        self._admission = admission
        self._resources = resources

    async def __call__(self, request: Request) -> Response:
        if self._resources is not None and request.raw_path.partition("?")[0] in self._resources.paths:
            return await self._review_resource(request, self._resources)
        parts = request.raw_path.split("/")
        if len(parts) != 3 or parts[0] or parts[1] not in _ENDPOINTS or not parts[2]:
            return Response(404)
        endpoint, name = parts[1], unquote(parts[2])
        if request.method != "POST":
            return Response(405, headers=(("allow", "POST"),))
        try:
            self._admission.find(name)
            _check_content_type(request)
            if endpoint == "validate_raw":
                response = await self._admission.review(name, parse_raw(request.body))
                return Response(200, raw_body(response))
            response = await self._admission.review(
                name, parse_review(request.body), audit=endpoint == "audit"
            )
            return Response(200, review_body(response))
        except UnknownPolicy:
            return _problem(404, f"unknown policy: {name}")
        except BadReview as error:
            if endpoint == "validate":
                return _problem(error.status, str(error))
            return Response(error.status, str(error).encode(), "text/plain; charset=utf-8")

    async def _review_resource(self, request: Request, resources: ResourceReviews) -> Response:
        if request.method != "POST":
            return Response(405, headers=(("allow", "POST"),))
        try:
            _check_content_type(request)
            return Response(200, await resources.answer(request.raw_path.partition("?")[0], request.body))
        except BadReview as error:
            return _problem(error.status, str(error))


def _check_content_type(request: Request) -> None:
    value = (request.header("content-type") or "").partition(";")[0].strip().lower()
    if value != "application/json" and not (value.startswith("application/") and value.endswith("+json")):
        # policy-server's own words.
        raise BadReview(415, "Expected request with `Content-Type: application/json`")


def _problem(status: int, message: str) -> Response:
    return Response(status, orjson.dumps({"message": message, "status": status}))
