"""What Rego policies are asked and what their results mean, in both execution modes. Pure.

`opa`: the policy's document holds a whole AdmissionResponse under `response`. `gatekeeper`: it is a list of violations,
and the object that is deleted is `review.object`, as in Gatekeeper.
Shapes and texts are those of Kubewarden's policy-server 1.36, but nothing is allowed that was not understood: an
undefined or malformed result denies (docs/kubewarden-differences.md).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from edged.admission.rules import mutations, verdict
from edged.admission.rules.mutations import BadMutation, BadReply
from edged.admission.rules.review import AdmissionRequest, AdmissionResponse
from edged.json_parts import SHORT, decoded_size
from edged.json_text import JsonError, dumps, loads

INTERRUPTED = "guest code interrupted, execution deadline exceeded"
"""What policy-server says of a Rego policy that ran out of time."""

MOST_REWRITTEN = 1 << 20
"""Bytes of a result in which numbers such as `.5` become JSON. Nobody else does anything in that moment."""
_TEXT = re.compile(rb'("[^"\\]*+(?:\\.[^"\\]*+)*+"?)', re.DOTALL)
_POINT_FIRST = re.compile(rb"(?<![0-9])\.(?=[0-9])")
_DETAIL_TEXTS = ("name", "group", "kind", "uid")


class NotJudged(BadReply):
    """The policy cannot be asked about such a request: what it would say is not known."""


def input_document(mode: str, request: AdmissionRequest, settings: bytes) -> tuple[bytes, ...]:
    """`input` of the policy, in pieces. Raises NotJudged for what gatekeeper mode has no question for."""
    if mode == "opa":
        return b'{"request":', request.encode(), b"}"
    return b'{"parameters":', settings, b',"review":', _gatekeeper_review(request), b"}"


def _gatekeeper_review(request: AdmissionRequest) -> bytes:
    """Policies in Gatekeeper's style look at `review.object` alone, and would let every deletion pass."""
    if request.raw:
        raise NotJudged("gatekeeper policies cannot judge raw requests")
    if request.field("operation") != "DELETE":
        return request.encode()
    if not request.has("oldObject"):
        raise NotJudged("gatekeeper policies cannot judge a DELETE without oldObject")
    return request.encode_old_as_object()


def data_document(mode: str, settings: bytes, context: bytes | None) -> tuple[bytes, ...]:
    """`data` of the policy, in pieces: settings at the root and `kubernetes` among them, or Gatekeeper's `inventory`.

    `context` is what `ContextTree.document` made; None where the policy reads nothing of the cluster.
    """
    if mode == "gatekeeper":
        return (b"{}",) if context is None else (b'{"inventory":', context, b"}")
    if context is None:
        return (settings,)
    if b'"kubernetes"' in settings:
        settings = dumps({key: value for key, value in loads(settings).items() if key != "kubernetes"})
    return settings[:-1], b'"kubernetes":' if settings == b"{}" else b',"kubernetes":', context, b"}"


class ContextTree:
    """Collects objects, as JSON, into the tree that a mode's policies find them in."""

    def __init__(self, mode: str) -> None:
        self._mode = mode
        self._root: dict[str, Any] = {} if mode == "opa" else {"cluster": {}, "namespace": {}}
        self._namespaced: dict[str, bool] = {}

    def begin(self, plural: str, *, namespaced: bool) -> None:
        """Before the objects of a kind. Raises ValueError where the tree cannot hold them."""
        if self._mode != "opa":
            return
        if self._namespaced.setdefault(plural, namespaced) != namespaced:
            raise ValueError(f"{plural} are both namespaced and not: they cannot be told apart in data.kubernetes")
        self._root.setdefault(plural, {})

    def add(self, plural: str, api_version: str, kind: str, namespace: str, name: str, data: bytes) -> None:
        """One object; `namespace` is empty for cluster-scoped ones."""
        steps: tuple[str, ...]
        if self._mode == "opa":
            steps = (plural, namespace) if namespace else (plural,)
        elif namespace:
            steps = ("namespace", namespace, api_version, kind)
        else:
            steps = ("cluster", api_version, kind)
        node = self._root
        for step in steps:
            node = node.setdefault(step, {})
        node[name] = data

    def document(self) -> bytes:
        """The tree as JSON; objects are taken as they are."""
        parts: list[bytes] = []
        _write_tree(self._root, parts)
        return b"".join(parts)


def _write_tree(node: dict[str, Any], parts: list[bytes]) -> None:
    opening = b"{"
    for key, value in node.items():
        parts += (opening, dumps(key), b":")
        if isinstance(value, bytes):
            parts.append(value)
        else:
            _write_tree(value, parts)
        opening = b","
    parts.append(b"}" if node else b"{}")


def from_result(mode: str, request: AdmissionRequest, result: bytes) -> AdmissionResponse:
    """The answer that an evaluation's result stands for. Raises BadReply, and BadMutation for an allowed request."""
    if len(result) > SHORT:
        verdict.check_size(decoded_size(result), "result")
    results = _read(result)
    if not isinstance(results, list) or not all(isinstance(entry, dict) and "result" in entry for entry in results):
        raise BadReply("the policy's result is not a list of results")
    if not results:
        raise BadReply("the policy's entrypoint is undefined for this request")
    value = results[0]["result"]
    return _opa(request, value) if mode == "opa" else _gatekeeper(request, value)


def _read(result: bytes) -> object:
    """OPA's modules write a number as the policy does, and Rego has numbers such as `.5`, which are no JSON."""
    try:
        return loads(result)
    except JsonError as error:
        if len(result) > MOST_REWRITTEN:
            raise BadReply(f"the policy's result is not JSON: {error}") from error
    try:
        return loads(_with_zeros(result))
    except JsonError as error:
        raise BadReply(f"the policy's result is not JSON: {error}") from error


def _with_zeros(result: bytes) -> bytes:
    """With a zero before each number that begins with its point; texts stay as they are."""
    pieces = _TEXT.split(result)
    between = b'"'.join(pieces[::2])
    pieces[::2] = _POINT_FIRST.sub(b"0.", between).split(b'"')
    return b"".join(pieces)


def _gatekeeper(request: AdmissionRequest, value: object) -> AdmissionResponse:
    if not isinstance(value, list):
        raise BadReply("the policy's result is not a list of violations")
    messages = []
    for violation in value:
        if not isinstance(violation, dict):
            raise BadReply("the policy's result: a violation is not an object")
        message = violation.get("msg")
        if message is not None and not isinstance(message, str):
            raise BadReply("the policy's result: msg of a violation is not a string")
        if message is not None:
            messages.append(message)
    if not value:
        return AdmissionResponse(request.uid, True)
    return AdmissionResponse(request.uid, False, status={"message": ", ".join(messages)})


def _opa(request: AdmissionRequest, value: object) -> AdmissionResponse:
    response = value.get("response") if isinstance(value, dict) else None
    if not isinstance(response, dict):
        raise BadReply("the policy's result has no object `response`")
    _typed(response, "uid", str, required=True)
    allowed = _typed(response, "allowed", bool, required=True)
    warnings, annotations = _typed(response, "warnings", list), _typed(response, "auditAnnotations", dict)
    if not all(isinstance(text, str) for text in (*(warnings or ()), *(annotations or {}).values())):
        raise BadReply("the policy's response: warnings and auditAnnotations hold strings only")
    status = _typed(response, "status", dict)
    try:
        patch, patch_size = _patch(response)
    except BadMutation:
        if allowed:
            raise
        patch = None  # a denial in the policy's own words, whatever it would have changed
    if patch and allowed:
        verdict.check_size(2 * (request.decoded_size("object") + patch_size), "patch with the object")
        mutations.check_patch(request.object, patch, raw=request.raw)
    return AdmissionResponse(
        request.uid, allowed, patch, None if status is None else _status(status), warnings, annotations
    )


def _typed(data: Mapping[str, object], key: str, kind: type, *, required: bool = False) -> Any:
    value = data.get(key)
    if value is None:
        if required:
            raise BadReply(f"the policy's response lacks `{key}`")
        return None
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise BadReply(f"the policy's response: {key} has the wrong type")
    return value


def _patch(response: Mapping[str, object]) -> tuple[list[dict[str, Any]] | None, int]:
    """(the operations of a patch that the policy wrote itself: mutation may be forbidden, so they must be seen; bytes
    of memory that they take)."""
    kind, encoded = _typed(response, "patchType", str), _typed(response, "patch", str)
    if kind not in (None, "JSONPatch"):
        raise BadMutation(f"The policy's response: patchType is {kind!r}, not JSONPatch.")
    if encoded is None:
        return None, 0
    try:
        text = base64.b64decode(encoded, validate=True)
        verdict.check_size(size := decoded_size(text), "patch")
        operations = loads(text)
    except (binascii.Error, JsonError) as error:
        raise BadMutation("The policy's response: patch is not a base64 text of JSON.") from error
    if not isinstance(operations, list) or not all(isinstance(operation, dict) for operation in operations):
        raise BadMutation("The policy's response: patch is not a list of operations.")
    verdict.check_depth(operations, "patch")
    return operations or None, size


def _status(status: Mapping[str, object]) -> dict[str, Any]:
    """The keys that a Status has; others are dropped."""
    fields = {key: value for key in ("status", "message", "reason") if (value := _typed(status, key, str)) is not None}
    details, code = _typed(status, "details", dict), _typed(status, "code", int)
    if details is not None:
        fields["details"] = _details(details)
    if code is not None:
        if not 0 <= code <= 65535:
            raise BadReply(f"the policy's response: code {code} is out of range")
        fields["code"] = code
    return fields


def _details(details: Mapping[str, object]) -> dict[str, Any]:
    fields: dict[str, Any] = {key: value for key in _DETAIL_TEXTS if (value := _typed(details, key, str)) is not None}
    causes = _typed(details, "causes", list, required=True)
    if not all(isinstance(cause, dict) for cause in causes):
        raise BadReply("the policy's response: a cause is not an object")
    if causes:
        keys = ("reason", "message", "field")
        fields["causes"] = [{key: _typed(cause, key, str) for key in keys} for cause in causes]
    wait = _typed(details, "retry_after_seconds", int)
    if wait is not None:
        fields["retry_after_seconds"] = wait
    return fields
