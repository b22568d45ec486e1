"""ConfigMaps, Secrets, ServiceAccounts and ControllerRevisions. Pure.

Facts from kubernetes' pkg/apis/core/validation/validation.go and pkg/apis/apps/validation/validation.go.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from contextlib import suppress

from edged.json_text import JsonError, loads
from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.causes import (
    each_invalid,
    forbidden,
    invalid,
    not_negative,
    part,
    required,
    too_long,
    unchanged,
)
from edged.sandbox.validation.formats import config_key, size

MOST_DATA = 1 << 20
"""Bytes of all values of a ConfigMap or Secret."""
_FIXED = "field is immutable when `immutable` is set"
_REDACTED = "<secret contents redacted>"
_FILES = {"kubernetes.io/dockercfg": ".dockercfg", "kubernetes.io/dockerconfigjson": ".dockerconfigjson"}
_ACCOUNT = "kubernetes.io/service-account.name"


def config_map(obj: Object, old: Object | None) -> Iterator[Cause]:
    if old is not None:
        yield from _fixed(obj, old, ("data", "binaryData"))
    data, binary = part(obj, "data"), part(obj, "binaryData")
    total = 0
    for key, value in data.items():
        yield from each_invalid(f"data[{key}]", key, config_key(key))
        if key in binary:
            yield invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
        total += size(value)
    for key, value in binary.items():
        yield from each_invalid(f"binaryData[{key}]", key, config_key(key))
        total += decoded_size(value)
    if total > MOST_DATA:
        yield too_long("[]", MOST_DATA)


def secret(obj: Object, old: Object | None) -> Iterator[Cause]:
    if old is not None:
        yield from unchanged("type", old.get("type") or "", obj.get("type") or "")
        yield from _fixed(obj, old, ("data",))
    data = part(obj, "data")
    for key in data:
        yield from each_invalid(f"data[{key}]", key, config_key(key))
    if sum(decoded_size(value) for value in data.values()) > MOST_DATA:
        yield too_long("data", MOST_DATA)
    yield from _secret_type(obj.get("type") or "", data, obj)


def secret_warnings(obj: Object, old: Object | None) -> Iterator[str]:
    """That a pair for TLS is none; whether the key belongs to the certificate is not looked at."""
    if obj.get("type") != "kubernetes.io/tls":
        return
    for name, what in (("tls.crt", "certificate"), ("tls.key", "key")):
        with suppress(binascii.Error):
            if b"-----BEGIN " not in base64.b64decode(part(obj, "data").get(name) or ""):
                yield f"tls: failed to find any PEM data in {what} input"
                return


def controller_revision(obj: Object, old: Object | None) -> Iterator[Cause]:
    yield from not_negative("revision", obj.get("revision"))
    data = obj.get("data")
    if old is not None:
        yield from unchanged("data", old.get("data"), data)
    elif data is None:
        yield required("data", "data is mandatory")
    elif not isinstance(data, dict):
        yield required("data", "data must be a valid JSON object")


def decoded_size(text: str) -> int:
    """Bytes that a text of base64 stands for."""
    return len(text) // 4 * 3 - text.endswith("=") - text.endswith("==")


def _fixed(obj: Object, old: Object, fields: tuple[str, ...]) -> Iterator[Cause]:
    if not old.get("immutable"):
        return
    if not obj.get("immutable"):
        yield forbidden("immutable", _FIXED)
    for field in fields:
        if (obj.get(field) or {}) != (old.get(field) or {}):
            yield forbidden(field, _FIXED)


def _secret_type(kind: str, data: Object, obj: Object) -> Iterator[Cause]:
    if kind == "kubernetes.io/service-account-token":
        if not part(obj, "metadata", "annotations").get(_ACCOUNT):
            yield required(f"metadata.annotations[{_ACCOUNT}]")
    elif kind in _FILES:
        name = _FILES[kind]
        if name not in data:
            yield required(f"data[{name}]")
        elif problem := _json_problem(data[name]):
            yield invalid(f"data[{name}]", _REDACTED, problem)
    elif kind == "kubernetes.io/basic-auth":
        if not {"username", "password"} & data.keys():
            yield required("data[username]")
            yield required("data[password]")
    elif kind == "kubernetes.io/ssh-auth":
        if not data.get("ssh-privatekey"):
            yield required("data[ssh-privatekey]")
    elif kind == "kubernetes.io/tls":
        for name in ("tls.crt", "tls.key"):
            if name not in data:
                yield required(f"data[{name}]")


def _json_problem(encoded: str) -> str:
    """What Go says of a text that should be a JSON object, for the commonest mistakes."""
    try:
        text = base64.b64decode(encoded).decode(errors="replace")
    except binascii.Error:
        text = encoded
    try:
        value = loads(text)
    except JsonError:
        return _syntax_problem(text.strip())
    if value is None or isinstance(value, dict):
        return ""
    kind = "array" if isinstance(value, list) else "bool" if isinstance(value, bool) else (
        "string" if isinstance(value, str) else "number")  # fmt: skip
    return f"json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"


def _syntax_problem(text: str) -> str:
    """Go's words for the commonest mistakes: what ends early, and what does not begin as a value."""
    if not text or (text[0] in "{[\"" and text[-1] not in "}]\""):
        return "unexpected end of JSON input"
    if text[0] not in "{[\"-tfn" and not text[0].isdigit():
        return f"invalid character '{text[0]}' looking for beginning of value"
    if text[0] == "{" and text[1:].lstrip()[:1] not in ("", "}", '"'):
        return f"invalid character '{text[1:].lstrip()[0]}' looking for beginning of object key string"
    return "unexpected end of JSON input"
