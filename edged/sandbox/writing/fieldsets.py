"""Who owns which field: metadata.managedFields, after every write. Pure.

Source: apimachinery/pkg/util/managedfields/internal, and Updater.Update of sigs.k8s.io/structured-merge-diff. Merging
an applied object is in applying.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from edged.sandbox.kinds import stored_form, strategies
from edged.sandbox.kinds.go_types import GoTypes
from edged.sandbox.kinds.resources import Resource
from edged.sandbox.writing.fieldpaths import Difference, Object, Path, Paths, compare, from_fields, to_fields

_NOBODYS: Paths = frozenset(
    [("f:apiVersion",), ("f:kind",), ("f:metadata",)]
    + [("f:metadata", f"f:{name}") for name in (
        "name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation", "managedFields",
        "resourceVersion",
    )]
)  # fmt: skip
"""No manager owns the fields that identify an object or that the server keeps."""
_MOST_UPDATERS = 10
ANCIENT, BEFORE_APPLY = "ancient-changes", "before-first-apply"


@dataclass(frozen=True, slots=True)
class Entry:
    """One element of metadata.managedFields."""

    manager: str
    operation: str
    api_version: str
    subresource: str
    time: str
    paths: Paths

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


@dataclass(frozen=True, slots=True)
class Writing:
    """A write: of what, by whom, when."""

    resource: Resource
    subresource: str
    manager: str
    time: str

    def entry(self, operation: str, paths: Iterable[tuple[str, ...]], time: str = "") -> Entry:
        owned = (path for path in paths if strategies.owned(self.resource, self.subresource, path))
        kept = frozenset(owned) - _NOBODYS
        return Entry(self.manager, operation, self.resource.api_version, self.subresource, time, kept)

    def difference(self, old: Object, new: Object) -> Difference:
        """Of what this request may write."""
        found = compare(_unmanaged(old), _unmanaged(new), self.resource.shape)
        for paths in (found.added, found.modified, found.removed):
            paths -= {path for path in paths if not strategies.owned(self.resource, self.subresource, path)}
        return found


def _unmanaged(obj: Object) -> Object:
    """Without managedFields, and without the names of its type, which may be of another version."""
    body = {key: value for key, value in obj.items() if key not in ("kind", "apiVersion")}
    metadata = {k: v for k, v in (obj.get("metadata") or {}).items() if k != "managedFields"}
    return body | {"metadata": metadata}


def nothing(resource: Resource, types: GoTypes) -> Object:
    """What a new object is compared with."""
    empty: Object = {} if resource.custom else stored_form.of({}, resource.go_type, types)
    return empty


# --- metadata.managedFields


def read_entries(obj: Object | None) -> list[Entry]:
    """metadata.managedFields; none if one of them cannot be read."""
    entries = []
    for raw in (obj or {}).get("metadata", {}).get("managedFields") or ():
        if not isinstance(raw, dict) or raw.get("operation") not in ("Apply", "Update"):
            return []
        if not raw.get("apiVersion") or raw.get("fieldsType") != "FieldsV1":
            return []
        fields = raw.get("fieldsV1")
        entries.append(Entry(
            raw.get("manager") or "", raw["operation"], raw["apiVersion"], raw.get("subresource") or "",
            raw.get("time") or "", from_fields(fields) if isinstance(fields, dict) else frozenset(),
        ))  # fmt: skip
    return entries


def write_entries(obj: Object, entries: list[Entry]) -> None:
    rows = []
    for entry in sorted(entries, key=_order):
        row: Object = {"manager": entry.manager, "operation": entry.operation, "apiVersion": entry.api_version}
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


def _order(entry: Entry) -> tuple[str, ...]:
    return entry.operation, entry.time, entry.manager, entry.api_version, entry.subresource


# --- updates


def track(old: Object | None, new: Object, writing: Writing, types: GoTypes) -> None:
    """Brings `new`'s managedFields up to date after a create, an update or a patch."""
    given = new["metadata"].get("managedFields")
    if writing.subresource:
        entries = read_entries(old)
    elif given == [{}] or (given == [] and not writing.resource.custom):
        entries = []  # the client clears them
    else:
        entries = read_entries(new) or read_entries(old)
    if old is not None and not entries:
        new["metadata"].pop("managedFields", None)  # an object that is not tracked stays so until it is applied
        return
    if writing.subresource == "scale" and not any(replicas_path(writing.resource) in each.paths for each in entries):
        write_entries(new, entries)  # a Scale shows who owns its replicas, and like every object is tracked if anybody
        return
    write_entries(new, updated(old, new, entries, writing, types))


def replicas_path(resource: Resource) -> Path:
    """The field that a Scale is about."""
    where = (resource.scale or {}).get("specReplicasPath") or ".spec.replicas"
    return tuple(f"f:{name}" for name in where.lstrip(".").split("."))


def updated(
    old: Object | None, new: Object, entries: list[Entry], writing: Writing, types: GoTypes
) -> list[Entry]:
    """The entries after a write that is no apply. A change takes the field from everybody else."""
    found = writing.difference(nothing(writing.resource, types) if old is None else old, new)
    result = released(entries, found)
    mine = writing.entry("Update", found.added | found.modified, writing.time)
    if mine.paths:
        own = next((entry for entry in result if entry.same_writer(mine)), None)
        if own is not None:
            result.remove(own)
            mine = replace(mine, paths=mine.paths | own.paths)
        result.append(mine)
    return _capped(result)


def released(entries: list[Entry], found: Difference) -> list[Entry]:
    """The entries without what was changed or taken away; empty ones go."""
    gone = found.added | found.modified | found.removed
    left = (replace(entry, paths=entry.paths - gone) for entry in entries)
    return [entry for entry in left if entry.paths]


def _capped(entries: list[Entry]) -> list[Entry]:
    """Of more than ten updaters the oldest of one version become one entry."""
    updaters = sorted((e for e in entries if e.operation == "Update"), key=lambda e: (e.time, e.manager))
    surplus, first, buckets = len(updaters) - _MOST_UPDATERS, dict[str, Entry](), dict[str, Entry]()
    gone: list[Any] = []
    for entry in updaters:
        if surplus <= 0:
            break
        version = entry.api_version
        if version not in first:
            first[version] = entry
            continue
        bucket = buckets.get(version) or replace(first[version], manager=ANCIENT, subresource="")
        buckets[version] = replace(bucket, paths=bucket.paths | entry.paths, time=entry.time)
        gone += [first[version], entry]
        surplus -= 1
    return [entry for entry in entries if entry not in gone] + list(buckets.values())
