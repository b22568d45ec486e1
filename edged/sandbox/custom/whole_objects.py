"""A custom resource as it is read: without unknown fields and nulls, with defaults, numbers as Go writes them. Pure."""

from __future__ import annotations

from typing import Any

from edged.sandbox.custom.defaulting import with_defaults
from edged.sandbox.custom.pruning import Object, Schema, prune, without_nulls


def pruned(obj: Object, schema: Schema) -> tuple[Object, list[str]]:
    """The object without what its schema does not have, and the paths of the fields that are gone."""
    kept, gone = prune(obj, schema)
    result: Object = without_nulls(kept, schema)
    return result, gone


def completed(obj: Object, schema: Schema) -> Object:
    """With the defaults of its schema."""
    full: Object = with_defaults(obj, schema)
    return full


def as_stored(value: Any) -> Any:
    """Whole floats become integers: Go's JSON has no other form of them."""
    if isinstance(value, dict):
        return {key: as_stored(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [as_stored(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1 << 63 else value
