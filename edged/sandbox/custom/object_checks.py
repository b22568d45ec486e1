"""What a custom resource is refused for, in the order of apiextensions-apiserver's customResourceStrategy. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from edged.sandbox.custom import causes
from edged.sandbox.custom.correlation import Correlated
from edged.sandbox.custom.embedded import embedded_causes
from edged.sandbox.custom.list_types import repeated
from edged.sandbox.custom.pruning import Object
from edged.sandbox.custom.results import type_name
from edged.sandbox.custom.rules import Rules, has_rules
from edged.sandbox.custom.value_validation import validate
from edged.sandbox.kinds.resources import Resource
from edged.sandbox.protocol.api_status import Cause

_BLOCKING = ("FieldValueNotSupported", "FieldValueRequired", "FieldValueTooLong", "FieldValueTooMany",
             "FieldValueTypeInvalid")  # fmt: skip
MOST_REPLICAS = 2**31 - 1


def custom_causes(
    resource: Resource, obj: Object, old: Object | None, warnings: list[str], subresource: str = ""
) -> list[Cause]:
    """Everything but metadata. `old`: the stored object of an update; what has not changed is not refused again, of
    rules it is a warning."""
    schema = resource.schema or {}
    if subresource != "status":
        warnings += _finalizer_warnings(obj, old)
    correlated = Correlated(obj, old, schema) if old is not None else None
    if subresource == "status":
        found = _status(resource, obj, old)
    else:
        found = validate(obj, schema, correlated) + list(_scale_spec(resource, obj))
    found += _scale_status(resource, obj)
    if subresource != "status":
        found += embedded_causes(obj, schema)
    if old is None or not any(repeated(old, schema)):
        found += repeated(obj, schema)
    rules = Rules()
    if any(cause.reason in _BLOCKING for cause in found):
        if has_rules(schema):
            found.append(causes.invalid("", None, _UNCHECKED))
    else:
        found += rules.check(obj, old, schema, correlated)
    warnings += rules.warnings
    return found


def _finalizer_warnings(obj: Object, old: Object | None) -> Iterator[str]:
    """Of new finalizers whose names may be somebody else's, too."""
    before = ((old or {}).get("metadata") or {}).get("finalizers") or ()
    for name in sorted(set(obj["metadata"].get("finalizers") or ()) - set(before)):
        if "/" in name or name in ("orphan", "foregroundDeletion", "kubernetes"):
            continue
        path = " including a path (/)" if "." in name else ""
        why = f"prefer a domain-qualified finalizer name{path} to avoid accidental conflicts with other"
        yield f"metadata.finalizers: {causes.quoted(name)}: {why} finalizer writers"


_UNCHECKED = (
    "some validation rules were not checked because the object was invalid; correct the existing errors to complete "
    "validation"
)


def _status(resource: Resource, obj: Object, old: Object | None) -> list[Cause]:
    schema = ((resource.schema or {}).get("properties") or {}).get("status")
    if "status" not in obj or schema is None:
        return []
    before = (old or {}).get("status")
    correlated = Correlated(obj["status"], before, schema) if old is not None else None
    return validate(obj["status"], schema, correlated, within="status")


def _at(obj: Object, path: str) -> Any:
    """The value at `.a.b`; None where nothing is."""
    value: Any = obj
    for part in path.removeprefix(".").split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _scale_spec(resource: Resource, obj: Object) -> Iterator[Cause]:
    if resource.scale is not None:
        yield from _replicas(obj, resource.scale.get("specReplicasPath") or "")


def _scale_status(resource: Resource, obj: Object) -> Iterator[Cause]:
    if resource.scale is None:
        return
    yield from _replicas(obj, resource.scale.get("statusReplicasPath") or "")
    path = resource.scale.get("labelSelectorPath")
    if path and not isinstance(_at(obj, path), str | None):
        yield causes.invalid(path, "", _mismatch(path, _at(obj, path), "string"))


def _replicas(obj: Object, path: str) -> Iterator[Cause]:
    value = _at(obj, path)
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool):
        yield causes.invalid(path, 0, _mismatch(path, value, "int64"))
    elif value < 0:
        yield causes.invalid(path, value, "should be a non-negative integer")
    elif value > MOST_REPLICAS:
        yield causes.invalid(path, value, f"should be less than or equal to {MOST_REPLICAS}")


_GO_TYPES = {"object": "map[string]interface {}", "array": "[]interface {}", "boolean": "bool", "integer": "int64",
             "number": "float64"}  # fmt: skip


def _mismatch(path: str, value: object, wanted: str) -> str:
    found = _GO_TYPES.get(type_name(value), "string")
    shown = value if isinstance(value, str) else causes.go_json(value)
    return f"{path} accessor error: {shown} is of the type {found}, expected {wanted}"
