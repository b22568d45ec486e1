"""OpenAPI v3 documents, one per group and version: enough for kubectl's validation choice and for `kubectl explain`;
and an empty v2 document.

Pure. Built-in kinds are described from go_types.py (names and types, no prose), custom resources by their own schema.
"""

from __future__ import annotations

import hashlib
from typing import Any

from edged.sandbox.kinds.go_types import GoTypes
from edged.sandbox.kinds.resources import Registry, Resource

Object = dict[str, Any]
_SCALARS: dict[str, Object] = {
    "string": {"type": "string"}, "bytes": {"type": "string", "format": "byte"}, "bool": {"type": "boolean"},
    "int": {"type": "integer"}, "int32": {"type": "integer", "format": "int32"},
    "int64": {"type": "integer", "format": "int64"}, "uint32": {"type": "integer"}, "uint8": {"type": "integer"},
    "float32": {"type": "number"}, "float64": {"type": "number"}, "Quantity": {"type": "string"},
    "Time": {"type": "string", "format": "date-time"}, "MicroTime": {"type": "string", "format": "date-time"},
    "Duration": {"type": "string"}, "IntOrString": {"type": "string", "format": "int-or-string"},
}  # fmt: skip

# kubectl reads version 2 for one thing only: validating a `kind: List` itself. It leaves kinds that the document
# lacks to the server, so this document has none. In protobuf: Document{swagger, info{title, version}}.
V2: Object = {
    "swagger": "2.0", "info": {"title": "Kubernetes sandbox", "version": "v1"}, "paths": {}, "definitions": {},
}  # fmt: skip
V2_MEDIA_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
V2_PROTOBUF = b"\x0a\x032.0\x12\x18\x0a\x12Kubernetes sandbox\x12\x02v1"


def root(registry: Registry) -> Object:
    """The index: where each document is. The hash changes with the registry, so that clients ask again."""
    paths = {}
    for group, version in registry.group_versions():
        name = f"apis/{group}/{version}" if group else f"api/{version}"
        paths[name] = {"serverRelativeURL": f"/openapi/v3/{name}?hash={_hash(registry, group, version)}"}
    return {"paths": paths}


def _hash(registry: Registry, group: str, version: str) -> str:
    resources = registry.in_version(group, version)
    text = repr([(r.plural, r.subresources, r.schema) for r in resources])
    return hashlib.sha256(text.encode()).hexdigest()[:32].upper()


def document(registry: Registry, group: str, version: str) -> Object:
    """The document of one group and version."""
    schemas: Object = {}
    paths: Object = {}
    for resource in registry.in_version(group, version):
        name = _schema_name(resource)
        schemas[name] = _kind_schema(resource, registry.types, schemas)
        paths |= _paths(resource, f"#/components/schemas/{name}")
    title = f"{group}/{version}" if group else version
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes sandbox", "version": title},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _schema_name(resource: Resource) -> str:
    if resource.go_type:
        return _go_name(resource.go_type)
    reversed_group = ".".join(reversed(resource.group.split(".")))
    return f"{reversed_group}.{resource.version}.{resource.kind}"


def _go_name(go_type: str) -> str:
    if go_type.startswith("meta/"):
        return "io.k8s.apimachinery.pkg.apis." + go_type.replace("/", ".")
    return "io.k8s.api." + go_type.replace("/", ".")


def _gvk(resource: Resource) -> Object:
    return {"group": resource.group, "version": resource.version, "kind": resource.kind}


def _paths(resource: Resource, reference: str) -> Object:
    base = resource.gvr.path("{namespace}" if resource.namespaced else None)
    answer = {"200": {"description": "OK", "content": {"application/json": {"schema": {"$ref": reference}}}}}

    def operation(action: str) -> Object:
        parameters = [
            {"name": name, "in": "query", "schema": {"type": "string"}}
            for name in ("dryRun", "fieldManager", "fieldValidation")
        ] if action in ("patch", "post", "put") else []  # fmt: skip
        return {
            "x-kubernetes-action": action, "x-kubernetes-group-version-kind": _gvk(resource),
            "parameters": parameters, "responses": answer,
        }  # fmt: skip

    if "get" not in resource.verbs:
        return {base: {"post": operation("post")}}
    item = {verb: operation(verb) for verb in ("get", "put", "patch", "delete")}
    return {base: {"get": operation("list"), "post": operation("post")}, f"{base}/{{name}}": item}


def _kind_schema(resource: Resource, types: GoTypes, schemas: Object) -> Object:
    metadata = _reference(types, "meta/v1.ObjectMeta", schemas)
    head = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": metadata}
    if resource.go_type:
        schema = _struct(types, resource.go_type, schemas)
    else:
        schema = dict(resource.schema or {}) or {"x-kubernetes-preserve-unknown-fields": True}
    properties = {**(schema.get("properties") or {}), **head}
    return {
        "type": "object", **schema, "properties": properties,
        "x-kubernetes-group-version-kind": [_gvk(resource)],
    }  # fmt: skip


def _struct(types: GoTypes, go_type: str, schemas: Object) -> Object:
    properties = {
        field.name: _schema(types, field.type, schemas)
        for field in types.flat_fields(go_type) if field.name not in ("apiVersion", "kind")
    }  # fmt: skip
    return {"type": "object", "properties": properties}


def _reference(types: GoTypes, go_type: str, schemas: Object) -> Object:
    name = _go_name(go_type)
    if name not in schemas:
        schemas[name] = {}  # stops recursion for types that contain themselves
        schemas[name] = _struct(types, go_type, schemas)
    return {"$ref": f"#/components/schemas/{name}"}


def _schema(types: GoTypes, go_type: str, schemas: Object) -> Object:
    if go_type.startswith("[]"):
        return {"type": "array", "items": _schema(types, go_type[2:], schemas)}
    if go_type.startswith("{}"):
        return {"type": "object", "additionalProperties": _schema(types, go_type[2:], schemas)}
    if go_type in types and "JSONSchemaPropsOr" not in go_type:
        return {"allOf": [_reference(types, go_type, schemas)]}
    return _SCALARS.get(go_type, {"type": "object"})
