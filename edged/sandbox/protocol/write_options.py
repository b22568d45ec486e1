"""Options of a write (dryRun, fieldValidation), and the identity that its body must have. Pure."""

from __future__ import annotations

from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import bad_request
from edged.sandbox.protocol.query_options import check_write
from edged.sandbox.protocol.request import Request, Target


def request_options(operation: str, request: Request, options: Object | None = None) -> Object:
    """CreateOptions, UpdateOptions or DeleteOptions as webhooks see them."""
    kind = {"CREATE": "CreateOptions", "UPDATE": "UpdateOptions", "DELETE": "DeleteOptions"}[operation]
    result: Object = {"kind": kind, "apiVersion": "meta.k8s.io/v1"}
    result |= {key: value for key, value in (options or {}).items() if key not in ("kind", "apiVersion")}
    if request.dry_run:
        result["dryRun"] = ["All"]
    if operation != "DELETE":
        result |= {k: request.query[k] for k in ("fieldManager", "fieldValidation") if request.query.get(k)}
    return result


def field_validation(request: Request) -> str:
    """Strict, Warn (the default) or Ignore; check_options refuses others."""
    return request.query.get("fieldValidation") or "Warn"


def check_options(request: Request) -> None:
    """The options in the query of a POST, PUT or PATCH. Raises 422."""
    kind = {"PUT": "UpdateOptions", "PATCH": "PatchOptions"}.get(request.method, "CreateOptions")
    check_write(kind, request.query, apply=request.media_type == APPLY)


APPLY = "application/apply-patch+yaml"


def set_namespace(target: Target, metadata: Object) -> None:
    """The namespace of the URL; a body may repeat it, not contradict it."""
    stated = metadata.get("namespace") or ""
    if stated != (target.namespace or "") and stated:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    if target.namespace:
        metadata["namespace"] = target.namespace
    else:
        metadata.pop("namespace", None)
    if target.resource.namespaced and not target.namespace:
        raise bad_request("an empty namespace may not be set during creation")


def check_identity(target: Target, metadata: Object, *, complete: bool = True) -> None:
    """Name and namespace of a body that updates are those of the URL; an absent namespace is filled in. `complete`
    False: an absent name, too."""
    name = metadata.get("name")
    if not name and complete:
        why = f"the name of the object ({target.name} based on URL) was undeterminable: name must be provided"
        raise bad_request(why)
    if name and name != target.name:
        raise bad_request(f"the name of the object ({name}) does not match the name on the URL ({target.name})")
    metadata["name"] = target.name
    set_namespace(target, metadata)
