"""Answers the API server's questions about the custom resources themselves: defaults, and what is refused.

admission/endpoint/object_reviews.py hands over reviews by path. What is wrong with an object is
admission/resources/validation.py's to say; whether its CEL compiles is asked of a child process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import trio

from edged.admission.endpoint.cel_check import CelChecker, CelUnavailable
from edged.admission.resources import reviews, validation
from edged.admission.resources.kinds import KINDS
from edged.admission.rules import verdict
from edged.admission.rules.review import AdmissionRequest, AdmissionResponse, BadReview, review_body
from edged.http.budget import MemoryBudget, OverBudget
from edged.process.boundary import boundary
from edged.telemetry.logs import Logger

SMALL = 4 << 20
"""Bytes of decoded objects that wait for no memory. They are there for one call of a function, so for one review at a
time."""
TOO_LATE = "the object was not reviewed within the webhook's timeout: edged is busy with other large objects; try again"
_NOTHING: AbstractContextManager[object] = nullcontext()


class ResourceReviews:
    """`server_name`: whose objects get the finalizer. `include_system`: whether cluster policies see nodes, too.
    `static`: whether webhooks are in manifests, not objects."""

    paths = frozenset(reviews.PATHS)

    def __init__(
        self, server_name: str, log: Logger, memory: MemoryBudget, *, include_system: bool = False, static: bool = False
    ) -> None:
        """`memory`: what decoded objects wait for."""
        self._include_system = include_system
        self._static = static
        self._server_name = server_name
        self._log = log
        self._memory = memory
        self._cel = CelChecker()

    async def answer(self, path: str, request: AdmissionRequest) -> bytes:
        """The AdmissionReview to answer with, not after `request.answer_by`. Raises BadReview."""
        misplaced = None
        with boundary(self._log, "review", path) as unit:
            try:
                return await self._in_time(path, request)
            except OverBudget as error:
                text = f"the object is too large as values: {error}"
                return review_body(verdict.plain_rejection(request.uid, 422, text))
            except BadReview as error:
                misplaced = error
        if misplaced is not None:
            raise misplaced
        assert unit.error is not None
        return review_body(verdict.internal_rejection(request.uid, verdict.unexpected(unit.error)))

    async def _in_time(self, path: str, request: AdmissionRequest) -> bytes:
        if trio.current_time() < request.answer_by:
            with trio.move_on_at(request.answer_by):
                return await self._answer(path, request)
        self._log.warning("custom resource not reviewed in time", uid=request.uid, path=path)
        return review_body(verdict.plain_rejection(request.uid, 500, TOO_LATE))

    async def _answer(self, path: str, request: AdmissionRequest) -> bytes:
        """Objects are values only while memory is reserved for them, and that is not while a child is asked."""
        keys = ("object",) if reviews.PATHS[path][1] else ("object", "oldObject")
        with await self._room(request, keys):
            begun = self._begin(path, request)
        if isinstance(begun, bytes):
            return begun
        problems: Mapping[str, str] = {}
        unchecked = ""
        try:
            problems = await self._cel.problems(begun)
        except CelUnavailable as error:
            unchecked = str(error)
        with await self._room(request, keys):
            return self._judged(request, request.object, request.value("oldObject"), problems, unchecked)

    async def _room(self, request: AdmissionRequest, keys: Sequence[str]) -> AbstractContextManager[object]:
        """Memory for these objects as values. Raises OverBudget."""
        size = sum(map(request.decoded_size, keys))
        return _NOTHING if size <= SMALL else await self._memory.reserve(size)

    def _begin(self, path: str, request: AdmissionRequest) -> bytes | list[str]:
        """The answer, or the CEL expressions without which there is none. Raises BadReview."""
        kind, mutates = reviews.PATHS[path]
        obj = request.object
        if not isinstance(obj, dict) or not isinstance(obj.get("metadata"), dict):
            return review_body(AdmissionResponse(request.uid, True))  # a deletion: nothing to say
        if obj.get("kind") not in KINDS or KINDS[obj["kind"]] is not kind:
            raise BadReview(422, f"{path} is not for {obj.get('kind')}")
        if mutates:
            return review_body(AdmissionResponse(request.uid, True, patch=reviews.defaults(obj, self._server_name)))
        old = request.value("oldObject")
        if isinstance(old, dict) and _is_same(old.get("spec"), obj.get("spec")):
            # Only its metadata changes: a label, or a finalizer that edged itself writes or takes away.
            return review_body(AdmissionResponse(request.uid, True))
        return validation.expressions(obj) or self._judged(request, obj, old, {}, "")

    def _judged(
        self, request: AdmissionRequest, obj: dict[str, Any], old: object, problems: Mapping[str, str], unchecked: str
    ) -> bytes:
        """`problems`: of its CEL expressions; `unchecked`: why they are not known, or ""."""
        warnings = validation.warnings(obj, include_system=self._include_system, static=self._static)
        warnings += [unchecked] if unchecked else []
        findings = validation.validate(obj, old if isinstance(old, dict) else None, problems)
        response = AdmissionResponse(request.uid, not findings, warnings=warnings or None)
        if findings:
            response.status = reviews.rejection(obj, findings)
        self._log.info(
            "custom resource reviewed", uid=request.uid, kind=obj["kind"], name=obj["metadata"].get("name", ""),
            namespace=obj["metadata"].get("namespace", ""), allowed=response.allowed,
        )  # fmt: skip
        return review_body(response)


def _is_same(old: object, new: object) -> bool:
    """Whether a spec did not change. One that is too deep to compare counts as changed."""
    try:
        return old == new
    except RecursionError:
        return False
