"""What a mutation's value does to an object: Object{...} is merged as by server-side apply, JSONPatch{...} is applied.

Pure. Raises Failed with the API server's texts.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator

from edged.errors import EdgedError
from edged.json_text import dumps
from edged.kube.cel.library.formatting import text_of
from edged.kube.cel.values import Opaque, Structure, UInt
from edged.sandbox.cluster import Object
from edged.sandbox.kinds.go_types import ANY, Shape
from edged.sandbox.writing import applying

_MOST_OPERATIONS = 10_000
_SCALARS: tuple[tuple[tuple[str, ...], tuple[type, ...], str], ...] = (
    (("string",), (str,), "string"), (("bool",), (bool,), "boolean"),
    (("int32", "int64", "int"), (int, float), "numeric (int or float)"),
)  # fmt: skip
"""Types of Go, what fits them, and what is expected then."""


class Failed(EdgedError):
    """The mutation cannot be made."""


def configured(value: object, live: Object, shape: Shape) -> Object:
    """`live` with an ApplyConfiguration merged in."""
    if not isinstance(value, Structure):
        raise Failed("unsupported return type from ApplyConfiguration expression: dyn")
    _check_names(value)
    patch = {"apiVersion": live.get("apiVersion"), "kind": live.get("kind"), **_plain_fields(value)}
    unknown = list(_unknown(patch, shape, ""))
    if unknown:
        text = unknown[0] if len(unknown) == 1 else "errors:\n" + "\n".join(f"  {each}" for each in unknown)
        raise Failed(f"error applying patch: failed to convert patch object to typed object: {text}")
    atomic = list(_atomic(patch, shape, ""))
    if atomic:
        listed = ", ".join(atomic)
        raise Failed("error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: "
                     f"{listed}")  # fmt: skip
    merged: Object = applying.merge(live, patch, shape)
    return merged


def patched(value: object, live: Object) -> Object:
    """`live` with a list of JSONPatch operations applied; unchanged where a test among them fails."""
    import jsonpatch
    import jsonpointer

    operations = [_operation(each) for each in value] if isinstance(value, list) else []
    if len(operations) > _MOST_OPERATIONS:
        raise Failed("JSON Patch: too many operations")
    result: Object = live
    for operation in operations:
        if operation["op"] == "replace" and _exists(result, str(operation["path"]).rpartition("/")[0], dict):
            operation["op"] = "add"  # a key that is not there is added
        try:
            result = jsonpatch.apply_patch(result, [operation])
        except jsonpatch.JsonPatchTestFailed:
            return live
        except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError, KeyError, IndexError):
            raise Failed(f"JSON Patch: {_not_applied(operation, result)}") from None
    return result


def _not_applied(operation: Object, document: object) -> str:
    """As evanphx/json-patch says it."""
    name, path = operation["op"], str(operation["path"])
    if name not in ("add", "remove", "replace", "move", "copy", "test"):
        return f"Unexpected kind: {name}"
    what = f"{name} operation does not apply"
    at = str(operation.get("from") or "") if name in ("move", "copy") else path
    if not _exists(document, at.rpartition("/")[0]):
        kind = "doc is missing from path" if name in ("move", "copy") else "doc is missing path"
        return f'{what}: {kind}: "{at}": missing value'
    if name in ("move", "copy"):
        return f'{what}: doc is missing key: "{at}": missing value'
    key = at.rpartition("/")[2]
    if name == "remove":
        return f"error in remove for path: '{at}': Unable to remove nonexistent key: {key}: missing value"
    if name == "replace":
        return f"{what}: doc is missing key: {at}: missing value"
    return f'{what}: error in add for path: "{at}": Unable to access invalid index: {key}: invalid index referenced'


def _exists(document: object, path: str, kinds: type | tuple[type, ...] = (dict, list)) -> bool:
    for part in path.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict) and key in document:
            document = document[key]
        elif isinstance(document, list) and key.isascii() and key.isdigit() and int(key) < len(document):
            document = document[int(key)]
        else:
            return False
    return isinstance(document, kinds)


def _operation(value: object) -> Object:
    if not isinstance(value, Structure):
        raise Failed("type mismatch: JSONPatchType.expression should evaluate to array of JSONPatch")
    fields = value.fields
    operation: Object = {"op": fields.get("op", ""), "path": fields.get("path", "")}
    if fields.get("from"):
        operation["from"] = fields["from"]
    if "value" in fields:
        given = fields["value"]
        if isinstance(given, Structure):
            _check_names(given)
        operation["value"] = plain(given)
    return operation


def plain(value: object) -> object:
    """A CEL value as JSON has it."""
    match value:
        case Structure():
            return _plain_fields(value)
        case dict():
            return {str(key): plain(each) for key, each in value.items()}
        case list():
            return [plain(each) for each in value]
        case bytes():
            return base64.b64encode(value).decode()
        case UInt():
            return int(value)
        case float():
            return int(value) if value.is_integer() and abs(value) < 2**53 else value
        case Opaque():
            return text_of(value)
    return value


def _plain_fields(value: Structure) -> Object:
    return {name: plain(each) for name, each in value.fields.items()}


def _check_names(value: Structure) -> None:
    wrong = list(_misnamed(value, value.name))
    if wrong:
        raise Failed("type mismatch: " + "\n".join(wrong))


def _misnamed(value: object, path: str) -> Iterator[str]:
    """Messages whose name is not that of the field that they stand in."""
    if isinstance(value, Structure):
        if value.name != path:
            expected = f'expected "{path}", which matches field name path from root Object type'
            yield f'unexpected type name "{value.name}", {expected}'
        for name, each in value.fields.items():
            yield from _misnamed(each, f"{path}.{name}")
    elif isinstance(value, list):
        for each in value:
            yield from _misnamed(each, path)
    elif isinstance(value, dict):
        for each in value.values():
            yield from _misnamed(each, path)


def _unknown(value: object, shape: Shape, path: str) -> Iterator[str]:
    """Fields that the type does not have, and values of another type than the field's."""
    wrong = _mistyped(value, shape)
    if wrong:
        yield f"{path}: {wrong}"
    elif isinstance(value, dict) and shape is not ANY:
        for key, each in value.items():
            child = shape.child(key)
            if child is None and shape.kind == "struct":
                yield f"{path}.{key}: field not declared in schema"
            elif child is not None:
                yield from _unknown(each, child, f"{path}.{key}")
    elif isinstance(value, list) and shape.kind == "list":
        for index, each in enumerate(value):
            at = _element(each, shape, index)
            yield from _unknown(each, shape.element, f"{path}{at}")


def _mistyped(value: object, shape: Shape) -> str:
    if value is None or shape is ANY:
        return ""
    if shape.kind in ("map", "struct") and not isinstance(value, dict):
        return f"expected map, got &{{{_scalar(value)}}}"
    if shape.kind == "list" and not isinstance(value, list):
        return f"expected list, got &{{{_scalar(value)}}}"
    for kinds, types, expected in _SCALARS:
        fits = isinstance(value, types) and (bool in types or not isinstance(value, bool))
        if shape.kind == "scalar" and shape.go_type in kinds and not fits:
            return f"expected {expected}, got &value.valueUnstructured{{Value:{dumps(value).decode()}}}"
    return ""


def _scalar(value: object) -> str:
    return value if isinstance(value, str) else dumps(value).decode()


def _element(item: object, shape: Shape, index: int) -> str:
    if shape.list_type == "map" and isinstance(item, dict) and shape.keys:
        return "[" + ",".join(f"{key}={dumps(item.get(key)).decode()}" for key in shape.keys) + "]"
    return f"[{index}]"


def _atomic(value: object, shape: Shape, path: str) -> Iterator[str]:
    """Atomic lists and maps in it, which a merge would replace whole."""
    if shape is ANY:
        return
    if isinstance(value, dict):
        if shape.atomic:
            yield path
        for key, each in value.items():
            yield from _atomic(each, shape.child(key) or ANY, f"{path}.{key}")
    elif isinstance(value, list) and shape.kind == "list":
        if shape.list_type == "atomic":
            yield path
        for index, each in enumerate(value):
            yield from _atomic(each, shape.element, f"{path}[{index}]")
