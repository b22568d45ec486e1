"""The OpenAPI document of version 2, with custom resources in it. Pure.

Version 2 has no words for what is nullable or of several types, so their schemas say less there. Source:
apiextensions-apiserver's pkg/controller/openapi/v2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edged.json_text import dumps, loads
from edged.sandbox.kinds.openapi_documents import V2, documents
from edged.sandbox.kinds.resources import Resource
from edged.sandbox.protocol.custom_openapi import (
    PRESERVE,
    Object,
    document_of,
    filled,
    names_of,
    published,
    served_paths,
)

_OF_V3, _OF_V2 = "#/components/schemas/", "#/definitions/"
_LEFT_OUT = ("allOf", "oneOf", "anyOf", "not", "nullable")


def document(resources: Sequence[Resource]) -> bytes:
    """The built-in document with these custom resources."""
    if not resources:
        return documents()[V2]
    whole: Object = loads(documents()[V2])
    for resource in resources:
        whole["definitions"] |= _definitions(resource)
        whole["paths"] |= served_paths(resource, loads(filled(resource, ".v2"))["paths"])
    return dumps(whole)


def _definitions(resource: Resource) -> Object:
    """The schemas of the kind and of its list."""
    name, list_name = names_of(resource)
    schemas = document_of(resource)["components"]["schemas"]
    shown, schema = schemas[name], resource.schema or {}
    head = {key: _with_references(shown["properties"][key]) for key in ("apiVersion", "kind", "metadata")}
    own: Object = {"type": "object"}
    if not schema.get(PRESERVE):
        own = published(_simple(schema), head, v2=True)
        own["properties"] = {**(own.get("properties") or {}), **head}
    own |= {key: shown[key] for key in _EXTENSIONS if key in shown}
    return {name: own, list_name: _with_references(schemas[list_name])}


_EXTENSIONS = ("x-kubernetes-group-version-kind", "x-kubernetes-selectable-fields")


def _simple(schema: Object) -> Object:
    """A schema without what version 2 cannot say, and what kubectl cannot read beside it."""
    shown = {key: value for key, value in schema.items() if key not in _LEFT_OUT and value is not None}
    nullable, preserve = schema.get("nullable"), schema.get(PRESERVE)
    optional = {name for name, inner in (schema.get("properties") or {}).items() if inner.get("nullable")}
    if nullable or preserve:
        shown.pop("items", None)
        shown.pop("properties", None)
        optional = set()
    open_array = schema.get("type") == "array" and "items" not in shown
    if nullable or open_array or (preserve and schema.get("type") == "object"):
        shown.pop("type", None)
    required = [name for name in shown.pop("required", None) or () if name not in optional]
    if required:
        shown["required"] = required
    for key in ("items", "additionalProperties"):
        if isinstance(shown.get(key), dict):
            shown[key] = _simple(shown[key])
    if "properties" in shown:
        shown["properties"] = {name: _simple(inner) for name, inner in shown["properties"].items()}
    return shown


def _with_references(value: Any) -> Any:
    """What is allOf of one reference in version 3 is that reference, beside a description."""
    if isinstance(value, list):
        return [_with_references(each) for each in value]
    if not isinstance(value, dict):
        return value
    found = {key: _with_references(inner) for key, inner in value.items()}
    match found.get("allOf"):
        case [{"$ref": str(reference)}]:
            del found["allOf"]
            found["$ref"] = reference
    if isinstance(found.get("$ref"), str):
        found["$ref"] = found["$ref"].replace(_OF_V3, _OF_V2)
    return found
