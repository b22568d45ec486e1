"""Options of a write (dryRun, fieldValidation), and the identity that its body must have. Pure."""

from __future__ import annotations

from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause, bad_request, invalid_options
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
    """Strict, Warn (the default) or Ignore. Raises 422."""
    mode = request.query.get("fieldValidation") or "Warn"
    if mode not in ("Strict", "Warn", "Ignore"):
        why = f'Unsupported value: "{mode}": supported values: "Ignore", "Strict", "Warn"'
        raise invalid_options("CreateOptions", [Cause("fieldValidation", why, "FieldValueNotSupported")])
    return mode


def check_dry_run(request: Request) -> None:
    value = request.query.get("dryRun")
    if value and value != "All":
        kinds = {
            "POST": "CreateOptions",
            "PUT": "UpdateOptions",
            "PATCH": "PatchOptions",
            "DELETE": "DeleteOptions",
        }
        why = f'Unsupported value: ["{value}"]: supported values: "All"'
        raise invalid_options(
            kinds.get(request.method, "CreateOptions"), [Cause("dryRun", why, "FieldValueNotSupported")]
        )


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


def check_identity(target: Target, metadata: Object, *, patched: bool = False) -> None:
    """Name and namespace of a body that updates are those of the URL; absent ones are filled in."""
    name = metadata.get("name") or ("" if patched else target.name)
    if name != target.name:
        raise bad_request(f"the name of the object ({name}) does not match the name on the URL ({target.name})")
    metadata["name"] = name
    set_namespace(target, metadata)
