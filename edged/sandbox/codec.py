"""Request bodies -> objects: JSON, YAML and Kubernetes protobuf; unknown and mistyped fields found on the way.

Pure. `decode` reads, `check_fields` compares with the kind's shape and drops what does not belong.
"""

from __future__ import annotations

from typing import Any

from edged import yaml_text
from edged.json_text import JsonError, loads
from edged.sandbox import protobuf
from edged.sandbox.api_status import ApiStatus, bad_request, unsupported_media_type
from edged.sandbox.cluster import Cluster, Object
from edged.sandbox.go_types import Shape
from edged.sandbox.request import Request
from edged.sandbox.resources import Resource

JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"


def decode(cluster: Cluster, request: Request, kind: str) -> Object:
    """The body as an object. `kind` is what the URL expects, for error texts. Raises 400 and 415."""
    media_type = request.media_type or JSON
    if media_type == PROTOBUF:
        return protobuf.decode(request.body, cluster.types, cluster.registry)
    if media_type not in (JSON, YAML):
        raise unsupported_media_type([JSON, YAML, PROTOBUF])
    return parse_text(request.body, kind, yaml=media_type == YAML)


def parse_text(body: bytes, kind: str, *, yaml: bool = False) -> Object:
    """JSON or YAML text -> one object."""
    try:
        value = _load_yaml(body) if yaml else loads(body)
    except ValueError as error:
        raise _unrecognized(kind, f"json parse error: {error}") from error
    if not isinstance(value, dict):
        raise _unrecognized(kind, "json parse error: json: cannot unmarshal into Go value of type struct")
    return value


def _load_yaml(body: bytes) -> Any:
    """JSON is YAML, too: kubectl applies it, and it is read much faster as JSON."""
    if body.lstrip().startswith(b"{"):
        try:
            return loads(body)
        except JsonError:
            pass
    return yaml_text.load(body)


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


def check_fields(resource: Resource, obj: Object, mode: str) -> tuple[Object, list[str]]:
    """Drops unknown fields of a built-in kind and returns the warnings. Strict: 400 instead. A wrong JSON type is
    400 in every mode. Custom resources are checked by schemas.py."""
    if resource.custom:
        return obj, []
    unknown: list[str] = []
    try:
        pruned = _checked(obj, resource.shape, "", unknown, resource.kind)
    except _Mistyped as error:
        raise cannot_handle(resource, str(error)) from None
    findings = [f'unknown field "{path}"' for path in unknown]
    return pruned, strictness(resource, findings, mode)


def strictness(resource: Resource, findings: list[str], mode: str) -> list[str]:
    """Applies fieldValidation to what was found: Strict raises, Warn returns warnings, Ignore drops it."""
    if findings and mode == "Strict":
        raise cannot_handle(resource, "strict decoding error: " + ", ".join(findings))
    return findings if mode != "Ignore" else []


def cannot_handle(resource: Resource, why: str) -> ApiStatus:
    text = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: {why}'
    return bad_request(text)


class _Mistyped(Exception):
    """A value of the wrong JSON type."""


def _checked(value: object, shape: Shape, path: str, unknown: list[str], owner: str) -> Any:
    if value is None:
        return None
    if shape.kind == "struct":
        return _checked_struct(_of_type(value, dict, shape, path, owner), shape, path, unknown)
    if shape.kind == "map":
        items = _of_type(value, dict, shape, path, owner).items()
        return {k: _checked(v, shape.element, f"{path}.{k}" if path else k, unknown, owner) for k, v in items}
    if shape.kind == "list":
        items = enumerate(_of_type(value, list, shape, path, owner))
        return [_checked(v, shape.element, f"{path}[{i}]", unknown, owner) for i, v in items]
    if shape.kind == "scalar":
        _check_scalar(value, shape, path, owner)
    return value


def _checked_struct(value: Object, shape: Shape, path: str, unknown: list[str]) -> Object:
    children, result = shape.children(), {}
    owner = shape.go_type.rpartition(".")[2]
    for key, item in value.items():
        where = f"{path}.{key}" if path else key
        if key not in children:
            unknown.append(where)
        else:
            checked = _checked(item, children[key], where, unknown, owner)
            if checked is not None or key == "creationTimestamp":
                result[key] = checked
    return result


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
