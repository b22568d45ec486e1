"""What a version of a definition says besides its schema: columns, scale, selectable fields. Pure.

Source: apiextensions-apiserver's apis/apiextensions/validation.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.sandbox.custom import causes
from edged.sandbox.custom.field_paths import FieldPathError, field_path
from edged.sandbox.custom.pruning import Object
from edged.sandbox.protocol.api_status import Cause

_COLUMN_TYPES = "boolean,date,integer,number,string"
_COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
MOST_SELECTABLE = 8


def scale_causes(scale: Object, path: str) -> Iterator[Cause]:
    """Of subresources.scale."""
    for field, below in (("specReplicasPath", ".spec."), ("statusReplicasPath", ".status.")):
        value, where = scale.get(field) or "", f"{path}.{field}"
        if not value:
            yield causes.required(where)
        elif wrong := _json_path(value):
            yield causes.invalid(where, value, wrong)
        elif not value.startswith(below):
            yield causes.invalid(where, value, f"should be a json path under {below[:-1]}")
    value, where = scale.get("labelSelectorPath") or "", f"{path}.labelSelectorPath"
    if value and (wrong := _json_path(value)):
        yield causes.invalid(where, value, wrong)
    elif value and not value.startswith((".spec.", ".status.")):
        yield causes.invalid(where, value, "should be a json path under either .spec or .status")


def _json_path(value: str) -> str:
    return "" if value.startswith(".") else "must be a simple json path starting with ."


def column_causes(column: Object, path: str) -> Iterator[Cause]:
    """Of one column."""
    kind, form, where = column.get("type") or "", column.get("format") or "", column.get("jsonPath") or ""
    if not column.get("name"):
        yield causes.required(f"{path}.name")
    if not kind:
        yield causes.required(f"{path}.type", f"must be one of {_COLUMN_TYPES}")
    elif kind not in _COLUMN_TYPES.split(","):
        yield causes.invalid(f"{path}.type", kind, f"must be one of {_COLUMN_TYPES}")
    if form and form not in _COLUMN_FORMATS:
        yield causes.invalid(f"{path}.format", form, f"must be one of {','.join(_COLUMN_FORMATS)}")
    if not where:
        yield causes.required(f"{path}.JSONPath")
    elif wrong := _json_path(where):
        yield causes.invalid(f"{path}.JSONPath", where, wrong)


def selectable_causes(fields: list[Object], schema: Object, path: str) -> Iterator[Cause]:
    """Of all selectable fields of a version with that schema."""
    seen: set[str] = set()
    for index, each in enumerate(fields):
        where, given = f"{path}[{index}].jsonPath", each.get("jsonPath") or ""
        if not given:
            yield causes.required(where)
            continue
        try:
            found = field_path(given, schema, brackets=False)
        except FieldPathError as error:
            yield causes.invalid(where, given, f"is an invalid path: {error}")
            continue
        if found.root == "metadata":
            yield causes.invalid(where, given, "must not point to fields in metadata")
        if not found.schema or found.schema.get("type") not in ("string", "boolean", "integer"):
            why = (
                "must point to a field of type string, boolean or integer. Enum string fields and strings with formats "
                "are allowed."
            )
            yield causes.invalid(where, given, why)
        if found.text in seen:
            yield causes.duplicate(where, given)
        seen.add(found.text)
    if len(seen) > MOST_SELECTABLE:
        yield causes.too_many(path, len(seen), MOST_SELECTABLE)
