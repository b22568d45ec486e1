"""Webhooks of the custom resources themselves: how they are registered, and what they answer. Pure.

Paths and webhook names are kubewarden-controller's. Objects that are being deleted are not asked about: what is left
to do with them is taking finalizers away, which must work while edged is down.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edged.admission.resources import validation
from edged.admission.resources.kinds import (
    DEFAULT_SERVER,
    FINALIZER,
    GROUP,
    KINDS,
    VERSION,
    Kind,
    is_deleting,
    server_of,
)
from edged.admission.resources.plan import belongs
from edged.admission.rules.webhooks import WebhookSpec

TIMEOUT_S = 10
ANSWER_S = 8.0
NOT_DELETING = {
    "name": "not-being-deleted",
    "expression": "!has(object.metadata.deletionTimestamp)",
}
PATHS: dict[str, tuple[Kind, bool]] = {
    path: (kind, mutates)
    for kind in KINDS.values()
    for path, mutates in ((kind.mutate_path, True), (kind.validate_path, False))
}
"""Path -> kind, and whether it is the defaulting webhook."""


def specs() -> list[WebhookSpec]:
    """Registration of all ten."""
    return [_spec(path, kind, mutates) for path, (kind, mutates) in PATHS.items()]


def _spec(path: str, kind: Kind, mutates: bool) -> WebhookSpec:
    name = f"{'m' if mutates else 'v'}{kind.kind.lower()}.kb.io"
    rule = {
        "apiGroups": [GROUP],
        "apiVersions": [VERSION],
        "operations": ["CREATE", "UPDATE"],
        "resources": [kind.plural],
    }
    return WebhookSpec(
        name=name,
        rules=(rule,),
        mutating=mutates,
        timeout_s=ANSWER_S,
        match_conditions=(NOT_DELETING,),
        webhook_timeout_s=TIMEOUT_S,
        hook_name=name,
        path=path,
    )


def defaults(obj: Mapping[str, Any], server_name: str) -> list[dict[str, Any]]:
    """JSON patch: the PolicyServer where none is named, and the finalizer on objects that edged looks after. An object
    of another PolicyServer gets none: nobody would take it away."""
    patch: list[dict[str, Any]] = []
    kind, spec = KINDS[obj["kind"]], obj.get("spec")
    if kind.is_policy and isinstance(spec, Mapping) and not server_of(obj):
        patch.append({"op": "add", "path": "/spec/policyServer", "value": DEFAULT_SERVER})
        obj = {**obj, "spec": {**spec, "policyServer": DEFAULT_SERVER}}
    present = obj["metadata"].get("finalizers")
    if is_deleting(obj) or not belongs(obj, server_name) or FINALIZER in (present or ()):
        return patch
    if present:
        return [*patch, {"op": "add", "path": "/metadata/finalizers/-", "value": FINALIZER}]
    return [*patch, {"op": "add", "path": "/metadata/finalizers", "value": [FINALIZER]}]


def rejection(obj: Mapping[str, Any], findings: list[validation.Finding]) -> dict[str, Any]:
    """The `status` of a refused review: as the API server words an invalid object."""
    name = obj["metadata"].get("name") or ""
    causes = [{"reason": each.reason, "message": each.message, "field": each.field} for each in findings]
    message = f'{obj["kind"]}.{GROUP} "{name}" is invalid: {validation.summary(findings)}'
    details = {"name": name, "group": GROUP, "kind": obj["kind"], "causes": causes}
    return {"status": "Failure", "reason": "Invalid", "code": 422, "message": message, "details": details}
