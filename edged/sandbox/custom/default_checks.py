"""Whether the defaults of a schema are values of it. Pure. Source: apiextensions-apiserver's schema/defaulting."""

from __future__ import annotations

from collections.abc import Iterator

from edged.sandbox.custom import causes
from edged.sandbox.custom.embedded import embedded_causes
from edged.sandbox.custom.pruning import EMBEDDED, META_FIELDS, Schema, prune_value
from edged.sandbox.custom.rules import Rules
from edged.sandbox.custom.value_validation import validate
from edged.sandbox.protocol.api_status import Cause


def default_causes(schema: Schema, path: str, *, root: bool = True) -> Iterator[Cause]:
    """What is wrong with the defaults of a structural schema."""
    if schema.get("default") is not None:
        yield from _one(schema, f"{path}.default")
    if isinstance(schema.get("items"), dict):
        yield from default_causes(schema["items"], f"{path}.items", root=False)
    for name, inner in (schema.get("properties") or {}).items():
        if (root or schema.get(EMBEDDED)) and name in META_FIELDS:
            continue
        yield from default_causes(inner, f"{path}.properties[{name}]", root=False)


def _one(schema: Schema, path: str) -> Iterator[Cause]:
    value = schema["default"]
    if prune_value(value, schema) != value:
        yield causes.invalid(path, value, "must not have unknown fields")
    found = list(embedded_causes(value, schema, path)) or validate(value, schema, within=path)
    yield from found or Rules().check(value, value, schema, path=path, root=False)
