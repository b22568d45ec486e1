"""Sets of fields: which an object has, in which two objects differ, and an object without some of them. Pure.

A field set is a set of paths; a path is a tuple of FieldsV1 elements: `f:name`, `k:{"name":"c"}` (an element of a list
with keys), `v:"x"` (an element of a set). Lists and maps that the type calls atomic are one field. A path whose place
has other paths below it is in the set only if it is a member itself. Source: sigs.k8s.io/structured-merge-diff,
typed/compare.go, typed/tofieldset.go, typed/remove.go and fieldpath.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from edged.json_text import dumps, loads
from edged.sandbox.kinds.go_types import ANY, Shape

Object = dict[str, Any]
Path = tuple[str, ...]
Paths = frozenset[Path]
ABSENT: Final = object()
"""In place of a value that is not there; null is one that is."""


def of_list(shape: Shape) -> bool:
    """Whether its elements are fields of their own."""
    return shape.kind == "list" and shape.list_type in ("map", "set")


def of_map(shape: Shape) -> bool:
    return shape.kind in ("struct", "map", "any") and not shape.atomic


def child_of(shape: Shape, key: str) -> Shape:
    return shape.child(key) or ANY


def _is_field(shape: Shape, key: str) -> bool:
    """Whether a struct declares it; other keys are members of a map."""
    return shape.kind == "struct" and shape.child(key) is not None


def element_of(item: object, shape: Shape) -> str:
    """The path element of a list item."""
    if not shape.keys or not isinstance(item, dict):
        return "v:" + dumps(item).decode()
    keys = {key: item[key] if item.get(key) is not None else shape.key_defaults.get(key) for key in shape.keys}
    return "k:" + dumps({key: value for key, value in sorted(keys.items()) if value is not None}).decode()


# --- the fields of one object


def fields_of(value: object, shape: Shape) -> Paths:
    """Every field that an object has."""
    found: set[Path] = set()
    _collect(value, shape, (), found)
    return frozenset(found)


def _collect(value: object, shape: Shape, path: Path, found: set[Path]) -> None:
    if of_map(shape) and isinstance(value, dict | None):
        for key, item in (value or {}).items():
            where = (*path, f"f:{key}")
            _collect(item, child_of(shape, key), where, found)
            if item is None or item == {} or not _is_field(shape, key):
                found.add(where)
    elif of_list(shape) and isinstance(value, list | None):
        elements = [element_of(item, shape) for item in value or ()]
        repeated = {element for element, times in Counter(elements).items() if times > 1}
        for element, item in zip(elements, value or (), strict=True):
            found.add((*path, element))
            if element not in repeated:
                _collect(item, shape.element, (*path, element), found)
    else:
        found.add(path)


# --- two objects


@dataclass(slots=True)
class Difference:
    """Which fields the second object has beside those of the first, with another value, or no more."""

    added: set[Path] = field(default_factory=set)
    modified: set[Path] = field(default_factory=set)
    removed: set[Path] = field(default_factory=set)


def compare(old: object, new: object, shape: Shape) -> Difference:
    difference = Difference()
    _compare(old, new, shape, (), difference)
    return difference


def _compare(old: Any, new: Any, shape: Shape, path: Path, found: Difference) -> None:
    """A map or a list that comes or goes is a member itself."""
    if not (old or new) or (old is ABSENT and not new) or (new is ABSENT and not old):
        return _compare_leaf(old, new, path, found)
    if of_map(shape) and _is(dict, old, new):
        mine, other = _plain(old, {}), _plain(new, {})
        for key in mine.keys() | other.keys():
            where = (*path, f"f:{key}")
            _compare(mine.get(key, ABSENT), other.get(key, ABSENT), child_of(shape, key), where, found)
    elif of_list(shape) and _is(list, old, new):
        _compare_lists(_plain(old, []), _plain(new, []), shape, path, found)
    else:
        return _compare_leaf(old, new, path, found)
    if old is ABSENT:
        found.added.add(path)
    elif new is ABSENT:
        found.removed.add(path)
    return None


def _is(kind: type, old: object, new: object) -> bool:
    return all(isinstance(each, kind) or each is None or each is ABSENT for each in (old, new))


def _plain(value: Any, empty: Any) -> Any:
    return empty if value is ABSENT or value is None else value


def _compare_leaf(old: Any, new: Any, path: Path, found: Difference) -> None:
    if old is ABSENT:
        found.added.add(path)
    elif new is ABSENT:
        found.removed.add(path)
    elif old != new:
        found.modified.add(path)


def _compare_lists(old: list[Any], new: list[Any], shape: Shape, path: Path, found: Difference) -> None:
    """Elements with the same keys are compared as one value."""
    mine, other = _by_element(old, shape), _by_element(new, shape)
    for element in mine.keys() | other.keys():
        where, left, right = (*path, element), mine.get(element, []), other.get(element, [])
        if len(left) <= 1 and len(right) <= 1:
            _compare(left[0] if left else ABSENT, right[0] if right else ABSENT, shape.element, where, found)
        elif len(left) > 1 and len(right) > 1:
            if left != right:
                found.modified.add(where)
        elif len(left) > 1:
            if right:
                _compare(ABSENT, right[0], shape.element, where, found)
            found.removed.add(where)
        else:
            if left:
                _compare(left[0], ABSENT, shape.element, where, found)
            found.added.add(where)


def _by_element(items: list[Any], shape: Shape) -> dict[str, list[Any]]:
    result: dict[str, list[Any]] = {}
    for item in items:
        result.setdefault(element_of(item, shape), []).append(item)
    return result


# --- taking fields out

_Tree = dict[str, Any]


def without(value: Any, paths: Paths, shape: Shape) -> Any:
    """`value` without those fields; None where nothing is left of it."""
    return _without(value, tree(paths), shape) if paths else value


def tree(paths: Paths) -> _Tree:
    """Paths as nested elements; "" marks a member."""
    root: _Tree = {}
    for path in paths:
        node = root
        for element in path:
            node = node.setdefault(element, {})
        node[""] = True
    return root


def _without(value: Any, gone: _Tree, shape: Shape) -> Any:
    if not isinstance(value, dict | list):
        return value
    if not value or not (of_map(shape) if isinstance(value, dict) else of_list(shape)):
        return None
    if isinstance(value, list):
        items = [(item, gone.get(element_of(item, shape), {})) for item in value]
        kept = [_without(item, node, shape.element) if node else item for item, node in items if "" not in node]
        return kept or None
    result = {}
    for key, item in value.items():
        node = gone.get(f"f:{key}", {})
        if "" not in node:
            result[key] = _without(item, node, child_of(shape, key)) if node else item
    return result or None


def with_named_fields(paths: Paths, shape: Shape) -> Paths:
    """With the fields of structs that are above a path, too."""
    named = set(paths)
    for path in paths:
        at = shape
        for length, element in enumerate(path[:-1], start=1):
            if element.startswith("f:"):
                if _is_field(at, element[2:]):
                    named.add(path[:length])
                at = child_of(at, element[2:])
            else:
                at = at.element
    return frozenset(named)


# --- FieldsV1


def to_fields(paths: Paths) -> Object:
    """A path set as FieldsV1."""
    root: Object = {}
    for path in sorted(paths):
        node = root
        for element in path:
            node = node.setdefault(element, {})
        node["."] = {}
    return _compact(root)


def _compact(node: Object) -> Object:
    """A leaf is `{}`. A node with children that is itself a member of the set is marked with `.`."""
    if set(node) == {"."}:
        return {}
    return {key: _compact(value) if key != "." else {} for key, value in node.items()}


def from_fields(fields: Object) -> Paths:
    """FieldsV1 as a path set."""
    paths: set[Path] = set()

    def walk(node: Object, path: Path) -> None:
        if not node and path:
            paths.add(path)
        for key, value in node.items():
            if key == ".":
                paths.add(path)
            elif isinstance(value, dict):
                walk(value, (*path, key))

    walk(fields, ())
    return frozenset(paths)


def dotted(path: Path) -> str:
    """`.spec.containers[name="c"].image`"""
    text = ""
    for element in path:
        kind, _, rest = element.partition(":")
        if kind == "f":
            text += f".{rest}"
        elif kind == "k":
            text += "[" + ",".join(f"{k}={dumps(v).decode()}" for k, v in loads(rest).items()) + "]"
        else:
            text += f"[={rest}]"
    return text
