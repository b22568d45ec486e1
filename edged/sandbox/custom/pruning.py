"""Fields that a schema does not have are dropped. Pure; results are new objects.

Source: apiextensions-apiserver's schema/pruning and schema/defaulting/prunenulls.
"""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]
Schema = dict[str, Any]
PRESERVE = "x-kubernetes-preserve-unknown-fields"
EMBEDDED = "x-kubernetes-embedded-resource"
META_FIELDS = ("apiVersion", "kind", "metadata")


def prune(obj: Object, schema: Schema) -> tuple[Object, list[str]]:
    """The object without what its schema does not have, and the paths of that, in order."""
    gone: list[str] = []
    return _pruned(obj, {**schema, EMBEDDED: True}, "", gone), sorted(gone)


def prune_value(value: object, schema: Schema) -> Any:
    """Any value without what its schema does not have."""
    return _pruned(value, schema, "", [])


def _pruned(value: object, schema: Schema | None, path: str, gone: list[str]) -> Any:
    if isinstance(value, list):
        items = (schema or {}).get("items")
        if items is None and schema is not None and schema.get(PRESERVE):
            return value
        return [_pruned(item, items, f"{path}[{i}]", gone) for i, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    schema = schema or {}
    kept: Object = {}
    for key, item in value.items():
        where = f"{path}.{key}" if path else key
        below = _below(schema, key)
        if schema.get(EMBEDDED) and key in META_FIELDS:
            kept[key] = item
        elif below is not None:
            kept[key] = _pruned(item, below, where, gone)
        elif schema.get(PRESERVE):
            kept[key] = item
        else:
            gone.append(where)
    return kept


def _below(schema: Schema, key: str) -> Schema | None:
    """The schema of a field; {} for any value, None where there is none."""
    properties, more = schema.get("properties") or {}, schema.get("additionalProperties")
    if key in properties:
        found: Schema = properties[key]
        return found
    if isinstance(more, dict):
        return more
    # A boolean keeps the field, but no schema stands for what is in it; `false` is for the validation to refuse.
    return None if more is None else {}


def without_nulls(value: object, schema: Schema | None) -> Any:
    """Drops nulls of fields that are not nullable and have no default."""
    if schema is None:
        return value
    if isinstance(value, list):
        items = schema.get("items")
        return [without_nulls(item, items) for item in value] if isinstance(items, dict) else value
    if not isinstance(value, dict):
        return value
    kept: Object = {}
    for key, item in value.items():
        below = (schema.get("properties") or {}).get(key)
        if below is None and isinstance(schema.get("additionalProperties"), dict):
            below = schema["additionalProperties"]
        if item is None and below is not None and not below.get("nullable") and "default" not in below:
            continue
        kept[key] = without_nulls(item, below)
    return kept
