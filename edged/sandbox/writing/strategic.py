"""Strategic merge patch on decoded JSON. Pure; nothing is changed in place.

It follows the merge keys of the Go types (go_types.py). New elements of a list come first, what a directive or the
patch lists in an order has that order, and what only the server has stays where it was. Source:
apimachinery/pkg/util/strategicpatch.
"""

from __future__ import annotations

from typing import Any

from edged.sandbox.kinds.go_types import ANY, Shape
from edged.sandbox.protocol.api_status import ApiStatus, bad_request

Object = dict[str, Any]
_DIRECTIVE, _RETAIN = "$patch", "$retainKeys"
_ORDER, _DELETED = "$setElementOrder", "$deleteFromPrimitiveList"


def strategic_patch(target: object, patch: object, shape: Shape) -> Any:
    """A strategic merge patch on an object of that shape. Raises 400 and 500."""
    if not isinstance(patch, dict):
        raise bad_request("unable to decode strategic merge patch: it is not an object")
    return _map(target if isinstance(target, dict) else {}, patch, shape)


def _map(old: Object, patch: Object, shape: Shape) -> Object:
    if _DIRECTIVE in patch:
        return _directed(patch)
    result = _retained(old, patch)
    rest = {key: value for key, value in patch.items() if key != _RETAIN}
    for directive in [key for key in rest if key.startswith(_ORDER)]:
        _set_order(result, rest, directive, shape)
    for key, value in rest.items():
        if key.startswith(_DELETED):
            name = _name_in(key, _DELETED, "primitive list")
            _delete_from(result, name, value, shape.child(name) or ANY)
        elif value is None:
            result.pop(key, None)
        else:
            _put(result, key, value, shape.child(key) or ANY)
    return result


def _directed(patch: Object) -> Object:
    directive = patch[_DIRECTIVE]
    if directive == "replace":
        return {key: value for key, value in patch.items() if key != _DIRECTIVE}
    if directive == "delete":
        return {}
    raise ApiStatus(500, "", f"unknown patch type: {directive} in map: {_go(patch)}")


def _put(result: Object, key: str, value: Any, shape: Shape) -> None:
    old = result.get(key)
    if isinstance(value, dict) and isinstance(old, dict):
        result[key] = _map(old, value, shape)
    elif isinstance(value, list) and isinstance(old, list):
        result[key] = _list(old, value, shape)
    elif _directs(value):
        result.pop(key, None)
    else:
        result[key] = _clean(value)


def _clean(value: object) -> Any:
    """What is stored of a patch when there is nothing to merge with: all but nulls in maps and what has a directive."""
    if isinstance(value, dict):
        return {key: _clean(item) for key, item in value.items() if item is not None and not _directs(item)}
    if isinstance(value, list):
        return [_clean(item) for item in value if not _directs(item)]
    return value


def _directs(value: object) -> bool:
    return isinstance(value, dict) and _DIRECTIVE in value


# --- directives


def _name_in(directive: str, prefix: str, what: str) -> str:
    """The field that a directive such as `$setElementOrder/containers` is about."""
    before, slash, name = directive.partition("/")
    if before != prefix or not slash:
        raise bad_request(f"invalid patch format of {what}")
    return name


def _retained(old: Object, patch: Object) -> Object:
    """The old map without the keys that $retainKeys does not name."""
    if _RETAIN not in patch:
        return dict(old)
    named = patch[_RETAIN]
    if not isinstance(named, list):
        raise bad_request("invalid patch format of retainKeys")
    kept = {key for key in named if isinstance(key, str)}
    for key, value in patch.items():
        if value is not None and key not in kept and not key.startswith((_DELETED, _ORDER, _RETAIN)):
            raise bad_request("invalid patch format of retainKeys")
    return {key: value for key, value in old.items() if key in kept}


def _delete_from(result: Object, key: str, gone: Any, shape: Shape) -> None:
    """What is no list is passed over."""
    old = result.get(key)
    if gone is None:
        result.pop(key, None)
    elif isinstance(gone, list) and isinstance(old, list):
        if _kind([old, gone]) == "map":
            result[key] = _merged(old, gone, shape)
        else:
            without = {_hashable(item) for item in gone}
            result[key] = [item for item in old if _hashable(item) not in without]


def _set_order(result: Object, patch: Object, directive: str, shape: Shape) -> None:
    """Merges the list that the directive is about, puts it into order, and takes both out of the patch."""
    order = patch.pop(directive)
    if not isinstance(order, list):
        raise _unexpected("[]interface {}", order)
    key = _name_in(directive, _ORDER, "setElementOrder list")
    for value in (result.get(key, []), patch.get(key, [])):
        if not isinstance(value, list):
            raise _unexpected("[]interface {}", value)
    inner = _list_shape(shape, key)
    _check_order(patch.get(key, []), order, inner.merge_key)
    if key not in result and key not in patch:
        return
    old, new = result.get(key, []), patch.pop(key, None)
    merged = old if new is None else _list(old, new, inner) if key in result else _clean(new)
    wanted = {_identity(item, inner.merge_key) for item in order}
    if inner.merge_key:
        merged = [item for item in merged if _with_key(item, inner.merge_key)]
    named = [item for item in merged if _identity(item, inner.merge_key) in wanted]
    rest = [item for item in merged if _identity(item, inner.merge_key) not in wanted]
    if not old and not new:
        raise ApiStatus(500, "", "no elements in any of the given slices")
    result[key] = _ordered(named, rest, order, old, inner.merge_key)


def _list_shape(shape: Shape, key: str) -> Shape:
    inner = shape.child(key)
    if inner is None or shape.kind != "struct":
        owner = shape.go_type.rpartition(".")[2]
        raise ApiStatus(500, "", f'unable to find api field in struct {owner} for the json field "{key}"')
    if inner.kind != "list":
        raise ApiStatus(500, "", "expected slice or array type, but got: struct")
    return inner


def _check_order(new: list[Any], order: list[Any], key: str) -> None:
    """Each element that the patch has must stand in the order, and in that order."""
    if not new or not order:
        return
    rest = iter(order)
    for item in new:
        if _directs(item):
            continue
        if not any(_with_key(each, key) == _with_key(item, key) for each in rest):
            why = f"The order in patch list:\n{_go(new)}\n doesn't match {_ORDER} list:\n{_go(order)}\n"
            raise ApiStatus(500, "", why)


# --- lists


def _list(old: list[Any], new: list[Any], shape: Shape) -> list[Any]:
    return _merged(old, new, shape) if shape.merge else new


def _merged(old: list[Any], new: list[Any], shape: Shape) -> list[Any]:
    if not old and not new:
        return old
    key = shape.merge_key
    if _kind([old, new]) != "map":
        result = list({_hashable(item): item for item in (*old, *new)}.values())
        key = ""
    else:
        if not key:
            raise ApiStatus(500, "", f"cannot merge lists without merge key for {shape.element.kind}")
        old, new = _special(old, new, key)
        result = _by_key(old, new, shape)
    wanted = _ranks(new, key)
    named = [item for item in result if _identity(item, key) in wanted]
    rest = [item for item in result if _identity(item, key) not in wanted]
    return _ordered(named, rest, new, old, key)


def _by_key(old: list[Any], new: list[Any], shape: Shape) -> list[Any]:
    key, result = shape.merge_key, list(old)
    places = {_identity(item, key): index for index, item in reversed(list(enumerate(result)))}
    for item in new:
        place = places.get(_with_key(item, key))
        if place is None:
            places[_identity(item, key)] = len(result)
            result.append(item)
        else:
            result[place] = _map(result[place], item, shape.element)
    for item in result:
        _with_key(item, key)
    return result


def _special(old: list[Any], new: list[Any], key: str) -> tuple[list[Any], list[Any]]:
    """The lists without what $patch deletes; or, where the new list replaces the old one, it alone."""
    plain, replaced, gone = [], False, set()
    for item in new:
        directive = item.get(_DIRECTIVE)
        if _DIRECTIVE not in item:
            plain.append(item)
        elif directive == "delete":
            gone.add(_with_key(item, key))
        elif directive == "replace":
            replaced = True
        elif directive == "merge":
            raise ApiStatus(500, "", "merging lists cannot yet be specified in the patch")
        else:
            raise ApiStatus(500, "", f"unknown patch type: {directive} in map: {_go(item)}")
    return (plain, []) if replaced else ([item for item in old if _identity(item, key) not in gone], plain)


def _ordered(named: list[Any], rest: list[Any], order: list[Any], server: list[Any], key: str) -> list[Any]:
    """What `order` names in its order, the rest as on the server: an element of the rest stays before those of
    `order` that it was before; where that cannot be said, it comes last."""
    wanted, known = _ranks(order, key), _ranks(server, key)
    named = sorted(named, key=lambda item: wanted[_identity(item, key)])
    rest = sorted(rest, key=lambda item: known.get(_identity(item, key), len(known)))
    result: list[Any] = []
    i = j = 0
    while i < len(rest) and j < len(named):
        left, right = known.get(_identity(rest[i], key)), known.get(_identity(named[j], key))
        if left is not None and right is not None and left < right:
            result.append(rest[i])
            i += 1
        else:
            result.append(named[j])
            j += 1
    return [*result, *rest[i:], *named[j:]]


# --- elements

_GO_TYPES = {dict: "map[string]interface {}", list: "[]interface {}", str: "string", bool: "bool", int: "int64",
             float: "float64"}  # fmt: skip


def _kind(lists: list[list[Any]]) -> str:
    """"map" if the elements are objects, "" if they are scalars. Raises 500 for a mixture, 422 for lists in lists."""
    types = {type(item) for each in lists for item in each}
    if len(types) > 1:
        raise ApiStatus(500, "", f"list element types are not identical: {_go(lists)}")
    if types == {list}:
        raise ApiStatus(422, "", "lists of lists are not supported")
    return "map" if types == {dict} else ""


def _unexpected(wanted: str, value: object) -> ApiStatus:
    found = _GO_TYPES.get(type(value), "%!s(<nil>)")
    return ApiStatus(500, "", f"expected a {wanted}, but received a {found}")


def _with_key(item: Any, key: str) -> Any:
    """What tells elements apart; 500 for an object without its merge key."""
    if key and not isinstance(item, dict):
        raise _unexpected("map[string]interface {}", item)
    if key and key not in item:
        raise ApiStatus(500, "", f"map: {_go(item)} does not contain declared merge key: {key}")
    return _identity(item, key)


def _ranks(items: list[Any], key: str) -> dict[Any, int]:
    return {_identity(item, key): index for index, item in reversed(list(enumerate(items)))}


def _identity(item: Any, key: str) -> Any:
    return _hashable(item.get(key) if key and isinstance(item, dict) else item)


def _hashable(value: object) -> tuple[type, Any]:
    """With its type, for Go tells 80 from 80.0, and 1 from true."""
    return type(value), value if isinstance(value, str | int | float | bool | None) else repr(value)


def _go(value: object) -> str:
    """A value of JSON as Go prints it (`%v`)."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{_go(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(_go, value))}]"
    return "<nil>" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
