"""A review as it may be shown to a person: what a Secret holds is left out. Pure.

Called by admission/host/review_watch.py. Other kinds are shown as they are: a user who may see reviews may see objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

HIDDEN = "(hidden)"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def shown_request(payload: object) -> Any:
    """The `request` of a review. Secrets lose their values, in objects and in what kubectl noted of them."""
    if not isinstance(payload, dict):
        return payload
    kinds = [payload.get(key) for key in ("kind", "requestKind")]
    secret = any(isinstance(kind, dict) and kind.get("kind") == "Secret" for kind in kinds)
    return {
        key: _hidden(value) if key in ("object", "oldObject") and (secret or _is_secret(value)) else value
        for key, value in payload.items()
    }


def shown_patch(patch: list[dict[str, object]] | None, payload: object) -> list[dict[str, Any]] | None:
    """A patch as it may be shown: one of a Secret keeps its paths only."""
    if patch is None or shown_request(payload) == payload:
        return patch
    return hidden_patch(patch)


def hidden_patch(patch: list[dict[str, object]]) -> list[dict[str, Any]]:
    """Paths only."""
    return [operation | ({"value": HIDDEN} if "value" in operation else {}) for operation in patch]


def _is_secret(value: object) -> bool:
    return isinstance(value, Mapping) and value.get("kind") == "Secret"


def _hidden(obj: object) -> Any:
    if not isinstance(obj, dict):
        return obj
    shown = dict(obj)
    for field in ("data", "stringData"):
        if isinstance(obj.get(field), dict):
            shown[field] = dict.fromkeys(obj[field], HIDDEN)
        elif obj.get(field) is not None:
            shown[field] = HIDDEN
    metadata = obj.get("metadata")
    if isinstance(metadata, dict):
        annotations = metadata.get("annotations")
        if isinstance(annotations, dict) and LAST_APPLIED in annotations:
            shown["metadata"] = metadata | {"annotations": annotations | {LAST_APPLIED: HIDDEN}}
    return shown
