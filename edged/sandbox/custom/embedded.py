"""Objects within objects (x-kubernetes-embedded-resource): their apiVersion, kind and metadata. Pure.

Source: apiextensions-apiserver's schema/objectmeta.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.sandbox.custom import causes
from edged.sandbox.custom.pruning import EMBEDDED, Object, Schema
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.causes import each_invalid
from edged.sandbox.validation.formats import dns_1035_label, dns_label, path_segment
from edged.sandbox.validation.metadata import common, finalizers


def embedded_causes(value: object, schema: Schema | None, path: str = "") -> Iterator[Cause]:
    """What is wrong with the objects in a value, itself among them if its schema says so."""
    if schema is None:
        return
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from embedded_causes(item, schema.get("items"), f"{path}[{index}]")
    if not isinstance(value, dict):
        return
    if schema.get(EMBEDDED):
        yield from _one(value, path)
    properties, more = schema.get("properties") or {}, schema.get("additionalProperties")
    for key, item in value.items():
        if key in properties:
            yield from embedded_causes(item, properties[key], f"{path}.{key}" if path else key)
        elif isinstance(more, dict):
            yield from embedded_causes(item, more, f"{path}[{key}]")


def _one(value: Object, path: str) -> Iterator[Cause]:
    for key in ("apiVersion", "kind"):
        if key not in value:
            yield causes.required(f"{path}.{key}")
    for key, item in value.items():
        where = f"{path}.{key}"
        if key in ("apiVersion", "kind"):
            if not isinstance(item, str):
                yield causes.invalid(where, item, "must be a string")
            elif not item:
                yield causes.invalid(where, item, "must not be empty")
            elif why := _text_problem(key, item):
                yield causes.invalid(where, item, why)
        elif key == "metadata" and isinstance(item, dict):
            yield from _metadata(item, where)


def _text_problem(key: str, text: str) -> str:
    if key == "apiVersion":
        return f"unexpected GroupVersion string: {text}" if text.count("/") > 1 else ""
    found = dns_1035_label(text.lower())
    return f"may have mixed case, but should otherwise match: {','.join(found)}" if found else ""


def _metadata(metadata: Object, path: str) -> Iterator[Cause]:
    for field in ("generateName", "name"):
        if name := metadata.get(field):
            yield from each_invalid(f"{path}.{field}", name, path_segment(name))
    if namespace := metadata.get("namespace"):
        yield from each_invalid(f"{path}.namespace", namespace, dns_label(namespace))
    yield from common(path, metadata)
    yield from finalizers(f"{path}.finalizers", metadata.get("finalizers") or [])
