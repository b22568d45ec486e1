"""A guest's reply, or its failure, made into the answer that the API server gets. Pure.

Codes and texts are those of Kubewarden's policy-server 1.36, which clients and dashboards match on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from edged.admission.rules import jsonpatch, mutations
from edged.admission.rules.mutations import BadMutation, BadReply, MutationOfNothing
from edged.admission.rules.review import AdmissionRequest, AdmissionResponse
from edged.errors import EdgedError
from edged.json_parts import SHORT, decoded_size
from edged.json_text import JsonError, dumps, loads

TIMED_OUT = "Policy execution interrupted because it exceeded the allowed execution time"
MOST_DECODED_REPLY = 128 << 20
"""Bytes of memory that a reply, and the object that it changes, may take until the answer is made. Objects that an API
server accepts take less, unless they are made to take much. Nobody else does anything in that moment."""


def internal_rejection(uid: str, detail: str) -> AdmissionResponse:
    """The policy itself failed."""
    return plain_rejection(uid, 500, f"internal server error: {detail}")


def rejected_by(uid: str, policy: str, reason: str) -> AdmissionResponse:
    """A rejection that names the policy, in policy-server's words, where it is not the policy's own verdict."""
    return plain_rejection(uid, 500, f"Request rejected by policy {policy}. {reason}")


def unexpected(error: Exception) -> str:
    """Why a policy cannot answer, where something failed that nobody handled. An error that edged raised on purpose
    speaks for itself. Another one is only named, for its text may quote an object; the log has the rest."""
    return str(error) if isinstance(error, EdgedError) else f"internal error of edged: {type(error).__name__}"


def plain_rejection(uid: str, code: int, message: str) -> AdmissionResponse:
    return AdmissionResponse(uid, False, status={"message": message, "code": code})


def check_size(size: int, what: str) -> None:
    """Raise BadReply for what would take too much memory as values."""
    if size > MOST_DECODED_REPLY:
        most, needed = MOST_DECODED_REPLY >> 20, -(-size >> 20)
        raise BadReply(f"the policy's {what} would take {needed} MiB of memory to be read (at most {most})")


def _parse(reply: bytes) -> dict[str, Any]:
    if len(reply) > SHORT:
        check_size(decoded_size(reply), "reply")
    try:
        data = loads(reply)
    except JsonError as error:
        raise BadReply(f"the policy's reply is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise BadReply("the policy's reply is not a JSON object")
    return data


def _optional(data: Mapping[str, object], key: str, kind: type) -> Any:
    value = data.get(key)
    if value is not None and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
        raise BadReply(f"the policy's reply: {key} has the wrong type")
    return value


def _texts(data: Mapping[str, object], key: str, kind: type) -> Any:
    value = _optional(data, key, kind)
    parts = value.values() if isinstance(value, dict) else value or ()
    if not all(isinstance(part, str) for part in parts):
        raise BadReply(f"the policy's reply: {key} holds something that is not a string")
    return value


def from_reply(request: AdmissionRequest, reply: bytes) -> AdmissionResponse:
    """What a `validate` reply says. Raises BadReply, and BadMutation for an allowed request."""
    data = _parse(reply)
    if not isinstance(data.get("accepted"), bool):
        raise BadReply("the policy's reply lacks the boolean `accepted`")
    message, code = _optional(data, "message", str), _optional(data, "code", int)
    if code is not None and not 0 <= code <= 65535:
        raise BadReply(f"the policy's reply: code {code} is out of range")
    warnings = _texts(data, "warnings", list)
    annotations = _texts(data, "audit_annotations", dict)
    mutated = data.get("mutated_object")
    patch = None
    if mutated is not None and not request.has_object:
        if data["accepted"]:
            raise MutationOfNothing
    elif mutated is not None:
        if size := request.decoded_size("object"):
            check_size(size + decoded_size(reply), "mutated_object with the object")
        old = request.object
        patch = jsonpatch.diff(old, mutated) or None
        if not data["accepted"]:
            patch = patch if _is_writable(patch) else None
        else:
            check_depth(patch, "mutated_object")
            if not request.raw:
                mutations.check_object(old, mutated)
    status: dict[str, Any] = {}
    if message is not None:
        status["message"] = message
    if code is not None:
        status["code"] = code
    return AdmissionResponse(request.uid, data["accepted"], patch, status or None, warnings, annotations)


def _is_writable(value: object) -> bool:
    try:
        dumps(value)
    except JsonError:
        return False
    return True


def check_depth(value: object, what: str) -> None:
    """Raise BadMutation for what can be read but not written again."""
    try:
        dumps(value)
    except JsonError as error:
        raise BadMutation(f"The policy's {what} is nested too deeply.") from error


def settings_problem(reply: bytes) -> str | None:
    """Why a `validate_settings` reply says the settings are invalid; None when they are valid."""
    try:
        data = _parse(reply)
        valid, message = data.get("valid"), _optional(data, "message", str)
    except BadReply as error:
        return str(error)
    if not isinstance(valid, bool):
        return "the policy's reply lacks the boolean `valid`"
    return None if valid else (message or "no reason given")


def constrain(
    response: AdmissionResponse, *, policy: str, monitor: bool, allowed_to_mutate: bool, message: str
) -> AdmissionResponse:
    """What configuration makes of the policy's own answer: monitor mode, mutation, custom message, in this order."""
    if monitor:
        return AdmissionResponse(
            response.uid, True, warnings=response.warnings, audit_annotations=response.audit_annotations
        )
    if response.patch and not allowed_to_mutate:
        text = (
            f"Request rejected by policy {policy}. The policy attempted to mutate the request, "
            "but it is currently configured to not allow mutations."
        )
        response = AdmissionResponse(
            response.uid, False, None, {"message": text}, response.warnings, response.audit_annotations
        )
    if message and not response.allowed:
        status = dict(response.status or {})
        details = dict(status.get("details") or {})
        cause = {"reason": None, "message": status.get("message", ""), "field": None}
        details["causes"] = [*details.get("causes", []), cause]
        response = replace(response, status={**status, "message": message, "details": details})
    return response
