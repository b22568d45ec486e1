"""Server-side apply: who owns which field (managedFields), merging an applied object, conflicts. Pure.

A field set is a set of paths; a path is a tuple of FieldsV1 elements: `f:name`, `k:{"name":"c"}` (an element of a list
with keys), `v:"x"` (an element of a set). Lists and maps that the type calls atomic are one field. Source of the
format: sigs.k8s.io/structured-merge-diff, fieldpath.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from edged.json_text import dumps, loads
from edged.sandbox.kinds.go_types import ANY, Shape
from edged.sandbox.protocol.api_status import ApiStatus

Object = dict[str, Any]
Path = tuple[str, ...]
# No manager owns the fields that identify an object or that the server keeps.
_UNOWNED = {
    "name", "namespace", "uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "selfLink",
    "deletionTimestamp", "deletionGracePeriodSeconds",
}  # fmt: skip
KUBECTL = "kubectl"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_BRANCH = object()  # stands for the value of a path that has children, and is the same in every object


@dataclass(frozen=True, slots=True)
class Entry:
    """One element of metadata.managedFields."""

    manager: str
    operation: str
    api_version: str
    subresource: str
    time: str
    paths: frozenset[Path]

    @property
    def label(self) -> str:
        """The manager as a conflict's message names it."""
        text = f'"{self.manager}"'
        if self.subresource:
            text += f' with subresource "{self.subresource}"'
        return text if self.operation == "Apply" else f"{text} using {self.api_version}"

    def same_writer(self, other: Entry) -> bool:
        mine = (self.manager, self.operation, self.subresource)
        return mine == (other.manager, other.operation, other.subresource) and (
            self.operation == "Apply" or self.api_version == other.api_version
        )


# --- paths


def paths_of(obj: Object, shape: Shape) -> dict[Path, Any]:
    """Every owned field of an object and its value."""
    body = {key: value for key, value in obj.items() if key not in ("apiVersion", "kind", "metadata")}
    metadata = {k: v for k, v in (obj.get("metadata") or {}).items() if k not in _UNOWNED and v is not None}
    values: dict[Path, Any] = {}
    for key, value in body.items():
        _collect(value, shape.child(key) or ANY, (f"f:{key}",), values)
    for key, value in metadata.items():
        child = (shape.child("metadata") or ANY).child(key) or ANY
        _collect(value, child, ("f:metadata", f"f:{key}"), values)
    return values


def _collect(value: Any, shape: Shape, path: Path, values: dict[Path, object]) -> None:
    granular_map = isinstance(value, dict) and (shape is ANY or not shape.atomic)
    if granular_map and value:
        for key, item in value.items():
            _collect(item, shape.child(key) or ANY, (*path, f"f:{key}"), values)
    elif isinstance(value, list) and shape.kind == "list" and shape.list_type in ("map", "set") and value:
        for item in value:
            _collect_element(item, shape, path, values)
    else:
        values[path] = value


def _collect_element(item: object, shape: Shape, path: Path, values: dict[Path, object]) -> None:
    where = (*path, element_of(item, shape))
    if shape.list_type == "set" or not isinstance(item, dict):
        values[where] = item
        return
    values[where] = _BRANCH
    for key, value in item.items():
        _collect(value, shape.element.child(key) or ANY, (*where, f"f:{key}"), values)


def element_of(item: object, shape: Shape) -> str:
    """The path element of a list item. A protocol that is left out is TCP, as the schema's default says."""
    if shape.list_type == "set" or not isinstance(item, dict):
        return "v:" + dumps(item).decode()
    keys = {key: item.get(key, "TCP" if key == "protocol" else None) for key in shape.keys}
    present = {key: value for key, value in sorted(keys.items()) if value is not None}
    return "k:" + dumps(present).decode()


def to_fields(paths: frozenset[Path]) -> Object:
    """A path set as FieldsV1."""
    root: Object = {}
    for path in sorted(paths):
        node = root
        for element in path:
            node = node.setdefault(element, {})
        node["."] = {}
    return _compact(root)


def _compact(node: Object) -> Object:
    """A leaf is `{}`. A node with children that is itself a member of the set is marked with `.`."""
    if set(node) == {"."}:
        return {}
    return {key: _compact(value) if key != "." else {} for key, value in node.items()}


def from_fields(fields: Object) -> frozenset[Path]:
    """FieldsV1 as a path set."""
    paths: set[Path] = set()

    def walk(node: Object, path: Path) -> None:
        if not node and path:
            paths.add(path)
        for key, value in node.items():
            if key == ".":
                paths.add(path)
            elif isinstance(value, dict):
                walk(value, (*path, key))

    walk(fields, ())
    return frozenset(paths)


# --- bookkeeping


def read_entries(obj: Object) -> list[Entry]:
    """metadata.managedFields; entries that cannot be read are left out."""
    entries = []
    for raw in obj["metadata"].get("managedFields") or ():
        if isinstance(raw, dict) and isinstance(raw.get("fieldsV1"), dict):
            entries.append(Entry(
                raw.get("manager") or "", raw.get("operation") or "", raw.get("apiVersion") or "",
                raw.get("subresource") or "", raw.get("time") or "", from_fields(raw["fieldsV1"]),
            ))  # fmt: skip
    return entries


def _write_entries(obj: Object, entries: list[Entry]) -> None:
    rows = []
    for entry in entries:
        if not entry.paths:
            continue
        row: Object = {
            "manager": entry.manager,
            "operation": entry.operation,
            "apiVersion": entry.api_version,
        }
        if entry.time:
            row["time"] = entry.time
        row |= {"fieldsType": "FieldsV1", "fieldsV1": to_fields(entry.paths)}
        if entry.subresource:
            row["subresource"] = entry.subresource
        rows.append(row)
    if rows:
        obj["metadata"]["managedFields"] = rows
    else:
        obj["metadata"].pop("managedFields", None)


def track(
    old: Object | None,
    new: Object,
    shape: Shape,
    *,
    manager: str,
    api_version: str,
    subresource: str,
    applied: Object | None,
    time: str,
) -> None:
    """Brings `new`'s managedFields up to date after a write. `applied` is the body of a server-side apply."""
    before = paths_of(old, shape) if old is not None else {}
    after = paths_of(new, shape)
    changed = {path for path, value in after.items() if path not in before or before[path] != value}
    gone = before.keys() - after.keys()
    entries = read_entries(new)
    if applied is not None:
        mine = frozenset(paths_of(applied, shape)) & after.keys()
        writer = Entry(manager, "Apply", api_version, subresource, time, frozenset(mine))
    elif changed or gone:
        writer = Entry(manager, "Update", api_version, subresource, time, frozenset(changed))
    else:
        return
    _write_entries(new, _merged_entries(entries, writer, frozenset(changed), frozenset(gone)))


def _merged_entries(
    entries: list[Entry], writer: Entry, changed: frozenset[Path], gone: frozenset[Path]
) -> list[Entry]:
    result, own = [], None
    taken = writer.paths & changed if writer.operation == "Apply" else changed
    for entry in entries:
        if entry.same_writer(writer):
            own = entry
        else:
            result.append(replace(entry, paths=entry.paths - taken - gone))
    if own is not None:
        paths = writer.paths if writer.operation == "Apply" else (own.paths | writer.paths) - gone
        writer = own if paths == own.paths and not changed else replace(writer, paths=paths)
    order = [*result, writer]
    return sorted(order, key=lambda e: (e.operation, e.time, e.manager))


# --- apply


def apply(
    live: Object, body: Object, shape: Shape, manager: str, *, api_version: str, subresource: str, force: bool
) -> Object:
    """`live` with the applied body merged in, and without what this manager applied before and no longer does.
    Raises 409 when another manager owns a field that would change."""
    mine = paths_of(body, shape)
    present = paths_of(live, shape)
    writer = Entry(manager, "Apply", api_version, subresource, "", frozenset(mine))
    entries = read_entries(live)
    others = [entry for entry in entries if not entry.same_writer(writer)]
    if not force:
        settled = _last_applied(live, shape) if manager == KUBECTL else {}
        disputed = {path: value for path, value in mine.items() if settled.get(path, _BRANCH) != present.get(path)}
        _refuse_conflicts(disputed, present, others)
    merged: Object = merge(live, body, shape)
    if manager == KUBECTL and LAST_APPLIED in (merged["metadata"].get("annotations") or {}):
        text = dumps(body).decode() + "\n"
        merged["metadata"]["annotations"] = {**merged["metadata"]["annotations"], LAST_APPLIED: text}
    version = (body.get("metadata") or {}).get("resourceVersion")
    merged["metadata"].pop("resourceVersion", None)
    if version:
        merged["metadata"]["resourceVersion"] = version
    merged["metadata"]["managedFields"] = live["metadata"].get("managedFields") or []
    owned = frozenset().union(*(entry.paths for entry in others)) if others else frozenset()
    for entry in entries:
        if entry.same_writer(writer):
            _drop(merged, entry.paths - mine.keys(), owned, shape)
    return merged


def _last_applied(live: Object, shape: Shape) -> dict[Path, Any]:
    """What `kubectl apply` without --server-side wrote last. When a user changes over to --server-side, kubectl may
    take these fields over, unless somebody has changed them since."""
    text = (live["metadata"].get("annotations") or {}).get(LAST_APPLIED)
    try:
        applied = loads(text) if text else None
    except ValueError:
        return {}
    return paths_of(applied, shape) if isinstance(applied, dict) else {}


def _refuse_conflicts(mine: dict[Path, object], present: dict[Path, object], others: list[Entry]) -> None:
    conflicts: list[tuple[str, str]] = []
    for entry in others:
        for path in sorted(entry.paths & mine.keys()):
            if path in present and present[path] != mine[path]:
                conflicts.append((entry.label, _dotted(path)))
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
        f"conflicts with {label}:\n" + "\n".join(f"- {field}" for field in fields) for label, fields in by_label.items()
    ]
    return "\n".join(blocks)


def _dotted(path: Path) -> str:
    """`.spec.containers[name="c"].image`"""
    text = ""
    for element in path:
        kind, _, rest = element.partition(":")
        if kind == "f":
            text += f".{rest}"
        elif kind == "k":
            keys = loads(rest)
            text += "[" + ",".join(f"{k}={dumps(v).decode()}" for k, v in keys.items()) + "]"
        else:
            text += f"[={rest}]"
    return text


def merge(live: object, applied: object, shape: Shape) -> Any:
    """What is there with what is applied in it: maps and lists that the type does not call atomic are merged."""
    if isinstance(applied, dict) and isinstance(live, dict) and (shape is ANY or not shape.atomic):
        result = dict(live)
        for key, value in applied.items():
            result[key] = merge(live.get(key), value, shape.child(key) or ANY)
        return result
    if isinstance(applied, list) and isinstance(live, list) and shape.kind == "list" and shape.list_type != "atomic":
        return _merge_list(live, applied, shape)
    return applied


def _merge_list(live: Sequence[object], applied: Sequence[object], shape: Shape) -> list[Any]:
    by_element = {element_of(item, shape): index for index, item in enumerate(live)}
    result = list(live)
    for item in applied:
        index = by_element.get(element_of(item, shape))
        if index is None:
            result.append(item)
        elif shape.list_type == "map":
            result[index] = merge(result[index], item, shape.element)
    return result


def _drop(obj: Object, paths: frozenset[Path], owned: frozenset[Path], shape: Shape) -> None:
    """Removes each of the paths unless another manager owns it or something below it."""
    prefixes = {path[:length] for path in owned for length in range(1, len(path) + 1)}
    # Short paths first: a list element is found by its keys, so it must go before they do.
    for path in sorted(paths, key=len):
        if path not in prefixes:
            _remove(obj, path, shape)


def _remove(node: object, path: Path, shape: Shape) -> None:
    element, rest = path[0], path[1:]
    if element.startswith("f:") and isinstance(node, dict):
        key = element[2:]
        if key in node:
            if rest:
                _remove(node[key], rest, shape.child(key) or ANY)
            else:
                del node[key]
    elif isinstance(node, list):
        for index, item in enumerate(node):
            if element_of(item, shape) == element:
                if rest:
                    _remove(item, rest, shape.element)
                else:
                    del node[index]
                return
