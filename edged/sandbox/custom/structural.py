"""Whether a schema is structural: every field has a type, and what combines schemas only restricts. Pure.

Source: apiextensions-apiserver's apiserver/schema/validation.go and complete.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from edged.sandbox.custom import causes
from edged.sandbox.custom.patterns import problem
from edged.sandbox.custom.pruning import EMBEDDED, PRESERVE, Schema
from edged.sandbox.custom.results import INT_OR_STRING
from edged.sandbox.protocol.api_status import Cause

_UNSUPPORTED = ("id", "$schema", "$ref", "patternProperties", "dependencies", "additionalItems", "definitions")
_EITHER = [{"type": "integer"}, {"type": "string"}]
_EMPTY_TYPE = {"root": "must not be empty at the root", "item": "must not be empty for specified array items",
               "field": "must not be empty for specified object fields"}  # fmt: skip
_NESTED = (
    ("type", "must be empty to be structural"), ("additionalProperties", "must be undefined to be structural"),
    ("default", "must be undefined to be structural"), ("title", "must be empty to be structural"),
    ("description", "must be empty to be structural"), ("nullable", "must be false to be structural"),
    (PRESERVE, "must be false to be structural"), (EMBEDDED, "must be false to be structural"),
    (INT_OR_STRING, "must be false to be structural"), ("x-kubernetes-list-map-keys", "must be empty to be structural"),
    ("x-kubernetes-list-type", "must be undefined to be structural"),
    ("x-kubernetes-map-type", "must be undefined to be structural"),
    ("x-kubernetes-validations", "must be empty to be structural"),
)  # fmt: skip
"""What a schema within anyOf, allOf, oneOf and not may not have."""
_JUNCTORS = ("anyOf", "allOf", "oneOf")


def unsupported(schema: object) -> str:
    """What keeps a schema from being looked at further; "" for nothing."""
    if not isinstance(schema, dict):
        return ""
    for name in _UNSUPPORTED:
        if schema.get(name) not in (None, "", {}):
            return f"OpenAPIV3Schema '{name.removeprefix('$') if name == '$schema' else name}' is not supported"
    if isinstance(schema.get("items"), list):
        return "OpenAPIV3Schema 'items' must be a schema, but is an array"
    below = [schema.get("items"), schema.get("additionalProperties"), schema.get("not")]
    below += (schema.get("properties") or {}).values()
    below += (each for name in _JUNCTORS for each in schema.get(name) or ())
    return next(filter(None, map(unsupported, below)), "")


def structural_causes(schema: Schema, path: str) -> list[Cause]:
    """In the order of their texts."""
    found = [*_invariants(schema, "root", path), *_values_complete(schema, schema, path, path)]
    return sorted(found, key=str)


def _invariants(s: Schema, level: str, path: str) -> Iterator[Cause]:
    kind, items, more = s.get("type") or "", s.get("items"), s.get("additionalProperties")
    if kind == "array" and items is None:
        yield causes.required(f"{path}.items", "must be specified")
    if isinstance(items, dict):
        yield from _invariants(items, "item", f"{path}.items")
    for name, inner in (s.get("properties") or {}).items():
        yield from _invariants(inner, "field", f"{path}.properties[{name}]")
    if more is not None:
        if level == "root":
            yield causes.forbidden(f"{path}.additionalProperties", "must not be used at the root")
        if isinstance(more, dict):
            yield from _invariants(more, "field", f"{path}.additionalProperties")
    yield from _extensions(s, path)
    yield from _value_validation(s, path, skip_any=_is_either(s.get("anyOf")), skip_first=_first_is_either(s))
    yield from _types(s, level, path)
    yield from _meta(s, level, path)


def _is_either(any_of: Any) -> bool:
    return isinstance(any_of, list) and any_of == _EITHER


def _first_is_either(s: Schema) -> bool:
    all_of = s.get("allOf") or [{}]
    return _is_either(all_of[0].get("anyOf"))


def _extensions(s: Schema, path: str) -> Iterator[Cause]:
    if s.get(INT_OR_STRING):
        for name in (PRESERVE, EMBEDDED):
            if s.get(name):
                yield causes.invalid(f"{path}.{name}", True, f"must be false if {INT_OR_STRING} is true")


def _types(s: Schema, level: str, path: str) -> Iterator[Cause]:
    kind, where = s.get("type") or "", f"{path}.type"
    if s.get(EMBEDDED) and kind != "object":
        why = f"must be object if {EMBEDDED} is true"
        yield causes.invalid(where, kind, why) if kind else causes.required(where, why)
    elif not kind and not s.get(INT_OR_STRING) and not s.get(PRESERVE):
        yield causes.required(where, _EMPTY_TYPE[level])
    if s.get(EMBEDDED) and s.get("additionalProperties") is not None:
        yield causes.forbidden(f"{path}.additionalProperties", f"must not be used if {EMBEDDED} is set")
    if level == "root" and kind and kind != "object":
        yield causes.invalid(where, kind, "must be object at the root")


def _meta(s: Schema, level: str, path: str) -> Iterator[Cause]:
    properties, checked = s.get("properties") or {}, level == "root" or bool(s.get(EMBEDDED))
    for name in ("kind", "apiVersion"):
        if checked and name in properties and properties[name].get("type") != "string":
            yield causes.invalid(
                f"{path}.properties[{name}].type", properties[name].get("type") or "", "must be string"
            )
    metadata, where = properties.get("metadata"), f"{path}.properties[metadata]"
    if metadata is not None:
        if checked and metadata.get("type") != "object":
            yield causes.invalid(f"{where}.type", metadata.get("type") or "", "must be object")
        inner = (metadata.get("properties") or {}).keys() - {"name", "generateName"}
        others = metadata.keys() - {"type", "properties", "default"}
        if level == "root" and (inner or any(metadata[each] for each in others)):
            why = "must not specify anything other than name and generateName, but metadata is implicitly specified"
            yield causes.forbidden(where, why)
    if s.get(EMBEDDED) and not s.get(PRESERVE) and not properties:
        why = f"must not be empty if {EMBEDDED} is true without {PRESERVE}"
        yield causes.required(f"{path}.properties", why)


def _value_validation(s: Schema, path: str, *, skip_any: bool, skip_first: bool) -> Iterator[Cause]:
    for name in _JUNCTORS:
        for index, inner in enumerate(s.get(name) or ()):
            if name == "anyOf" and skip_any:
                continue
            first = name == "allOf" and skip_first and index == 0
            yield from _nested(inner, f"{path}.{name}[{index}]", skip_any=first)
    if isinstance(s.get("not"), dict):
        yield from _nested(s["not"], f"{path}.not")
    if s.get("pattern") and (why := problem(s["pattern"])):
        yield causes.invalid(f"{path}.pattern", s["pattern"], f"must be a valid regular expression, but isn't: {why}")


def _nested(s: Schema, path: str, *, skip_any: bool = False) -> Iterator[Cause]:
    yield from _value_validation(s, path, skip_any=skip_any, skip_first=False)
    if isinstance(s.get("items"), dict):
        yield from _nested(s["items"], f"{path}.items")
    for name, inner in (s.get("properties") or {}).items():
        yield from _nested(inner, f"{path}.properties[{name}]")
    for name, why in _NESTED:
        value = s.get(name)
        if value is not None if name in ("default", "additionalProperties") else value:
            yield causes.forbidden(f"{path}.{name}", why)
    if "metadata" in (s.get("properties") or {}):
        yield causes.forbidden(f"{path}.properties[metadata]", "must not be specified in a nested context")


# --- every restriction is of something that is there


def _values_complete(v: Schema, s: Schema, s_path: str, v_path: str) -> Iterator[Cause]:
    if isinstance(v.get("not"), dict):
        yield from _complete(v["not"], s, s_path, f"{v_path}.not")
    for name in ("allOf", "anyOf", "oneOf"):
        for index, inner in enumerate(v.get(name) or ()):
            yield from _complete(inner, s, s_path, f"{v_path}.{name}[{index}]")


def _complete(v: Schema, s: Schema | None, s_path: str, v_path: str) -> Iterator[Cause]:
    if s is None:
        yield causes.required(s_path, f"because it is defined in {v_path}")
        return
    yield from _values_complete(v, s, s_path, v_path)
    if isinstance(v.get("items"), dict):
        yield from _complete(v["items"], s.get("items"), f"{s_path}.items", f"{v_path}.items")
    for name, inner in (v.get("properties") or {}).items():
        below = (s.get("properties") or {}).get(name)
        yield from _complete(inner, below, f"{s_path}.properties[{name}]", f"{v_path}.properties[{name}]")
