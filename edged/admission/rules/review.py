"""AdmissionReview bytes <-> what policies are asked and what they answer. Pure.

Requests are parsed into a fixed set of keys; unknown ones are dropped, null equals absent and is left out of what
guests see. A key that is there twice is refused: edged and a guest could read different ones. The objects in a request
stay text (edged/json_parts.py) until somebody asks for their values, for these take many times as much memory.
Responses carry `auditAnnotations` and `warnings` always, null when there are none: that is what Kubewarden's clients
read. Errors about a body that cannot be read are policy-server's own words.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from typing import Any

from edged.errors import PeerError
from edged.json_parts import (
    MOST_DECODED,
    MOST_LEVELS,
    SHORT,
    Members,
    NotAnObject,
    RepeatedMember,
    decoded_size,
    is_repeating,
    tidy,
    written,
)
from edged.json_text import JsonError, TooDeep, dumps, loads
from edged.records import dataclass

_KIND_KEYS = ("group", "version", "kind")
_RESOURCE_KEYS = ("group", "version", "resource")
_OPTIONAL_TEXT = ("subResource", "requestSubResource", "name", "namespace")
_OPAQUE = ("object", "oldObject", "options")
SHORT_BODY = 64 << 10
"""Bytes of a review that is decoded at once. It becomes 3 MB for a moment, at most."""
_NULL = b"null"
_BRACE = ord("{")
_SHOWN = ("uid", "kind", "resource", "requestKind", "requestResource", *_OPTIONAL_TEXT, "operation")
_DOCUMENT = Members("kind", "apiVersion", "request")
_REQUEST = Members(*_SHOWN, "userInfo", "dryRun", *_OPAQUE)
_RAW = Members(*_SHOWN)


class BadReview(PeerError):
    """The body is not an AdmissionReview. `status` is the HTTP status to answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class AdmissionRequest:
    """One question. `payload` is what guests see under `request`; `object` is what a mutation is compared with.

    `answer_by`: when whoever asked stops waiting, on the clock of the caller; never, where nobody says so.
    """

    __slots__ = ("_encoded", "_fields", "_parts", "_values", "answer_by", "raw", "uid")

    def __init__(self, uid: str, payload: object, object: object, raw: bool = False) -> None:
        """Of values. `parse_review` and `parse_raw` make one of text."""
        self.uid = uid
        self.raw = raw
        self.answer_by = math.inf
        self._fields: Any = payload
        self._encoded: bytes | None = None
        self._parts: Mapping[str, slice] = {}  # where in `_encoded` the values are that are not decoded yet
        self._values: dict[str, Any] = {"object": object}

    @classmethod
    def of_text(cls, uid: str, fields: Mapping[str, Any], parts: Mapping[str, bytes]) -> AdmissionRequest:
        """Of the fields that are values and of the other ones as JSON."""
        self = cls(uid, fields, None)
        self._encoded, self._parts = _joined(fields, parts)
        self._values = {}
        return self

    @classmethod
    def of_raw_text(cls, uid: str, fields: Mapping[str, Any], text: bytes) -> AdmissionRequest:
        """Of any JSON, which is payload and object at once; `fields` are those that are shown of it."""
        self = cls(uid, fields, None, raw=True)
        self._encoded, self._parts = text, {"object": slice(0, len(text))}
        self._values = {}
        return self

    @property
    def payload(self) -> Any:
        """Decodes what is not decoded yet."""
        if not self._parts:
            return self._fields
        if self.raw:
            return self.object
        return {**self._fields, **{key: self.value(key) for key in self._parts}}

    def without_objects(self, instead: str) -> Any:
        """The payload, but with a text in place of all that would have to be decoded."""
        return instead if self.raw else {**self._fields, **dict.fromkeys(self._parts, instead)}

    @property
    def object(self) -> Any:
        """Decodes it where it is text; None where there is none."""
        return self.value("object")

    @property
    def has_object(self) -> bool:
        """Whether there is an object, without decoding it."""
        return self.has("object")

    def has(self, key: str) -> bool:
        """Whether a member of a review's payload is there and not null, without decoding it."""
        return key in self._parts or (self._values.get(key) if key in self._values else self.field(key)) is not None

    def decoded_size(self, key: str | None = None) -> int:
        """Bytes of memory that decoding takes: of `object`, say, or of the whole payload. 0 where it is decoded."""
        if self._encoded is None:
            return 0
        return sum(decoded_size(self._encoded[part]) for name, part in self._parts.items() if key in (None, name))

    def encode(self) -> bytes:
        """The payload as JSON, for guests. Raises BadReview for one that is nested too deeply to be written."""
        if self._encoded is None:
            try:
                self._encoded = dumps(self._fields)
            except JsonError as error:
                raise _wrong("nested too deeply") from error
        return self._encoded

    def encode_old_as_object(self) -> bytes:
        """The payload as JSON, with `oldObject` in place of `object` too. Raises BadReview as `encode` does."""
        text = self.encode()
        if not self._parts:
            fields = {**self._fields, "object": self._fields.get("oldObject")}
            return AdmissionRequest(self.uid, fields, None).encode()
        parts = {key: text[part] for key, part in self._parts.items()}
        return _joined(self._fields, {**parts, "object": parts["oldObject"]})[0]

    @property
    def kind(self) -> str:
        """Kind as the client sent it, for metrics."""
        found = self.field("requestKind") or self.field("kind")
        return str(found.get("kind", "")) if isinstance(found, dict) else ""

    def field(self, key: str) -> Any:
        """A field of the payload that is not an object of the cluster, None where it is absent."""
        return self._fields.get(key) if isinstance(self._fields, dict) else None

    def text(self, key: str) -> str:
        """A text field of the payload, "" where it is absent."""
        value = self.field(key)
        return value if isinstance(value, str) else ""

    def value(self, key: str) -> Any:
        """One member of a review's payload, None where it is absent. Decodes it where it is text, and no other one."""
        if key in self._values:
            return self._values[key]
        if key not in self._parts:
            return self.field(key)
        assert self._encoded is not None
        text = memoryview(self._encoded)[self._parts[key]]
        value = loads(text)
        if len(text) <= SHORT:  # a larger one is not kept beside its text
            self._values[key] = value
        return value


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


def _joined(fields: Mapping[str, Any], parts: Mapping[str, bytes]) -> tuple[bytes, dict[str, slice]]:
    """The text of an object with these members, and where in it the text of each of `parts` is."""
    pieces, places = [dumps(fields)[:-1]], {}
    at = len(pieces[0])
    for key, text in parts.items():
        name = b',"' + key.encode() + b'":'
        at += len(name)
        places[key] = slice(at, at + len(text))
        at += len(text)
        pieces += (name, text)
    pieces.append(b"}")
    return b"".join(pieces), places


def _wrong(what: str) -> BadReview:
    return BadReview(422, f"Failed to deserialize the JSON body into the target type: {what}")


def _members(reader: Members, text: bytes | memoryview, what: str, wrong: str) -> dict[str, memoryview]:
    """The members of an object that are not null. Raises BadReview: `wrong` says what it is that is no object."""
    try:
        found = reader.read(text)
    except NotAnObject:
        raise _wrong(wrong) from None
    except (TooDeep, RepeatedMember) as error:
        raise _wrong(f"{what}{error}") from None
    except JsonError as error:
        raise BadReview(400, f"Failed to parse the request body as JSON: {error}") from None
    return {key: value for key, value in found.items() if value != _NULL}


def _tidy(text: memoryview, what: str, levels: int) -> bytes:
    """Raises BadReview."""
    try:
        return tidy(text, levels=levels)
    except TooDeep:
        raise _wrong(f"{what}: nested too deeply") from None
    except JsonError as error:
        raise BadReview(400, f"Failed to parse the request body as JSON: {what}: {error}") from None


def _value(text: memoryview, what: str) -> Any:
    """Of a field that edged itself reads. Raises BadReview."""
    if len(text) > SHORT and decoded_size(text) > MOST_DECODED:
        raise _wrong(f"{what}: larger than anything that Kubernetes sends there")
    try:
        value = loads(text)
        if text[0] == _BRACE and is_repeating(text, value):
            raise _wrong(f"{what}: a field is there twice")
    except JsonError as error:
        raise BadReview(400, f"Failed to parse the request body as JSON: {what}: {error}") from None
    return value


def parse_review(body: bytes) -> AdmissionRequest:
    """The request of an AdmissionReview (`admission.k8s.io/v1`). Raises BadReview."""
    request, parts = (_decoded(body) if len(body) <= SHORT_BODY else None) or _in_parts(body)
    payload: dict[str, Any] = {
        "uid": _text(request, "uid"),
        "kind": _triple(request, "kind", _KIND_KEYS),
        "resource": _triple(request, "resource", _RESOURCE_KEYS),
    }
    for key, keys in (("requestKind", _KIND_KEYS), ("requestResource", _RESOURCE_KEYS)):
        if key in request:
            payload[key] = _triple(request, key, keys)
    for key in _OPTIONAL_TEXT:
        if key in request:
            payload[key] = _text(request, key)
    payload["operation"] = _text(request, "operation")
    payload["userInfo"] = _user(request.get("userInfo"))
    if "dryRun" in request:
        if not isinstance(request["dryRun"], bool):
            raise _wrong("request.dryRun: not a boolean")
        payload["dryRun"] = request["dryRun"]
    return AdmissionRequest.of_text(payload["uid"], payload, parts)


_Parts = tuple[Mapping[str, Any], Mapping[str, bytes]]
"""Of a request: the values of what edged reads, the text of the objects."""


def _decoded(body: bytes) -> _Parts | None:
    """The quick way for most reviews. None for one that has something wrong with it: then it is read again."""
    try:
        document = loads(body)
        request = document.get("request") if isinstance(document, dict) else None
        if not isinstance(request, dict) or is_repeating(body, document):
            return None
        texts = {
            key: written(value, levels=MOST_LEVELS - 1)
            for key in _OPAQUE
            if (value := request.pop(key, None)) is not None
        }
    except JsonError:
        return None
    return {key: value for key, value in request.items() if value is not None}, texts


def _in_parts(body: bytes) -> _Parts:
    document = _members(_DOCUMENT, body, "", "the document is not an object")
    if "request" not in document:
        raise _wrong("missing field `request`")
    members = _members(_REQUEST, document["request"], "request: ", "request: not an object")
    texts = {key: _tidy(members.pop(key), f"request.{key}", MOST_LEVELS - 1) for key in _OPAQUE if key in members}
    return {key: _value(value, f"request.{key}") for key, value in members.items()}, texts


def parse_raw(body: bytes) -> AdmissionRequest:
    """The request of a `/validate_raw` body: any JSON. Raises BadReview."""
    try:
        document = _DOCUMENT.read(body)
    except NotAnObject:
        document = {}
    except RepeatedMember as error:
        raise _wrong(str(error)) from None
    except JsonError as error:
        raise BadReview(400, f"Failed to parse the request body as JSON: {error}") from None
    if "request" not in document:
        raise _wrong("missing field `request`")
    text, fields = _tidy(document["request"], "request", MOST_LEVELS), {}
    if text.startswith(b"{"):
        members = _members(_RAW, document["request"], "request: ", "")
        fields = {key: _value(value, f"request.{key}") for key, value in members.items() if len(value) <= SHORT}
    uid = fields.get("uid")
    return AdmissionRequest.of_raw_text(uid if isinstance(uid, str) else "", fields, text)


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
