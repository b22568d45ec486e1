"""What the handlers of reviews have in common: JSON bodies by POST, and the shape of their errors.

Status codes and bodies are policy-server's: a denial is HTTP 200; only unknown policies and bodies that are no review
are HTTP errors.
"""

from __future__ import annotations

from edged.admission.rules.review import BadReview
from edged.http.messages import Request, Response
from edged.json_text import dumps

ONLY_POST = Response(405, headers=(("allow", "POST"),))
FAILED = "Something went wrong"
"""As edged/http/connection.py answers what a handler raises."""


def check_content_type(request: Request) -> None:
    """Raises BadReview for a body that does not call itself JSON."""
    value = (request.header("content-type") or "").partition(";")[0].strip().lower()
    if value != "application/json" and not (value.startswith("application/") and value.endswith("+json")):
        raise BadReview(415, "Expected request with `Content-Type: application/json`")


def problem(status: int, message: str) -> Response:
    """An HTTP error with a JSON body."""
    return Response(status, dumps({"message": message, "status": status}))


def refused(error: BadReview) -> Response:
    return problem(error.status, str(error))


def plainly_refused(error: BadReview) -> Response:
    return Response(error.status, str(error).encode(), "text/plain; charset=utf-8")
