"""Lists of type set and map hold nothing twice. Pure. Source: apiextensions-apiserver's schema/listtype."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any

from edged.sandbox.custom import causes
from edged.sandbox.custom.causes import go_json
from edged.sandbox.custom.pruning import Schema
from edged.sandbox.protocol.api_status import Cause


def repeated(value: object, schema: Schema | None, path: str = "") -> Iterator[Cause]:
    """What is there twice, once for each."""
    if schema is None:
        return
    if isinstance(value, list):
        yield from _in_list(value, schema, path)
    elif isinstance(value, dict):
        properties, more = schema.get("properties") or {}, schema.get("additionalProperties")
        for key, item in value.items():
            if isinstance(more, dict):
                yield from repeated(item, more, f"{path}[{key}]")
            if key in properties:
                yield from repeated(item, properties[key], f"{path}.{key}" if path else key)


def _in_list(value: list[Any], schema: Schema, path: str) -> Iterator[Cause]:
    kind, items = schema.get("x-kubernetes-list-type"), schema.get("items")
    if kind == "set":
        for index in _twice(value):
            yield causes.duplicate(f"{path}[{index}]", value[index])
    elif kind == "map":
        yield from _in_map(value, schema.get("x-kubernetes-list-map-keys") or [], path)
    if isinstance(items, dict):
        for index, item in enumerate(value):
            yield from repeated(item, items, f"{path}[{index}]")


def _in_map(value: list[Any], keys: list[str], path: str) -> Iterator[Cause]:
    for index, item in enumerate(value):
        if item is not None and not isinstance(item, dict):
            yield causes.invalid(f"{path}[{index}]", item, "must be an object for an array of list-type map")
            return
    found = [{key: item[key] for key in keys if key in item} if item else {} for item in value]
    for index in _twice(found):
        yield causes.duplicate(f"{path}[{index}]", found[index])


def _twice(items: list[Any]) -> Iterator[int]:
    """Where each value that is there more than once is there for the second time."""
    seen: dict[Hashable, int] = {}
    for index, item in enumerate(items):
        identity = go_json(item)
        seen[identity] = seen.get(identity, 0) + 1
        if seen[identity] == 2:
            yield index
