"""What the handlers of reviews have in common: JSON bodies by POST, how long callers wait, and the shape of errors.

Status codes and bodies are policy-server's: a denial is HTTP 200; only unknown policies and bodies that are no review
are HTTP errors.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qs

from edged.admission.host.admission import PATIENCE_S
from edged.admission.rules.review import BadReview
from edged.http.messages import Request, Response
from edged.json_text import dumps

ONLY_POST = Response(405, headers=(("allow", "POST"),))
FAILED = "Something went wrong"
"""As edged/http/connection.py answers what a handler raises."""
_DURATION = re.compile(r"(?:([0-9]{1,2})m)?([0-9]{1,3}(?:\.[0-9]{1,9})?)s")


def check_content_type(request: Request) -> None:
    """Raises BadReview for a body that does not call itself JSON."""
    value = (request.header("content-type") or "").partition(";")[0].strip().lower()
    if value != "application/json" and not (value.startswith("application/") and value.endswith("+json")):
        raise BadReview(415, "Expected request with `Content-Type: application/json`")


def waits_s(query: str, timeout_s: float) -> float:
    """For how many seconds whoever sent this query waits; `timeout_s` where it does not say it. The API server says its
    webhook's timeoutSeconds, or what is left of its own time, in whole seconds."""
    stated = _DURATION.fullmatch(parse_qs(query).get("timeout", [""])[-1]) if query else None
    if stated is not None:
        timeout_s = int(stated[1] or 0) * 60 + float(stated[2]) or timeout_s
    return min(timeout_s, PATIENCE_S)


def answer_within(query: str, timeout_s: float) -> float:
    """Seconds after which an answer would come too late for whoever sent this query, less the time that it takes on its
    way."""
    timeout_s = waits_s(query, timeout_s)
    return timeout_s - min(max(timeout_s / 10, 0.1), 1.0)


def problem(status: int, message: str) -> Response:
    """An HTTP error with a JSON body."""
    return Response(status, dumps({"message": message, "status": status}))


def refused(error: BadReview) -> Response:
    return problem(error.status, str(error))


def plainly_refused(error: BadReview) -> Response:
    return Response(error.status, str(error).encode(), "text/plain; charset=utf-8")
