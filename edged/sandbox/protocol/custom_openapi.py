"""OpenAPI documents of custom resources, from their schemas: one of version 3 for each group and version.

Pure. What is the same for every definition is in templates (kinds/openapi_documents.py). Source:
apiextensions-apiserver's pkg/controller/openapi and apiserver's endpoints/openapi.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from edged.json_text import dumps, loads
from edged.sandbox.kinds.openapi_documents import TEMPLATES, documents
from edged.sandbox.kinds.resources import Resource

Object = dict[str, Any]
_KIND, _LIST, _PLURAL, _VERSION = "Templatekind", "Templatelist", "plurals", "vtemplate"
PRESERVE, EMBEDDED = "x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"
_INT_OR_STRING = "x-kubernetes-int-or-string"
_OFTEN_FALSE = ("nullable", "uniqueItems", "exclusiveMinimum", "exclusiveMaximum", PRESERVE, EMBEDDED, _INT_OR_STRING)
_API_VERSION = (
    "apiVersion defines the versioned schema of this representation of an object. More info: "
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources"
)
_KIND_IS = (
    "kind is a string value representing the type of this object. In CamelCase. More info: "
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds"
)


def document(resources: Sequence[Resource]) -> bytes:
    """The document of version 3 of all custom resources of one group and version."""
    first, *others = map(document_of, resources)
    for other in others:
        first["paths"] |= other["paths"]
        first["components"]["schemas"] |= other["components"]["schemas"]
    return dumps(first)


def document_of(resource: Resource) -> Object:
    """That of one resource: the template with its names, its subresources and its schema."""
    found: Object = loads(filled(resource))
    found["paths"] = served_paths(resource, found["paths"])
    schemas = found["components"]["schemas"]
    if "scale" not in resource.subresources:
        schemas = {name: schema for name, schema in schemas.items() if not name.startswith("io.k8s.api.")}
    name, list_name = names_of(resource)
    head = {key: schemas[name]["properties"][key] for key in ("apiVersion", "kind", "metadata")}
    own = published(resource.schema or {}, head)
    own["properties"] = {**own.get("properties", {}), **head}
    selectable = {"x-kubernetes-selectable-fields": [{"fieldPath": path} for path in resource.selectable]}
    kinds = "x-kubernetes-group-version-kind"
    schemas[name] = {**own, kinds: schemas[name][kinds], **(selectable if resource.selectable else {})}
    schemas[list_name] |= selectable if resource.selectable else {}
    found["components"]["schemas"] = schemas
    return found


def served_paths(resource: Resource, paths: Object) -> Object:
    """Without those of subresources that the definition does not have."""
    absent = tuple(f"/{{name}}/{each}" for each in ("status", "scale") if each not in resource.subresources)
    return {path: item for path, item in paths.items() if not path.endswith(absent)}


def names_of(resource: Resource) -> tuple[str, str]:
    """Those of the schemas of the kind and of its list."""
    prefix = f"{'.'.join(reversed(resource.group.split('.')))}.{resource.version}"
    return f"{prefix}.{resource.kind}", f"{prefix}.{resource.list_kind}"


def filled(resource: Resource, suffix: str = "") -> str:
    """The template of the resource's scope with its names."""
    scope = "namespaced" if resource.namespaced else "cluster"
    group, kind = resource.group.removesuffix(".k8s.io"), resource.kind
    plural = kind.endswith("s") and not kind.endswith("ss")
    article = " " if plural else " an " if kind[0].lower() in "aeiou" else " a "
    # The longest first: what is replaced is within what comes before it.
    replaced = {
        f"{scope.title()}TemplateExampleVtemplate": _camel(group, upper=True) + _camel(resource.version, upper=True),
        f"{scope}TemplateExample_{_VERSION}": f"{_camel(group)}_{_camel(resource.version)}",
        f"{scope}.template.example": resource.group,
        f"example.template.{scope}": ".".join(reversed(resource.group.split("."))),
        f" a {_KIND}": f"{article}{kind}",
        _KIND: kind, _LIST: resource.list_kind, _PLURAL: resource.plural, _VERSION: resource.version,
    }  # fmt: skip
    pattern = re.compile("|".join(map(re.escape, replaced)))
    text = documents()[f"{TEMPLATES}{scope}{suffix}"].decode()
    return pattern.sub(lambda match: replaced[match[0]], text)


def _camel(text: str, *, upper: bool = False) -> str:
    """Letters, digits and underscores alone; a letter after anything else is a capital one."""
    first, *others = re.split(r"[^\w]+", text)
    words = [first[:1].upper() + first[1:] if upper else first, *(each[:1].upper() + each[1:] for each in others)]
    return "".join(words)


def published(schema: Object, head: Object, *, v2: bool = False) -> Object:
    """A schema as it is shown, without values that say nothing. `head`: the fields that every object has."""
    shown = {key: value for key, value in schema.items() if value is not None}
    for key in _OFTEN_FALSE:
        if shown.get(key) is False:
            del shown[key]
    for key in ("items", "additionalProperties"):
        if isinstance(shown.get(key), dict):
            shown[key] = published(shown[key], head, v2=v2)
    if "properties" in shown:
        shown["properties"] = {name: published(inner, head, v2=v2) for name, inner in shown["properties"].items()}
    if shown.get(_INT_OR_STRING) and not v2:
        shown = _unfolded(shown)
    if shown.get(EMBEDDED) and not (v2 and shown.get(PRESERVE)):
        return _embedded(shown, head)
    return shown


def _unfolded(schema: Object) -> Object:
    either = [{"type": "integer"}, {"type": "string"}]
    if either in (schema.get("anyOf"), *(each.get("anyOf") for each in schema.get("allOf") or ())):
        return schema
    if "anyOf" not in schema:
        return {**schema, "anyOf": either}
    return {**schema, "allOf": [*(schema.get("allOf") or ()), {"anyOf": either}]}


def _embedded(schema: Object, head: Object) -> Object:
    """An object in an object has what every object has."""
    added = {
        "apiVersion": {**head["apiVersion"], "description": _API_VERSION},
        "kind": {**head["kind"], "description": _KIND_IS}, "metadata": head["metadata"],
    }  # fmt: skip
    required = list(schema.get("required") or ())
    required += [name for name in ("kind", "apiVersion") if name not in required]
    return {**schema, "properties": {**(schema.get("properties") or {}), **added}, "required": required}
