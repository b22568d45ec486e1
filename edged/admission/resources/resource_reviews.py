"""Answers the API server's questions about the custom resources themselves: defaults, and what is refused.

admission/endpoint/object_reviews.py hands over bodies by path. What is wrong with an object is
admission/resources/validation.py's to say; whether its CEL compiles is asked of a child process.
"""

from __future__ import annotations

from typing import Any

from edged.admission.endpoint.cel_check import CelChecker, CelUnavailable
from edged.admission.resources import reviews, validation
from edged.admission.resources.kinds import KINDS
from edged.admission.rules import verdict
from edged.admission.rules.review import AdmissionRequest, AdmissionResponse, BadReview, parse_review, review_body
from edged.http.budget import MemoryBudget, OverBudget
from edged.process.boundary import boundary
from edged.telemetry.logs import Logger


class ResourceReviews:
    """`server_name`: whose objects get the finalizer."""

    paths = frozenset(reviews.PATHS)

    def __init__(self, server_name: str, log: Logger, memory: MemoryBudget) -> None:
        """`memory`: what decoded objects wait for."""
        self._server_name = server_name
        self._log = log
        self._memory = memory
        self._cel = CelChecker()

    async def answer(self, path: str, body: bytes) -> bytes:
        """The AdmissionReview to answer with. Raises BadReview."""
        request = parse_review(body)
        try:
            with await self._memory.reserve(request.decoded_size()):
                return await self._answer(path, request)
        except OverBudget as error:
            return review_body(verdict.plain_rejection(request.uid, 422, f"the object is too large as values: {error}"))

    async def _answer(self, path: str, request: AdmissionRequest) -> bytes:
        kind, mutates = reviews.PATHS[path]
        obj = request.object
        if not isinstance(obj, dict) or not isinstance(obj.get("metadata"), dict):
            return review_body(AdmissionResponse(request.uid, True))  # a deletion: nothing to say
        if obj.get("kind") not in KINDS or KINDS[obj["kind"]] is not kind:
            raise BadReview(422, f"{path} is not for {obj.get('kind')}")
        with boundary(self._log, "review", path) as unit:
            if mutates:
                response = AdmissionResponse(request.uid, True, patch=reviews.defaults(obj, self._server_name))
            else:
                response = await self._validated(request, obj)
            return review_body(response)
        assert unit.error is not None
        return review_body(verdict.internal_rejection(request.uid, verdict.unexpected(unit.error)))

    async def _validated(self, request: AdmissionRequest, obj: dict[str, Any]) -> AdmissionResponse:
        old = request.payload.get("oldObject")
        if isinstance(old, dict) and _is_same(old.get("spec"), obj.get("spec")):
            # Only its metadata changes: a label, or a finalizer that edged itself writes or takes away.
            return AdmissionResponse(request.uid, True)
        warnings = validation.warnings(obj)
        try:
            problems = await self._cel.problems(validation.expressions(obj))
        except CelUnavailable as error:
            problems = {}
            warnings.append(str(error))
        findings = validation.validate(obj, old if isinstance(old, dict) else None, problems)
        response = AdmissionResponse(request.uid, not findings, warnings=warnings or None)
        if findings:
            response.status = reviews.rejection(obj, findings)
        self._log.info(
            "custom resource reviewed", uid=request.uid, kind=obj["kind"], name=obj["metadata"].get("name", ""),
            namespace=obj["metadata"].get("namespace", ""), allowed=response.allowed,
        )  # fmt: skip
        return response


def _is_same(old: object, new: object) -> bool:
    """Whether a spec did not change. One that is too deep to compare counts as changed."""
    try:
        return old == new
    except RecursionError:
        return False
