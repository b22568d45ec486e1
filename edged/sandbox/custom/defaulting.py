"""Fills in `default`s of a schema. Pure; results are new objects.

Source: apiextensions-apiserver's schema/defaulting.
"""

from __future__ import annotations

from typing import Any

from edged.json_text import dumps, loads
from edged.sandbox.custom.pruning import Schema


def with_defaults(value: object, schema: Schema | None) -> Any:
    """The value with the defaults of what is absent; null for what is not nullable counts as absent."""
    if schema is None:
        return value
    if isinstance(value, list):
        items = schema.get("items")
        if not isinstance(items, dict):
            return value
        return [with_defaults(_replaced(item, items), items) for item in value]
    if not isinstance(value, dict):
        return value
    properties, more = schema.get("properties") or {}, schema.get("additionalProperties")
    result = dict(value)
    for name, inner in properties.items():
        if "default" in inner and (name not in result or _is_unwanted_null(result[name], inner)):
            result[name] = _copy(inner["default"])
    for name, item in result.items():
        if name in properties:
            result[name] = with_defaults(item, properties[name])
        elif isinstance(more, dict):
            result[name] = with_defaults(_replaced(item, more), more)
    return result


def _replaced(item: object, schema: Schema) -> Any:
    return _copy(schema.get("default")) if _is_unwanted_null(item, schema) else item


def _is_unwanted_null(item: object, schema: Schema) -> bool:
    return item is None and not schema.get("nullable")


def _copy(value: object) -> Any:
    return loads(dumps(value))
