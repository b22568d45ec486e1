"""What a definition is accepted with a warning for: formats that nobody checks, sets of what is no scalar. Pure.

Source: apiextensions-apiserver's registry/customresourcedefinition/strategy.go. An update warns of what is new.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.sandbox.custom import formats
from edged.sandbox.custom.pruning import Object, Schema


def definition_warnings(crd: Object, old: Object | None) -> list[str]:
    before = set(_warnings(old)) if old is not None else set[str]()
    return [text for text in _warnings(crd) if text not in before]


def _warnings(crd: Object) -> list[str]:
    versions = (crd.get("spec") or {}).get("versions") or ()
    schemas = [(each.get("schema") or {}).get("openAPIV3Schema") or {} for each in versions]
    if len(schemas) > 1 and all(each == schemas[0] for each in schemas):
        schemas = schemas[:1]
    nodes = [node for schema in schemas for node in _nodes(schema)]
    unknown = [f'unrecognized format "{n["format"]}"' for n in nodes
               if n.get("format") and not formats.known(n.get("type") or "", n["format"])]  # fmt: skip
    kinds = {(n.get("items") or {}).get("type") for n in nodes if n.get("x-kubernetes-list-type") == "set"}
    sets = [
        f'x-kubernetes-list-type: set for items of type "{kind}" is not supported by server-side apply or CEL '
        "validation rules" for kind in ("array", "object") if kind in kinds
    ]  # fmt: skip
    return [*unknown, *sets]


def _nodes(schema: object) -> Iterator[Schema]:
    if not isinstance(schema, dict):
        return
    yield schema
    yield from _nodes(schema.get("items"))
    for name in ("allOf", "anyOf", "oneOf"):
        for each in schema.get(name) or ():
            yield from _nodes(each)
    yield from _nodes(schema.get("not"))
    for each in (schema.get("properties") or {}).values():
        yield from _nodes(each)
    yield from _nodes(schema.get("additionalProperties"))
