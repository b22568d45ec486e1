"""Status errors: what the API answers when it refuses, with the texts of kube-apiserver.

Pure. Raised anywhere below the request handler (api.py), which turns them into HTTP answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edged.errors import EdgedError
from edged.sandbox.kinds.builtin_kinds import REGISTRY_PREFIXES


@dataclass(frozen=True, slots=True)
class Named:
    """What error texts call an object: `deployments.apps "x"`, `Deployment.apps "x"`."""

    group: str
    kind: str
    plural: str

    @property
    def resource(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified_kind(self) -> str:
        return f"{self.kind}.{self.group}" if self.group else self.kind


@dataclass(frozen=True, slots=True)
class Cause:
    """One finding of a validation. `reason` as in metav1.CauseType, `field` a dotted path."""

    field: str
    message: str
    reason: str = "FieldValueInvalid"

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class ApiStatus(EdgedError):
    """A refusal. `reason` may be "" (kube-apiserver has such answers), `details` may be None."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        details: Mapping[str, object] | None = None,
        *,
        headers: Sequence[tuple[str, str]] = (),
        metadata: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.headers = tuple(headers)
        self.metadata = metadata or {}

    def body(self) -> dict[str, Any]:
        """The Status object."""
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.metadata,
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            status["reason"] = self.reason
        if self.details is not None:
            status["details"] = self.details
        status["code"] = self.code
        return status


def _details(named: Named, name: str, *, kind: str | None = None) -> dict[str, Any]:
    details: dict[str, Any] = {"name": name} if name else {}
    if named.group:
        details["group"] = named.group
    details["kind"] = kind or named.plural
    return details


def success(code: int | None = None, details: Mapping[str, object] | None = None) -> dict[str, Any]:
    """A Status that says Success; `code` is left out by deletes."""
    status: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    if details is not None:
        status["details"] = details
    if code is not None:
        status["code"] = code
    return status


def not_found(named: Named, name: str) -> ApiStatus:
    return ApiStatus(404, "NotFound", f'{named.resource} "{name}" not found', _details(named, name))


def no_such_resource() -> ApiStatus:
    return ApiStatus(404, "NotFound", "the server could not find the requested resource", {})


def already_exists(named: Named, name: str) -> ApiStatus:
    return ApiStatus(409, "AlreadyExists", f'{named.resource} "{name}" already exists', _details(named, name))


def conflict(named: Named, name: str, why: str, *, by_kind: bool = False) -> ApiStatus:
    """409. `by_kind`: delete preconditions name the kind where everything else names the plural."""
    what = named.kind if by_kind else named.resource
    details = _details(named, name, kind=named.kind if by_kind else None)
    return ApiStatus(409, "Conflict", f'Operation cannot be fulfilled on {what} "{name}": {why}', details)


def modified(named: Named, name: str) -> ApiStatus:
    why = "the object has been modified; please apply your changes to the latest version and try again"
    return conflict(named, name, why)


def uid_differs(named: Named, name: str, namespace: str, *, wanted: str, found: str) -> ApiStatus:
    """409 for an update that names another uid than the object has, with the key of the object in etcd."""
    prefix = REGISTRY_PREFIXES.get(named.plural, named.plural)
    key = "/".join(filter(None, ("/registry", prefix, namespace, name)))
    failed = f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {found}"
    why = f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: {failed}"
    return conflict(named, name, why)


def invalid(named: Named, name: str, causes: Iterable[Cause]) -> ApiStatus:
    """422 with every cause in `details.causes`; several texts are joined as `[a, b]`, equal ones once."""
    listed = list(causes)
    texts = list(dict.fromkeys(map(str, listed)))
    text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    details = _details(named, name, kind=named.kind)
    details["causes"] = [{"reason": c.reason, "message": c.message, "field": c.field} for c in listed]
    return ApiStatus(422, "Invalid", f'{named.qualified_kind} "{name}" is invalid: {text}', details)


def invalid_options(kind: str, causes: Iterable[Cause]) -> ApiStatus:
    """422 about query options: `ListOptions.meta.k8s.io "" is invalid: ...`."""
    return invalid(Named("meta.k8s.io", kind, kind), "", causes)


def bad_request(message: str) -> ApiStatus:
    return ApiStatus(400, "BadRequest", message)


def forbidden(named: Named, name: str, why: str, causes: Sequence[Cause] = ()) -> ApiStatus:
    details = _details(named, name)
    if causes:
        details["causes"] = [{"reason": c.reason, "message": c.message, "field": c.field} for c in causes]
    return ApiStatus(403, "Forbidden", f'{named.resource} "{name}" is forbidden: {why}', details)


def method_not_allowed() -> ApiStatus:
    message = "the server does not allow this method on the requested resource"
    return ApiStatus(405, "MethodNotAllowed", message, {})


def unsupported_media_type(accepted: Sequence[str]) -> ApiStatus:
    message = "the body of the request was in an unknown format - accepted media types include: "
    return ApiStatus(415, "UnsupportedMediaType", message + ", ".join(accepted))


def not_acceptable(offered: Sequence[str]) -> ApiStatus:
    message = "only the following media types are accepted: " + ", ".join(offered)
    return ApiStatus(406, "NotAcceptable", message)


def too_large(message: str) -> ApiStatus:
    return ApiStatus(413, "RequestEntityTooLarge", f"Request entity too large: {message}")


def expired(message: str, metadata: Mapping[str, object] | None = None) -> ApiStatus:
    return ApiStatus(410, "Expired", message, metadata=metadata)


def version_too_large(version: int, current: int) -> ApiStatus:
    message = f"Timeout: Too large resource version: {version}, current: {current}"
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    details = {"causes": [cause], "retryAfterSeconds": 1}
    return ApiStatus(504, "Timeout", message, details, headers=[("Retry-After", "1")])


def internal_error(message: str) -> ApiStatus:
    """500 InternalError: `Internal error occurred: MESSAGE`, the bare message in `details.causes`."""
    details = {"causes": [{"message": message}]}
    return ApiStatus(500, "InternalError", f"Internal error occurred: {message}", details)
