"""AdmissionReview bytes <-> what policies are asked and what they answer. Pure.

Requests are parsed into a fixed set of keys; unknown ones are dropped, null equals absent and is left out of what
guests see. Responses carry `auditAnnotations` and `warnings` always, null when there are none: that is what
Kubewarden's clients read. Errors about a body that cannot be read are policy-server's own words.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edged.errors import PeerError
from edged.json_text import JsonError, dumps, loads

_KIND_KEYS = ("group", "version", "kind")
_RESOURCE_KEYS = ("group", "version", "resource")
_OPTIONAL_TEXT = ("subResource", "requestSubResource", "name", "namespace")
_OPAQUE = ("object", "oldObject", "options")


class BadReview(PeerError):
    """The body is not an AdmissionReview. `status` is the HTTP status to answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(slots=True)
class AdmissionRequest:
    """One question. `payload` is what guests see under `request`; `object` is what a mutation is compared with."""

    uid: str
    payload: Any
    object: Any
    raw: bool = False
    _encoded: bytes | None = None

    def encode(self) -> bytes:
        """The payload as JSON, for guests. Raises BadReview for one that is nested too deeply to be written."""
        if self._encoded is None:
            try:
                self._encoded = dumps(self.payload)
            except JsonError as error:
                raise _wrong("nested too deeply") from error
        return self._encoded

    @property
    def kind(self) -> str:
        """Kind as the client sent it, for metrics."""
        found = (
            self.payload.get("requestKind") or self.payload.get("kind")
            if isinstance(self.payload, dict)
            else None
        )
        return str(found.get("kind", "")) if isinstance(found, dict) else ""

    def text(self, key: str) -> str:
        """A text field of the payload, "" where it is absent."""
        value = self.payload.get(key) if isinstance(self.payload, dict) else None
        return value if isinstance(value, str) else ""


@dataclass(slots=True)
class AdmissionResponse:
    """One answer. `patch` is an RFC 6902 list, `status` as in a Kubernetes Status."""

    uid: str
    allowed: bool
    patch: list[dict[str, Any]] | None = None
    status: dict[str, Any] | None = None
    warnings: list[str] | None = None
    audit_annotations: dict[str, str] | None = None

    def to_dict(self) -> dict[str, Any]:
        out: dict[str, Any] = {"uid": self.uid, "allowed": self.allowed}
        if self.patch:
            out["patchType"] = "JSONPatch"
            out["patch"] = base64.b64encode(dumps(self.patch)).decode()
        if self.status is not None:
            out["status"] = self.status
        out["auditAnnotations"] = self.audit_annotations
        out["warnings"] = self.warnings
        return out


def _load(body: bytes) -> Any:
    try:
        return loads(body)
    except JsonError as error:
        raise BadReview(400, f"Failed to parse the request body as JSON: {error}") from error


def _wrong(what: str) -> BadReview:
    return BadReview(422, f"Failed to deserialize the JSON body into the target type: {what}")


def parse_review(body: bytes) -> AdmissionRequest:
    """The request of an AdmissionReview (`admission.k8s.io/v1`). Raises BadReview."""
    document = _load(body)
    if not isinstance(document, dict):
        raise _wrong("the document is not an object")
    request = document.get("request")
    if not isinstance(request, dict):
        raise _wrong("missing field `request`" if request is None else "request: not an object")
    payload: dict[str, Any] = {
        "uid": _text(request, "uid"),
        "kind": _triple(request, "kind", _KIND_KEYS),
        "resource": _triple(request, "resource", _RESOURCE_KEYS),
    }
    for key, keys in (("requestKind", _KIND_KEYS), ("requestResource", _RESOURCE_KEYS)):
        if request.get(key) is not None:
            payload[key] = _triple(request, key, keys)
    for key in _OPTIONAL_TEXT:
        if request.get(key) is not None:
            payload[key] = _text(request, key)
    payload["operation"] = _text(request, "operation")
    payload["userInfo"] = _user(request.get("userInfo"))
    if request.get("dryRun") is not None:
        if not isinstance(request["dryRun"], bool):
            raise _wrong("request.dryRun: not a boolean")
        payload["dryRun"] = request["dryRun"]
    for key in _OPAQUE:
        if request.get(key) is not None:
            payload[key] = request[key]
    return _encoded(AdmissionRequest(payload["uid"], payload, payload.get("object")))


def parse_raw(body: bytes) -> AdmissionRequest:
    """The request of a `/validate_raw` body: any JSON. Raises BadReview."""
    document = _load(body)
    if not isinstance(document, dict) or "request" not in document:
        raise _wrong("missing field `request`")
    request = document["request"]
    uid = request.get("uid") if isinstance(request, dict) else None
    return _encoded(AdmissionRequest(uid if isinstance(uid, str) else "", request, request, raw=True))


def _encoded(request: AdmissionRequest) -> AdmissionRequest:
    """A request that came in is refused here, by its sender's fault, and not when a guest is to see it."""
    request.encode()
    return request


def review_body(response: AdmissionResponse) -> bytes:
    """The AdmissionReview that answers a review."""
    return dumps(
        {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "response": response.to_dict()}
    )


def raw_body(response: AdmissionResponse) -> bytes:
    """The answer to a raw request."""
    return dumps({"response": response.to_dict()})


def _text(request: Mapping[str, object], key: str) -> str:
    value = request.get(key)
    if value is None:
        raise _wrong(f"request: missing field `{key}`")
    if not isinstance(value, str):
        raise _wrong(f"request.{key}: not a string")
    return value


def _triple(request: Mapping[str, object], key: str, keys: tuple[str, ...]) -> dict[str, str]:
    value = request.get(key)
    if not isinstance(value, dict):
        raise _wrong(f"request: missing field `{key}`" if value is None else f"request.{key}: not an object")
    for part in keys:
        if not isinstance(value.get(part), str):
            raise _wrong(f"request.{key}: missing field `{part}`")
    return {part: value[part] for part in keys}


def _user(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(
            "request: missing field `userInfo`" if value is None else "request.userInfo: not an object"
        )
    user: dict[str, Any] = {}
    for key, kind in (("username", str), ("uid", str), ("groups", list), ("extra", dict)):
        if value.get(key) is not None:
            if not isinstance(value[key], kind):
                raise _wrong(f"request.userInfo.{key}: wrong type")
            user[key] = value[key]
    return user
