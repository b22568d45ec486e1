"""Merge patch, JSON patch and strategic merge patch on decoded JSON. Pure; nothing is changed in place.

Strategic merge follows the merge keys of the Go types (go_types.py); source: apimachinery/pkg/util/strategicpatch.
Server-side apply is in applying.py.
"""

from __future__ import annotations

from typing import Any

from edged.sandbox.kinds.go_types import ANY, Shape
from edged.sandbox.protocol.api_status import ApiStatus, bad_request


def merge_patch(target: object, patch: object) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


def json_patch(target: object, operations: object) -> Any:
    """RFC 6902. A failed `test` or a missing path is the 422 that kube-apiserver answers."""
    import jsonpatch
    import jsonpointer

    if not isinstance(operations, list):
        raise bad_request("error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    try:
        return jsonpatch.apply_patch(target, operations)
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError, KeyError) as error:
        message = "the server rejected our request due to an error in our request"
        raise ApiStatus(422, "Invalid", message, {}) from error


def strategic_patch(target: object, patch: object, shape: Shape) -> Any:
    """A strategic merge patch on an object of that shape."""
    if not isinstance(patch, dict):
        raise bad_request("unable to decode strategic merge patch: it is not an object")
    return _strategic_map(target, patch, shape)


def _strategic_map(target: object, patch: dict[str, object], shape: Shape) -> Any:
    directive = patch.get("$patch")
    if directive == "replace":
        return _clean({key: value for key, value in patch.items() if key != "$patch"})
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise bad_request(f"unrecognized directive: $patch: {directive}")
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if key.startswith(("$patch", "$retainKeys", "$setElementOrder/", "$deleteFromPrimitiveList/")):
            continue
        if value is None:
            result.pop(key, None)
            continue
        result[key] = _strategic_value(result.get(key), value, shape.child(key) or ANY, patch, key)
    _directives(result, patch, shape)
    return result


def _strategic_value(old: Any, new: Any, shape: Shape, patch: dict[str, Any], key: str) -> Any:
    if isinstance(new, dict):
        return _strategic_map(old, new, shape)
    if isinstance(new, list) and shape.kind == "list" and shape.merge:
        order = _list_of(patch, f"$setElementOrder/{key}")
        return _strategic_list(old if isinstance(old, list) else [], new, shape, order)
    return _clean(new)


def _list_of(patch: dict[str, Any], directive: str) -> list[object]:
    """What a directive lists; nothing where it is not there."""
    value = patch.get(directive)
    if not isinstance(value, list | None):
        raise bad_request(f"invalid patch format of {directive}: it must be a list")
    return value or []


def _directives(result: dict[str, Any], patch: dict[str, Any], shape: Shape) -> None:
    for directive in patch:
        if not directive.startswith(("$retainKeys", "$setElementOrder/", "$deleteFromPrimitiveList/")):
            continue
        value = _list_of(patch, directive)
        head, _, key = directive.partition("/")
        if head == "$deleteFromPrimitiveList" and isinstance(result.get(key), list):
            result[key] = [item for item in result[key] if item not in value]
        elif head == "$setElementOrder" and key not in patch and isinstance(result.get(key), list):
            result[key] = _ordered(result[key], value, (shape.child(key) or ANY).merge_key)
        elif directive == "$retainKeys":
            for name in [name for name in result if name not in value]:
                del result[name]


def _strategic_list(old: list[Any], new: list[Any], shape: Shape, order: list[object]) -> list[Any]:
    if not shape.merge_key:
        return _ordered(old + [item for item in new if item not in old], order, "")
    if any(isinstance(item, dict) and item.get("$patch") == "replace" for item in new):
        return [_clean(item) for item in new if not (isinstance(item, dict) and item.get("$patch") == "replace")]
    result = list(old)
    for item in new:
        _merge_element(result, item, shape)
    return _ordered(result, order, shape.merge_key)


def _merge_element(result: list[Any], item: object, shape: Shape) -> None:
    key = shape.merge_key
    if not isinstance(item, dict) or key not in item:
        raise bad_request(f"map: {item} does not contain declared merge key: {key}")
    index = next((i for i, old in enumerate(result) if old.get(key) == item[key]), None)
    if item.get("$patch") == "delete":
        result[:] = [old for old in result if old.get(key) != item[key]]
    elif index is None:
        result.append(_strategic_map({}, item, shape.element))
    else:
        result[index] = _strategic_map(result[index], item, shape.element)


def _ordered(items: list[object], order: list[object], key: str) -> list[Any]:
    """Puts elements named in `order` into that order; every other element stays behind the one that it followed."""
    if not order:
        return items

    def identity(item: object) -> Any:
        return item.get(key) if key and isinstance(item, dict) else item

    rank = {_hashable(identity(entry)): index for index, entry in enumerate(order)}
    placed: list[tuple[tuple[float, int], Any]] = []
    last = -1.0
    for index, item in enumerate(items):
        position = rank.get(_hashable(identity(item)))
        if position is not None:
            last = float(position)
        placed.append(((last if position is None else float(position), -1 if position is not None else index), item))
    return [item for _, item in sorted(placed, key=lambda pair: pair[0])]


def _hashable(value: object) -> Any:
    return value if isinstance(value, str | int | float | bool | None) else repr(value)


def _clean(value: object) -> Any:
    """What is stored of a patch when there is nothing to merge with: all but nulls in maps and directives."""
    if isinstance(value, dict):
        return {k: _clean(v) for k, v in value.items() if v is not None and not k.startswith("$patch")}
    if isinstance(value, list):
        kept = [v for v in value if not (isinstance(v, dict) and v.get("$patch") == "delete")]
        return [_clean(v) for v in kept]
    return value
