"""Paths of the admission listener: `/validate/NAME`, `/validate_raw/NAME`, `/audit/NAME` (Kubewarden's).

Status codes and bodies are policy-server's: a denial is HTTP 200; only unknown policies and bodies that are no
review are HTTP errors.
"""

from __future__ import annotations

from urllib.parse import unquote

import orjson

from edged.admission.review import BadReview, parse_raw, parse_review, raw_body, review_body
from edged.http1.messages import Request, Response
from edged.loops.admission import Admission, UnknownPolicy

_ENDPOINTS = ("validate", "audit", "validate_raw")


class Routes:
    """The handler of the admission listener."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission

    async def __call__(self, request: Request) -> Response:
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


def _check_content_type(request: Request) -> None:
    value = (request.header("content-type") or "").partition(";")[0].strip().lower()
    if value != "application/json" and not (value.startswith("application/") and value.endswith("+json")):
        raise BadReview(415, "Expected request with `Content-Type: application/json`")


def _problem(status: int, message: str) -> Response:
    return Response(status, orjson.dumps({"message": message, "status": status}))
