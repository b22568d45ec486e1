"""What the body of a server-side apply is refused for: fields that its type does not have, values of another type, and
elements of lists that cannot be told apart. Pure.

Source: typed/validate.go and typed/helpers.go of sigs.k8s.io/structured-merge-diff.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from edged.json_text import dumps
from edged.sandbox.kinds.go_types import ANY, Shape
from edged.sandbox.kinds.resources import Resource
from edged.sandbox.protocol.api_status import ApiStatus
from edged.sandbox.writing.fieldpaths import Object, dotted, element_of, of_list

_MOST = 100
"""So many findings are told at most."""
_NUMERIC = {"int", "int32", "int64", "uint32", "uint8", "float32", "float64", "integer", "number"}
_TEXT = {"string", "bytes", "Duration"}
_BOOLEAN = {"bool", "boolean"}


def check_applied(body: Object, resource: Resource) -> None:
    """Raises 500 for a body, as the client sent it, that is not of the resource's type."""
    found: list[str] = []
    for where, problem in _problems(body, resource.shape, ""):
        found.append(f"{where}: {problem}" if where else problem)
        if len(found) == _MOST:
            break
    if not found:
        return
    of_kind = f"{resource.group}/{resource.version}, Kind={resource.kind}"
    said = found[0] if len(found) == 1 else "\n  ".join(["errors:", *found])
    raise ApiStatus(500, "", f"failed to create typed patch object ({applied_name(body)}; {of_kind}): {said}")


def applied_name(body: Object) -> str:
    """`namespace/name` as the body gives them."""
    metadata = body.get("metadata")
    given = (metadata.get(name) if isinstance(metadata, dict) else "" for name in ("namespace", "name"))
    return "/".join(each if isinstance(each, str) else "" for each in given)


def _problems(value: object, shape: Shape, where: str) -> Iterator[tuple[str, str]]:
    if value is None or (shape.kind == "any"):
        return
    if shape.kind == "scalar":
        if problem := _scalar_problem(value, shape.go_type):
            yield where, problem
    elif shape.kind == "list":
        if isinstance(value, list):
            yield from _list_problems(value, shape, where)
        else:
            yield where, f"expected list, got &{{{_go(value)}}}"
    elif isinstance(value, dict):
        yield from _map_problems(value, shape, where)
    else:
        yield where, f"expected map, got &{{{_go(value)}}}"


def _map_problems(value: Object, shape: Shape, where: str) -> Iterator[tuple[str, str]]:
    """The first field that is not of the type ends it."""
    for key, item in value.items():
        inner = shape.child(key)
        if inner is None and not shape.open:
            yield f"{where}.{key}", "field not declared in schema"
            return
        yield from _problems(item, inner or ANY, f"{where}.{key}")


def _list_problems(value: list[Any], shape: Shape, where: str) -> Iterator[tuple[str, str]]:
    """The first element that cannot be told from others ends it."""
    seen: set[str] = set()
    for index, item in enumerate(value):
        place = f"[{index}]"
        if of_list(shape):
            if problem := _element_problem(item, shape):
                yield where, f"element {index}: {problem}"
                return
            element = element_of(item, shape)
            place = dotted((element,))
            if element in seen:
                yield where, f"duplicate entries for key {place}"
            seen.add(element)
        yield from _problems(item, shape.element, where + place)


def _element_problem(item: object, shape: Shape) -> str:
    if shape.keys:
        if not isinstance(item, dict):
            kind = "a null element" if item is None else "non-map elements"
            return f"associative list with keys may not have {kind}"
        if any(key in item or key in shape.key_defaults for key in shape.keys):
            return ""
        keys = " ".join(dumps(key).decode() for key in shape.keys)
        without = "has an element that omits all key fields"
        return f"associative list with keys {without} [{keys}] (and doesn't have default values for any key fields)"
    if isinstance(item, dict):
        return "associative list without keys has an element that's a map type"
    if isinstance(item, list):
        return "not supported: associative list with lists as elements"
    return "associative list without keys has an element that's an explicit null" if item is None else ""


def _scalar_problem(value: object, go_type: str) -> str:
    if go_type in _NUMERIC:
        fits = isinstance(value, int | float) and not isinstance(value, bool)
        return "" if fits else f"expected numeric (int or float), got {_GO_TYPES[type(value)]}"
    if go_type in _TEXT:
        found = f"&value.valueUnstructured{{Value:{_go_syntax(value)}}}"
        return "" if isinstance(value, str) else f"expected string, got {found}"
    if go_type in _BOOLEAN:
        return "" if isinstance(value, bool) else f"expected boolean, got &{{{_go(value)}}}"
    return "" if not isinstance(value, dict | list) else f"expected any scalar, got &{{{_go(value)}}}"


_GO_TYPES = {
    dict: "map[string]interface {}", list: "[]interface {}", str: "string", bool: "bool", int: "int64",
    float: "float64",
}  # fmt: skip


def _go(value: object) -> str:
    """A value of JSON as Go prints it (`%v`)."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{_go(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(_go, value))}]"
    return "<nil>" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _go_syntax(value: object) -> str:
    """A value of JSON as Go source (`%#v`)."""
    if isinstance(value, dict):
        inner = (f"{dumps(key).decode()}:{_go_syntax(value[key])}" for key in sorted(value))
        return f"map[string]interface {{}}{{{', '.join(inner)}}}"
    if isinstance(value, list):
        return f"[]interface {{}}{{{', '.join(map(_go_syntax, value))}}}"
    if value is None:
        return "interface {}(nil)"
    return dumps(value).decode()
