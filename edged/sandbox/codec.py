"""Request bodies -> objects: JSON, YAML and Kubernetes protobuf; unknown, mistyped and repeated fields are found.

Pure. `decode` and `read` read, `check_fields` compares with the kind's shape and drops what does not belong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edged import yaml_text
from edged.json_text import JsonError, dumps, loads, loads_repeated, pairs_of, repeated_paths
from edged.sandbox import protobuf
from edged.sandbox.api_status import ApiStatus, bad_request, unsupported_media_type
from edged.sandbox.cluster import Cluster, Object
from edged.sandbox.go_types import Shape
from edged.sandbox.request import Request
from edged.sandbox.resources import Resource
from edged.yaml_text import DuplicateKeys

JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"


@dataclass(frozen=True, slots=True)
class Body:
    """A body that is an object, and what is to be said of how it is written."""

    value: Object
    """Of JSON: its objects that have a key more than once are Repeated, for check_fields."""
    found: tuple[str, ...] = ()
    """Keys that are there more than once in YAML, in one text."""


def decode(cluster: Cluster, request: Request, kind: str) -> Object:
    """The body as an object. `kind` is what the URL expects, for error texts. Raises 400 and 415."""
    obj: Object = plain(read(cluster, request, kind).value)
    return obj


def read(cluster: Cluster, request: Request, kind: str) -> Body:
    """The same, for what is checked strictly."""
    media_type = request.media_type or JSON
    if media_type == PROTOBUF:
        return Body(protobuf.decode(request.body, cluster.types, cluster.registry))
    if media_type not in (JSON, YAML):
        raise unsupported_media_type([JSON, YAML, PROTOBUF])
    return read_text(request.body, kind, yaml=media_type == YAML)


def read_text(body: bytes, kind: str, *, yaml: bool = False) -> Body:
    """JSON or YAML text -> one object."""
    found: tuple[str, ...] = ()
    try:
        value = yaml_text.load(body, strict=True) if yaml else loads_repeated(body)
    except DuplicateKeys as error:
        value, found = error.value, (yaml_problem(error),)
    except ValueError as error:
        raise _unrecognized(kind, f"json parse error: {error}") from error
    if not isinstance(value, dict):
        raise _unrecognized(kind, "json parse error: json: cannot unmarshal into Go value of type struct")
    return Body(value, found)


def yaml_problem(error: DuplicateKeys) -> str:
    """What Kubernetes' YAML library says of keys that are there twice."""
    lines = (f"\n  line {line}: key {key} already set in map" for line, key in error.found)
    return _YAML_PROBLEM + "".join(lines)


_YAML_PROBLEM = "yaml: unmarshal errors:"


def _unrecognized(kind: str, why: str) -> ApiStatus:
    message = f"the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; {why}"
    return bad_request(message)


def check_kind(resource: Resource, obj: Object) -> None:
    """The body's kind and apiVersion are those of the URL; absent ones are filled in for typed kinds."""
    kind, api_version = obj.get("kind") or "", obj.get("apiVersion") or ""
    if not resource.custom:
        obj["kind"] = kind = kind or resource.kind
        obj["apiVersion"] = api_version = api_version or resource.api_version
    elif not kind:
        raise bad_request("Object 'Kind' is missing in body")
    if (kind, api_version) == (resource.kind, resource.api_version):
        return
    if resource.custom or api_version != resource.api_version:
        raise bad_request(
            f"the API version in the data ({api_version}) does not match the expected API version "
            f"({resource.api_version})" if api_version != resource.api_version
            else f"{resource.named.qualified_kind}: the kind in the data ({kind}) does not match {resource.kind}"
        )  # fmt: skip
    package = (resource.go_type.partition("/")[0]) or "core"
    raise bad_request(
        f'{kind} in version "{api_version}" cannot be handled as a {resource.kind}: converting '
        f"(v1.{kind}) to ({package}.{resource.kind}): unknown conversion"
    )


def check_fields(resource: Resource, obj: Object, found: list[str]) -> Object:
    """Drops unknown fields of a built-in kind. Adds to `found` what a strict decoder says: unknown fields, and keys
    that are there more than once. A wrong JSON type is 400. schemas.py checks the fields of custom resources."""
    if resource.custom:
        find_repeated(obj, "", found)
        once: Object = plain(obj)
        return once
    try:
        pruned: Object = _checked(obj, resource.shape, "", found, resource.kind)
    except _Mistyped as error:
        raise cannot_handle(resource, str(error)) from None
    return pruned


def strictness(resource: Resource, found: Sequence[str], mode: str) -> list[str]:
    """Applies fieldValidation to what was found: Strict raises, Warn returns warnings, Ignore drops it."""
    if found and mode == "Strict":
        raise cannot_handle(resource, strict_problem(found))
    return warnings_of(found) if mode != "Ignore" else []


def strict_problem(found: Sequence[str]) -> str:
    return "strict decoding error: " + ", ".join(_once(found))


def warnings_of(found: Sequence[str]) -> list[str]:
    """A warning for each finding; what YAML's library says is one for each line."""
    said: list[str] = []
    for text in _once(found):
        said += (line.strip() for line in text.removeprefix(_YAML_PROBLEM).strip().split("\n"))
    return said


def _once(found: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(found))


def find_repeated(value: object, path: str, found: list[str]) -> None:
    """Adds to `found` the keys that are there more than once, in any object."""
    found += map(_repeated, repeated_paths(value, path))


def plain(value: Any) -> Any:
    """A copy without Repeated: the last value of each key counts. What is too deep to be stored stays as it is."""
    try:
        return loads(dumps(value))
    except JsonError:
        return value


def _repeated(where: str) -> str:
    return f"duplicate field {dumps(where).decode()}"


def cannot_handle(resource: Resource, why: str) -> ApiStatus:
    text = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: {why}'
    return bad_request(text)


class _Mistyped(Exception):
    """A value of the wrong JSON type."""


def _checked(value: object, shape: Shape, path: str, found: list[str], owner: str) -> Any:
    if value is None:
        return None
    if shape.kind == "struct":
        return _checked_struct(_of_type(value, dict, shape, path, owner), shape, path, found)
    if shape.kind == "map":
        return _checked_map(_of_type(value, dict, shape, path, owner), shape, path, found, owner)
    if shape.kind == "list":
        items = enumerate(_of_type(value, list, shape, path, owner))
        return [_checked(v, shape.element, f"{path}[{i}]", found, owner) for i, v in items]
    if shape.kind == "scalar":
        _check_scalar(value, shape, path, owner)
    return plain(value) if isinstance(value, dict | list) else value


def _checked_struct(value: Object, shape: Shape, path: str, found: list[str]) -> Object:
    """A key that is there more than once: what its values say is joined, as Go's decoder fills in one value twice."""
    children, seen = shape.children(), set[str]()
    result: Object = {}
    owner = shape.go_type.rpartition(".")[2]
    for key, item in pairs_of(value):
        where = f"{path}.{key}" if path else key
        if key not in children:
            found.append(f"unknown field {dumps(where).decode()}")
            continue
        if key in seen:
            found.append(_repeated(where))
        checked = _checked(item, children[key], where, found, owner)
        if checked is not None or key == "creationTimestamp":
            result[key] = _joined(result[key], checked, children[key]) if key in result else checked
        seen.add(key)
    return result


def _checked_map(value: Object, shape: Shape, path: str, found: list[str], owner: str) -> Object:
    result: Object = {}
    for key, item in pairs_of(value):
        where = f"{path}.{key}" if path else key
        if key in result:
            found.append(_repeated(where))
        result[key] = _checked(item, shape.element, where, found, owner)
    return result


def _joined(before: Any, after: Any, shape: Shape) -> Any:
    if before is None or after is None:
        return after
    if shape.kind == "struct":
        children = shape.children()
        return before | {key: _joined(before.get(key), item, children[key]) for key, item in after.items()}
    if shape.kind == "map":
        return before | after
    if shape.kind == "list":
        old = [*before[: len(after)], *[None] * (len(after) - len(before))]
        return [_joined(one, other, shape.element) for one, other in zip(old, after, strict=True)]
    return after


_JSON_NAMES = {dict: "object", list: "array", str: "string", bool: "bool", int: "number", float: "number"}
_EXPECTED: dict[str, tuple[type, ...]] = {
    "string": (str,), "bytes": (str,), "bool": (bool,), "int": (int,), "int32": (int,), "int64": (int,),
    "uint32": (int,), "uint8": (int,), "float32": (int, float), "float64": (int, float),
    "Quantity": (str, int, float), "IntOrString": (str, int), "Time": (str,), "MicroTime": (str,), "Duration": (str,),
}  # fmt: skip


def _of_type(value: object, json_type: type, shape: Shape, path: str, owner: str) -> Any:
    if not isinstance(value, json_type):
        raise _mistyped(value, shape, path, owner)
    return value


def _check_scalar(value: object, shape: Shape, path: str, owner: str) -> None:
    expected = _EXPECTED[shape.go_type]
    if not isinstance(value, expected) or (isinstance(value, bool) and bool not in expected):
        raise _mistyped(value, shape, path, owner)


def _mistyped(value: object, shape: Shape, path: str, owner: str) -> _Mistyped:
    go_type = {"Quantity": "resource.Quantity", "Time": "v1.Time"}.get(shape.go_type, shape.go_type)
    go_type = go_type.replace("{}", "map[string]")
    json_name = _JSON_NAMES.get(type(value), "value")
    field = path.replace("[", ".").replace("]", "")
    field = ".".join(part for part in field.split(".") if not part.isdigit())
    return _Mistyped(f"json: cannot unmarshal {json_name} into Go struct field {owner}.{field} of type {go_type}")
