"""Tables: the rows that `kubectl get` prints. Pure; `now` is seconds since the epoch.

The columns of built-in kinds are in kinds/columns.json, which a real API server wrote, their cells in the folder cells;
custom resources have what their additionalPrinterColumns say.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial
from importlib import resources
from typing import Any

from edged.json_text import loads
from edged.sandbox.cluster import event_core
from edged.sandbox.kinds.resources import Resource
from edged.sandbox.protocol.negotiation import PLAIN, TableForm
from edged.sandbox.reading import printer_columns
from edged.sandbox.reading.cells import CELLS, DEFAULT
from edged.sandbox.reading.cells.pods import row_conditions
from edged.sandbox.reading.cells.values import CREATED, Cell, Object
from edged.sandbox.reading.cells.volumes import default_class

SCALE = "Scale.autoscaling"
INITIAL_EVENTS_END = "k8s.io/initial-events-end"


@dataclass(frozen=True, slots=True)
class Columns:
    """`definitions`: columnDefinitions of a Table. `cells`: how each cell of a row is made."""

    definitions: list[Object]
    cells: tuple[Cell, ...]


def table(
    columns: Columns, kind: str, objects: list[Object], metadata: Object, now: float, form: TableForm = PLAIN
) -> Object:
    """A Table of those objects, whose kind is `kind`; `metadata` is that of the Table."""
    rows: list[Object] | None = [_row(columns, kind, obj, now, form) for obj in objects]
    if form.listed and kind == "StorageClass":
        _mark_default(rows or [], objects)
    if not rows and CREATED in columns.cells:
        rows = None  # so the API server's convertors of these kinds answer
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{form.version}",
        "metadata": metadata,
        "columnDefinitions": columns.definitions if form.headers else None,
        "rows": rows,
    }


def _row(columns: Columns, kind: str, obj: Object, now: float, form: TableForm) -> Object:
    known = event_core(obj) if kind == "Event" else obj
    row: Object = {"cells": [cell(known, now) for cell in columns.cells]}
    conditions = row_conditions(kind, obj)
    if conditions:
        row["conditions"] = conditions
    row["object"] = None
    if form.include == "Object":
        row["object"] = obj
    elif form.include != "None" or _ends_initial_events(obj):
        row["object"] = metadata_only(obj, form.version)
    return row


def _ends_initial_events(obj: Object) -> bool:
    """Whether it is the bookmark after the objects that were there: clients look for its annotation."""
    return INITIAL_EVENTS_END in (obj["metadata"].get("annotations") or ())


def _mark_default(rows: list[Object], classes: list[Object]) -> None:
    name = default_class(classes)
    for row in rows:
        if name and row["cells"][0] == name:
            row["cells"][0] = f"{name} (default)"


def metadata_only(obj: Object, version: str = "v1") -> Object:
    """The object as PartialObjectMetadata."""
    return {
        "kind": "PartialObjectMetadata", "apiVersion": f"meta.k8s.io/{version}", "metadata": obj.get("metadata") or {},
    }  # fmt: skip


def columns_of(resource: Resource) -> Columns:
    """What the kind's tables have."""
    if resource.custom:
        return _custom(resource.columns or (_AGE,))
    key = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    return _builtin(key)


def scale_columns(resource: Resource) -> Columns:
    """What the tables of the kind's scale subresource have."""
    if not resource.custom:
        return _builtin(SCALE)
    scale = resource.scale or {}
    replicas = (
        ("Desired", ".spec.replicas", "Number of desired replicas", "specReplicasPath"),
        ("Available", ".status.replicas", "Number of actual replicas", "statusReplicasPath"),
    )
    return _custom((
        *({"name": name, "type": "integer", "description": told, "jsonPath": path}
          for name, path, told, needs in replicas if scale.get(needs)),
        _AGE,
    ))  # fmt: skip


def _builtin(key: str) -> Columns:
    said, cells = _said().get(key), CELLS.get(key)
    if said is None or cells is None:
        return Columns([_NAME, _CREATED], DEFAULT)
    return Columns(said, cells)


def _custom(columns: tuple[Object, ...]) -> Columns:
    cells = (partial(printer_columns.cell, column) for column in printer_columns.readable(columns))
    return Columns([_NAME, *printer_columns.definitions(columns)], (DEFAULT[0], *cells))


@lru_cache(maxsize=1)
def _said() -> dict[str, list[Object]]:
    text = resources.files("edged.sandbox.kinds").joinpath("columns.json").read_bytes()
    names = ("name", "type", "format", "description", "priority")
    found: dict[str, list[list[Any]]] = loads(text)
    return {kind: [dict(zip(names, column, strict=True)) for column in columns] for kind, columns in found.items()}


_NAME = _said()["LimitRange"][0]
_CREATED = _said()["LimitRange"][1]
_AGE: Object = {
    "name": "Age", "type": "date", "description": _CREATED["description"], "jsonPath": ".metadata.creationTimestamp",
}  # fmt: skip
