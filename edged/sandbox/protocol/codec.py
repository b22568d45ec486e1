"""Request bodies -> objects: JSON, YAML and Kubernetes protobuf; unknown, mistyped and repeated fields are found.

Pure. `decode` and `read` read, `check_fields` compares with the kind's shape and drops what does not belong.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edged import yaml_text
from edged.json_text import JsonError, Repeated, dumps, loads, loads_repeated, pairs_of, repeated_paths
from edged.sandbox.cluster import Cluster, Object
from edged.sandbox.kinds.go_types import Shape
from edged.sandbox.kinds.resources import Resource
from edged.sandbox.protocol import protobuf
from edged.sandbox.protocol.api_status import ApiStatus, Cause, Named, bad_request, invalid, unsupported_media_type
from edged.sandbox.protocol.json_errors import syntax_error
from edged.sandbox.protocol.request import Request
from edged.sandbox.protocol.scalars import NO_QUANTITY, out_of_range, scalar_problem
from edged.yaml_text import DuplicateKeys, YamlError

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
    """The body as an object; null fields are absent. `kind` is what the URL expects. Raises 400 and 415, also for
    fields of the wrong JSON type where the kind is one of _OF_SUBRESOURCES."""
    obj: Object = plain(read(cluster, request, kind).value)
    go_type = _OF_SUBRESOURCES.get(kind)
    if go_type is None:
        return obj
    try:
        checked: Object = _checked(obj, cluster.types.shape(go_type), _At("", "", kind), [])
    except _Mistyped as error:
        raise bad_request(f'{kind} in version "v1" cannot be handled as a {kind}: {error}') from None
    return checked


_OF_SUBRESOURCES = {**protobuf.OTHER_KINDS, "Namespace": "core/v1.Namespace"}
"""What `decode` reads, and its Go type."""


def read(cluster: Cluster, request: Request, kind: str) -> Body:
    """The same, for what is checked strictly."""
    media_type = request.media_type or JSON
    if media_type == PROTOBUF and not request.body.startswith(protobuf.MAGIC):
        why = "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
        raise _unrecognized(kind, why if request.body else "empty data", request.body)
    if media_type == PROTOBUF:
        return Body(protobuf.decode(request.body, cluster.types, cluster.registry))
    # An empty parameter is no media type for Go.
    if media_type not in (JSON, YAML) or ";;" in request.headers.get("content-type", ""):
        raise unsupported_media_type([JSON, YAML, PROTOBUF])
    return read_text(request.body, kind, yaml=media_type == YAML)


def read_text(body: bytes, kind: str, *, yaml: bool = False) -> Body:
    """JSON or YAML text -> one object; null stands for an empty one."""
    try:
        read = _read_yaml(body) if yaml else Body(loads_repeated(_valid(body)))
    except YamlError as error:
        raise _unrecognized(kind, _yaml_error(error), body) from error
    except ValueError as error:
        raise _unrecognized(kind, f"{_NO_VERSION}{_json_error(body, error)}", body) from error
    if (wrong := _no_object(read.value, _TYPE_META)) or (wrong := _no_kind(read.value)):
        raise _unrecognized(kind, _NO_VERSION + wrong, body)
    if str((read.value or {}).get("apiVersion")).count("/") > 1:
        raise _unrecognized(kind, f"unexpected GroupVersion string: {read.value['apiVersion']}", body)
    return Body(read.value or {}, read.found)


def _valid(body: bytes) -> bytes:
    """Each byte that is not of UTF-8 becomes U+FFFD, as in Go's strings of JSON."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return re.sub("[\udc80-\udcff]", "\ufffd", body.decode(errors="surrogateescape")).encode()
    return body


def read_applied(body: bytes) -> Body:
    """The YAML of a server-side apply -> one object."""
    try:
        read = _read_yaml(body)
    except YamlError as error:
        is_json = body.lstrip().startswith(b"{")
        doing = "decoding patch: error converting YAML to JSON" if is_json else "encoding patch"
        raise bad_request(f"error {doing}: {_yaml_error(error)}") from error
    if wrong := _no_object(read.value, "map[string]interface {}"):
        raise bad_request(f"error decoding patch: error unmarshaling JSON: while decoding JSON: {wrong}")
    return Body(read.value or {}, read.found)


def _read_yaml(body: bytes) -> Body:
    try:
        return Body(yaml_text.load(body, strict=True))
    except DuplicateKeys as error:
        return Body(error.value, (yaml_problem(error),))


_NO_VERSION = "couldn't get version/kind; json parse error: "
_TYPE_META = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'


def _no_object(value: object, go_type: str) -> str:
    """What Go's decoder says of a value that is no object; empty for one, and for null."""
    if value is None or isinstance(value, dict):
        return ""
    return f"json: cannot unmarshal {JSON_NAMES[type(value)]} into Go value of type {go_type}"


def _no_kind(value: Object | None) -> str:
    for name in ("apiVersion", "kind"):
        found = (value or {}).get(name)
        if not isinstance(found, str | None):
            return f"json: cannot unmarshal {JSON_NAMES[type(found)]} into Go struct field .{name} of type string"
    return ""


def _yaml_error(error: YamlError) -> str:
    return f"yaml: {str(error).removeprefix('not valid YAML: ')}"


def _json_error(body: bytes, error: ValueError) -> str:
    return syntax_error(body) or str(error)


def delete_options(cluster: Cluster, request: Request) -> Object:
    """The body of a DELETE, which is not empty. Raises 400 and 415, in words of its own."""
    try:
        body = read(cluster, request, "DeleteOptions")
    except ApiStatus as refusal:
        if refusal.message.startswith(prefix := _UNRECOGNIZED.format("DeleteOptions")):
            refusal.message = refusal.message.removeprefix(prefix).rpartition(" (")[0]
        raise
    kind, version = body.value.get("kind") or "DeleteOptions", body.value.get("apiVersion") or "v1"
    if kind != "DeleteOptions":
        raise bad_request(not_registered(kind, version))
    try:
        shape = cluster.types.shape(_OF_SUBRESOURCES["DeleteOptions"])
        options: Object = _checked(plain(body.value), shape, _At("", "", "DeleteOptions"), [])
    except _Mistyped as error:
        raise bad_request(str(error)) from None
    return options


def not_registered(kind: str, version: str) -> str:
    """What Go's table of types says of a kind that it lacks."""
    return f'no kind "{kind}" is registered for version "{version}" in scheme "pkg/runtime/scheme.go:111"'


def yaml_problem(error: DuplicateKeys) -> str:
    """What Kubernetes' YAML library says of keys that are there twice."""
    lines = (f"\n  line {line}: key {key} already set in map" for line, key in error.found)
    return _YAML_PROBLEM + "".join(lines)


_YAML_PROBLEM = "yaml: unmarshal errors:"


def _unrecognized(kind: str, why: str, body: bytes) -> ApiStatus:
    return bad_request(f"{_UNRECOGNIZED.format(kind)}{why} ({_begin_of(body)})")


_UNRECOGNIZED = "the object provided is unrecognized (must be of type {}): "


def _begin_of(body: bytes) -> str:
    """The begin of a body, as error texts show it: as text only if it may be JSON."""
    if not body:
        return "<empty>"
    begin = body[:30]
    shown = begin.decode(errors="replace") if body.startswith(b"{") else begin.hex()
    return shown if len(body) == len(begin) else f"{shown} ..."


def check_has_kind(resource: Resource, obj: Object, body: bytes) -> None:
    """The body of a custom resource says its kind. Raises 400."""
    if resource.custom and not obj.get("kind"):
        text = body.decode(errors="replace").strip()
        raise _unrecognized(resource.kind, f"Object 'Kind' is missing in '{text}'", body)


def check_kind(cluster: Cluster, resource: Resource, obj: Object) -> None:
    """The body's kind and apiVersion are those of the URL; absent ones are filled in for typed kinds."""
    kind, api_version = obj.get("kind") or "", obj.get("apiVersion") or ""
    if not resource.custom:
        obj["kind"] = kind = kind or resource.kind
        obj["apiVersion"] = api_version = api_version or resource.api_version
    if (kind, api_version) == (resource.kind, resource.api_version):
        return
    if resource.custom and api_version != resource.api_version:
        expected = f"does not match the expected API version ({resource.api_version})"
        raise bad_request(f"the API version in the data ({api_version}) {expected}")
    if resource.custom:
        named = Named(resource.group, kind, resource.plural)
        why = f"Invalid value: {dumps(kind).decode()}: must be {resource.kind}"
        raise invalid(named, str((obj.get("metadata") or {}).get("name") or ""), [Cause("kind", why)])
    head = f'{kind} in version "{api_version.rpartition("/")[2]}" cannot be handled as a {resource.kind}: '
    raise bad_request(head + unconvertible(cluster, resource, kind, api_version))


def unconvertible(cluster: Cluster, resource: Resource, kind: str, api_version: str) -> str:
    """What is said of a body of another kind than the URL's: whether that kind is known decides."""
    known = cluster.registry.by_kind(api_version, kind)
    if (known is None or known.custom) and (api_version, kind) != ("v1", "List"):
        return not_registered(kind, api_version)
    package = resource.go_type.partition("/")[0]
    return f"converting (v1.{kind}) to ({package}.{resource.kind}): unknown conversion"


def check_fields(resource: Resource, obj: Object, found: list[str]) -> Object:
    """Drops unknown fields of a built-in kind. Adds to `found` what a strict decoder says: unknown fields, and keys
    that are there more than once. A wrong JSON type is 400. Of custom resources it is the metadata alone; pruning.py
    checks the rest."""
    if resource.custom:
        find_repeated(obj, "", found)
        return _with_metadata(resource, plain(obj), found)
    try:
        pruned: Object = _checked(obj, resource.shape, _At("", "", resource.kind), found)
    except _Mistyped as error:
        raise cannot_handle(resource, str(error)) from None
    return pruned


def _with_metadata(resource: Resource, obj: Object, found: list[str]) -> Object:
    shape, metadata = resource.shape.child("metadata"), obj.get("metadata")
    if metadata is None or shape is None:
        obj.pop("metadata", None)
        return obj
    if wrong := _no_object(metadata, "v1.ObjectMeta"):
        raise cannot_handle(resource, wrong)
    try:
        obj["metadata"] = _checked(metadata, shape, _At("metadata", "", "ObjectMeta"), found)
    except _Mistyped as error:
        raise cannot_handle(resource, str(error)) from None
    return obj


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


@dataclass(frozen=True, slots=True)
class _At:
    """Where a value stands: `path` names it for strict errors; `field` has the fields of structs alone, for errors of
    type, in the struct `owner`."""

    path: str
    field: str
    owner: str

    def key(self, name: str) -> _At:
        return _At(self.below(name), self.field, self.owner)

    def below(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def struct_field(self, name: str, owner: str) -> _At:
        return _At(self.below(name), f"{self.field}.{name}" if self.field else name, owner)

    def item(self, index: int) -> _At:
        return _At(f"{self.path}[{index}]", self.field, self.owner)


def _checked(value: object, shape: Shape, at: _At, found: list[str]) -> Any:
    if value is None:
        return None
    if shape.kind == "struct":
        return _checked_struct(_of_type(value, dict, shape, at), shape, at, found)
    if shape.kind == "map":
        return _checked_map(_of_type(value, dict, shape, at), shape, at, found)
    if shape.kind == "list":
        items = enumerate(_of_type(value, list, shape, at))
        return [_checked_element(item, shape.element, at.item(index), found) for index, item in items]
    if shape.kind == "scalar":
        _check_scalar(value, shape, at)
    if (inner := shape.alternative(value)) is not None:
        return _checked(value, inner, at, [])  # such a type decodes itself, and tells of no unknown fields
    return plain(value) if isinstance(value, dict | list) else value


def _checked_element(value: object, shape: Shape, at: _At, found: list[str]) -> Any:
    """In lists and maps null stands for the empty value of their type."""
    if value is not None:
        return _checked(value, shape, at, found)
    if shape.kind == "struct":
        return {}
    return _EMPTY.get(shape.go_type) if shape.kind == "scalar" else None


def _checked_struct(value: Object, shape: Shape, at: _At, found: list[str]) -> Object:
    """A key that is there more than once: what its values say is joined, as Go's decoder fills in one value twice."""
    children, seen = shape.children(), set[str]()
    result: Object = {}
    owner = shape.go_type.rpartition(".")[2]
    for key, item in pairs_of(value):
        if key not in children:
            found.append(f"unknown field {dumps(at.below(key)).decode()}")
            continue
        inner = at.struct_field(key, owner)
        if key in seen:
            found.append(_repeated(inner.path))
        checked = _checked(item, children[key], inner, found)
        if checked is not None or key == "creationTimestamp":
            result[key] = _joined(result[key], checked, children[key]) if key in result else checked
        seen.add(key)
    return result


def _checked_map(value: Object, shape: Shape, at: _At, found: list[str]) -> Object:
    result: Object = {}
    for key, item in pairs_of(value):
        inner = at.key(key)
        if key in result:
            found.append(_repeated(inner.path))
        result[key] = _checked_element(item, shape.element, inner, found)
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


JSON_NAMES = {
    dict: "object", Repeated: "object", list: "array", str: "string", bool: "bool", int: "number", float: "number",
}  # fmt: skip
_EXPECTED: dict[str, tuple[type, ...]] = {
    "string": (str,), "bytes": (str,), "bool": (bool,), "int": (int,), "int32": (int,), "int64": (int,),
    "uint32": (int,), "uint8": (int,), "float32": (int, float), "float64": (int, float),
    "Quantity": (str, int, float), "IntOrString": (str, int), "Time": (str,), "MicroTime": (str,), "Duration": (str,),
}  # fmt: skip


_EMPTY = {
    "string": "", "bool": False, "int": 0, "int32": 0, "int64": 0, "uint32": 0, "uint8": 0, "float32": 0, "float64": 0,
    "Quantity": "0", "IntOrString": 0, "Duration": "0s",
}  # fmt: skip


def _of_type(value: object, json_type: type, shape: Shape, at: _At) -> Any:
    if not isinstance(value, json_type):
        raise _mistyped(value, shape, at)
    return value


def _check_scalar(value: object, shape: Shape, at: _At) -> None:
    expected = _EXPECTED[shape.go_type]
    if not isinstance(value, expected) or (isinstance(value, bool) and bool not in expected):
        # A quantity reads its JSON itself, whatever it is.
        raise _Mistyped(NO_QUANTITY) if shape.go_type == "Quantity" else _mistyped(value, shape, at)
    if out_of_range(shape.go_type, value):
        where = f"Go struct field {at.owner}.{at.field} of type {shape.go_type}"
        raise _Mistyped(f"json: cannot unmarshal number {value} into {where}")
    if problem := scalar_problem(shape.go_type, value):
        raise _Mistyped(problem)


_GO_NAMES = {"Quantity": "resource.Quantity", "Time": "v1.Time", "bytes": "[]uint8", "{}Quantity": "v1.ResourceList"}


_GROUP = re.compile(r"[a-z.0-9]+/(?=v\d)")
"""Go says the package of a type without its path."""


def _mistyped(value: object, shape: Shape, at: _At) -> _Mistyped:
    go_type = _GO_NAMES.get(shape.go_type, shape.go_type)
    go_type = _GROUP.sub("", go_type.replace("{}", "map[string]"))
    json_name = JSON_NAMES.get(type(value), "value")
    return _Mistyped(f"json: cannot unmarshal {json_name} into Go struct field {at.owner}.{at.field} of type {go_type}")
