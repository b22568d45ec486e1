"""Server-side apply: merging an applied object into the stored one, what it no longer applies, and conflicts. Pure.

Source: Updater.Apply and typed/merge.go of sigs.k8s.io/structured-merge-diff, lastappliedmanager.go and conflict.go of
apimachinery/pkg/util/managedfields/internal.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from edged.json_text import dumps, loads
from edged.sandbox.kinds.go_types import GoTypes, Shape
from edged.sandbox.protocol.api_status import ApiStatus
from edged.sandbox.writing.fieldpaths import (
    ABSENT,
    Object,
    Path,
    Paths,
    child_of,
    compare,
    dotted,
    element_of,
    fields_of,
    of_list,
    of_map,
    with_named_fields,
    without,
)
from edged.sandbox.writing.fieldsets import (
    BEFORE_APPLY,
    Entry,
    Writing,
    nothing,
    read_entries,
    released,
    updated,
    write_entries,
)

KUBECTL = "kubectl"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def apply(live: Object | None, body: Object, writing: Writing, types: GoTypes, *, force: bool) -> Object:
    """`live` with the applied body merged in, and without what this manager applied before and no longer does; its
    managedFields are those after the write, and its resourceVersion is the one that the body insists on. `live` None:
    there is no such object yet. Raises 409 when another manager owns a field that would change."""
    shape = writing.resource.shape
    entries = read_entries(live)
    if live is not None and not entries:
        before = Writing(writing.resource, writing.subresource, BEFORE_APPLY, writing.time)
        entries = updated(None, live, [], before, types)
    base = _body(nothing(writing.resource, types) if live is None else live)
    given = fields_of(_body(body), shape)
    applied = writing.entry("Apply", given)
    last = next((entry for entry in entries if entry.same_writer(applied)), None)
    others = [entry for entry in entries if entry is not last]
    merged: Object = merge(base, _body(body), shape)
    if last is not None and last.paths:
        merged = _pruned(merged, last.paths, [*others, replace(applied, paths=given)], shape)
    found = writing.difference(base, merged)
    if not force:
        allowed = _last_applied(live, writing) if writing.manager == KUBECTL and live is not None else frozenset()
        _refuse_conflicts(found.added | found.modified, others, allowed)
    result = _result(writing, body, merged)
    changed = merged != base
    time = writing.time if changed else last.time if last is not None else ""
    mine = writing.entry("Apply", applied.paths, time)
    write_entries(result, [*released(others, found), *([mine] if mine.paths else ())])
    return result


def _body(obj: Object) -> Object:
    """What managers own something of."""
    metadata = {k: v for k, v in (obj.get("metadata") or {}).items() if k not in ("managedFields", "resourceVersion")}
    return {k: v for k, v in obj.items() if k not in ("kind", "apiVersion")} | {"metadata": metadata}


def _result(writing: Writing, body: Object, merged: Object) -> Object:
    names = {"kind": body["kind"], "apiVersion": body["apiVersion"]}
    metadata = dict(merged.get("metadata") or {})
    if writing.manager == KUBECTL and (metadata.get("annotations") or {}).get(LAST_APPLIED):
        metadata["annotations"] = {**metadata["annotations"], LAST_APPLIED: _as_last_applied(body)}
    if version := (body.get("metadata") or {}).get("resourceVersion"):
        metadata["resourceVersion"] = version
    return {**names, **merged, "metadata": metadata}


def _as_last_applied(body: Object) -> str:
    """What kubectl writes into that annotation: all of the body but the annotation itself."""
    metadata = dict(body.get("metadata") or {})
    if "annotations" in metadata:
        metadata["annotations"] = {k: v for k, v in (metadata["annotations"] or {}).items() if k != LAST_APPLIED}
    return dumps({**body, "metadata": metadata}).decode() + "\n"


# --- merging


def merge(live: Any, applied: Any, shape: Shape) -> Any:
    """Both in one; where both have a value of a field, the applied one."""
    if live is ABSENT or applied is ABSENT:
        return applied if live is ABSENT else live
    if of_map(shape) and isinstance(live, dict) and isinstance(applied, dict):
        keys = [*live, *(key for key in applied if key not in live)]
        return {
            key: merge(live.get(key, ABSENT), applied.get(key, ABSENT), child_of(shape, key)) for key in keys
        }
    if of_list(shape) and isinstance(live, list) and isinstance(applied, list):
        return _merge_lists(live, applied, shape)
    return applied


def _merge_lists(live: Sequence[object], applied: Sequence[object], shape: Shape) -> list[Any]:
    """Elements of both stand in the order of the applied list, the others where they were among the stored ones."""
    left, right = [element_of(item, shape) for item in live], [element_of(item, shape) for item in applied]
    stored, given = dict(zip(left, live, strict=True)), dict(zip(right, applied, strict=True))
    shared = deque(element for element in right if element in stored)
    merged: dict[str, Any] = {}
    result: list[Any] = []
    i = j = 0

    def take(element: str) -> None:
        merged[element] = True
        result.append(merge(stored.get(element, ABSENT), given[element], shape.element))
        if shared and shared[0] == element:
            shared.popleft()

    while i < len(left) or j < len(right):
        if i < len(left) and j < len(right):
            if left[i] == right[j]:
                take(left[i])
                i, j = i + 1, j + 1
                continue
            if left[i] in given and shared and shared[0] != left[i]:
                i += 1
                continue
        if i < len(left):
            if left[i] not in given:
                result.append(live[i])
                i += 1
                continue
            if left[i] in merged:
                i += 1
        if j < len(right):
            take(right[j])
            j += 1
    return result


# --- what is no longer applied


def _pruned(merged: Object, last: Paths, entries: list[Entry], shape: Shape) -> Object:
    """Takes out what the manager applied last and nobody owns now."""
    everything = with_named_fields(fields_of(merged, shape), shape)
    last = with_named_fields(last, shape)
    rest = without(merged, last, shape) or {}
    owned = frozenset().union(*(entry.paths for entry in entries)) if entries else frozenset()
    left = with_named_fields(fields_of(rest, shape), shape) | with_named_fields(owned, shape)
    rest = without(merged, everything - left, shape) or {}
    left = with_named_fields(fields_of(rest, shape), shape)
    result: Object = without(merged, (everything - left) & last, shape) or {}
    return result


# --- conflicts


def _last_applied(live: Object, writing: Writing) -> Paths:
    """What `kubectl apply` without --server-side wrote last. When a user changes over to --server-side, kubectl may
    take these fields over, unless somebody has changed them since."""
    text = (live["metadata"].get("annotations") or {}).get(LAST_APPLIED)
    try:
        applied = loads(text) if text else None
    except ValueError:
        return frozenset()
    if not isinstance(applied, dict) or applied.get("apiVersion") != writing.resource.api_version:
        return frozenset()
    shape = writing.resource.shape
    found = compare(_body(applied), _body(live), shape)
    return fields_of(_body(applied), shape) - found.added - found.modified - found.removed


def _refuse_conflicts(changed: set[Path], others: list[Entry], allowed: Paths) -> None:
    conflicts = [
        (entry.label, dotted(path))
        for entry in others for path in sorted(entry.paths & changed) if path not in allowed
    ]  # fmt: skip
    if not conflicts:
        return
    count = f"{len(conflicts)} conflict{'s' if len(conflicts) > 1 else ''}"
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {label}", "field": field}
        for label, field in conflicts
    ]
    message = f"Apply failed with {count}: {_conflict_text(conflicts)}"
    raise ApiStatus(409, "Conflict", message, {"causes": causes})


def _conflict_text(conflicts: list[tuple[str, str]]) -> str:
    if len(conflicts) == 1:
        return f"conflict with {conflicts[0][0]}: {conflicts[0][1]}"
    by_label: dict[str, list[str]] = {}
    for label, field in conflicts:
        by_label.setdefault(label, []).append(field)
    blocks = [
        f"conflicts with {label}:\n" + "\n".join(f"- {field}" for field in fields)
        for label, fields in sorted(by_label.items())
    ]
    return "\n".join(blocks)
