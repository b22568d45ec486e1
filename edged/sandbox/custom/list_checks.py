"""What a definition says of lists and maps (x-kubernetes-list-type, -map-keys, -map-type) is checked. Pure.

Source: apiextensions-apiserver's apis/apiextensions/validation.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.sandbox.custom import causes
from edged.sandbox.custom.pruning import PRESERVE, Schema
from edged.sandbox.protocol.api_status import Cause

_LIST, _MAP, _KEYS = "x-kubernetes-list-type", "x-kubernetes-map-type", "x-kubernetes-list-map-keys"


def list_causes(schema: Schema, path: str) -> Iterator[Cause]:
    """Of one node."""
    if schema.get(PRESERVE) is False:
        yield causes.invalid(f"{path}.{PRESERVE}", False, "must be true or undefined")
    map_type, list_type, keys = schema.get(_MAP), schema.get(_LIST), schema.get(_KEYS) or []
    yield from _needs(schema, path, "object", _MAP)
    if map_type is not None and map_type not in ("atomic", "granular"):
        yield causes.unsupported(f"{path}.{_MAP}", map_type, ("atomic", "granular"))
    yield from _needs(schema, path, "array", _LIST)
    if list_type == "set" and schema.get("type") == "array":
        yield from _atomic_items(schema.get("items") or {}, f"{path}.items")
    if list_type is not None and list_type not in ("atomic", "set", "map"):
        yield causes.unsupported(f"{path}.{_LIST}", list_type, ("atomic", "set", "map"))
    if keys and list_type != "map":
        why = f"must be map if {_KEYS} is non-empty"
        where = f"{path}.{_LIST}"
        yield causes.required(where, why) if list_type is None else causes.invalid(where, list_type, why)
    if list_type == "map":
        yield from _map(schema, keys, path)
    if list_type in ("set", "map") and isinstance(schema.get("items"), dict):
        yield from _identities(schema["items"], keys if list_type == "map" else [], list_type, f"{path}.items")


def _needs(schema: Schema, path: str, wanted: str, name: str) -> Iterator[Cause]:
    kind = schema.get("type") or ""
    if schema.get(name) is not None and kind != wanted:
        why = f"must be {wanted} if {name} is specified"
        yield causes.invalid(f"{path}.type", kind, why) if kind else causes.required(f"{path}.type", why)


def _atomic_items(items: Schema, path: str) -> Iterator[Cause]:
    why = "must be atomic as item of a list with x-kubernetes-list-type=set"
    list_type = items.get(_LIST)
    if items.get("type") == "array" and list_type not in (None, "atomic"):
        yield causes.invalid(f"{path}.{_LIST}", list_type, why)
    if items.get("type") == "object" and items.get(_MAP) != "atomic":
        yield causes.invalid(f"{path}.{_MAP}", list_type, why)


def _map(schema: Schema, keys: list[str], path: str) -> Iterator[Cause]:
    items = schema.get("items")
    if not keys:
        yield causes.required(f"{path}.{_KEYS}", f"must not be empty if {_LIST} is map")
    if items is None:
        yield causes.required(f"{path}.items", f"must have a schema if {_LIST} is map")
    if not isinstance(items, dict):
        return
    kind = items.get("type") or ""
    if kind != "object":
        yield causes.invalid(f"{path}.items.type", kind, f"must be object if parent array's {_LIST} is map")
        return
    seen: set[str] = set()
    for key in keys:
        inner = (items.get("properties") or {}).get(key)
        if inner is None:
            yield causes.invalid(f"{path}.{_KEYS}", keys, "entries must all be names of item properties")
        elif inner.get("type") in ("array", "object"):
            why = f"must be a scalar type if parent array's {_LIST} is map"
            yield causes.invalid(f"{path}.items.properties[{key}].type", kind, why)
        if key in seen:
            yield causes.invalid(f"{path}.{_KEYS}", keys, "must not contain duplicate entries")
        seen.add(key)


def _identities(items: Schema, keys: list[str], list_type: str, path: str) -> Iterator[Cause]:
    if items.get("nullable"):
        yield causes.forbidden(f"{path}.nullable", f"cannot be nullable when {_LIST} is {list_type}")
    for key in keys:
        inner = (items.get("properties") or {}).get(key)
        if inner is None:
            continue
        where = f"{path}.properties[{key}]"
        if key not in (items.get("required") or ()) and inner.get("default") is None:
            why = f"this property is in {_KEYS}, so it must have a default or be a required property"
            yield causes.required(f"{where}.default", why)
        if inner.get("nullable"):
            yield causes.forbidden(f"{where}.nullable", f"this property is in {_KEYS}, so it cannot be nullable")
