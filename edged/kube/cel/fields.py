"""`value.key`, `value[key]`, `value.?key` and has()."""

from __future__ import annotations

from edged.kube.cel.errors import EvaluationError
from edged.kube.cel.values import NONE, Lazy, Optional, Structure, UInt, is_number, type_name

_ABSENT = object()


def field_of(value: object, key: object) -> object:
    """`value[key]` and `value.key`. Raises EvaluationError."""
    if isinstance(value, dict):
        try:
            return value[_key(value, key)]
        except KeyError:
            raise EvaluationError(f"no such key: {shown_key(key)}") from None
    if isinstance(value, list):
        return value[_index(key, len(value))]
    if isinstance(value, Lazy):
        return value.value(str(key))
    if isinstance(value, Optional):
        return optional_field(value, key)
    if isinstance(value, Structure) and isinstance(key, str):
        return value.fields.get(key)
    raise EvaluationError(f"no such key: {shown_key(key)}")


def _key(value: dict[object, object], key: object) -> object:
    """As it is in the map: a number is found by its value, a bool only as itself."""
    if isinstance(key, bool) or (is_number(key) and any(isinstance(each, bool) for each in value)):
        return next((each for each in value if type(each) is type(key) and each == key), _ABSENT)
    if not isinstance(key, bool | int | str | float | UInt):
        raise EvaluationError("no such overload")
    return key


def _index(key: object, length: int) -> int:
    if isinstance(key, float) and key.is_integer():
        key = int(key)
    if not isinstance(key, int) or isinstance(key, bool):
        raise EvaluationError(f"unsupported index type '{type_name(key)}' in list")
    if not 0 <= key < length:
        raise EvaluationError(f"index out of bounds: {key}")
    return key


def shown_key(key: object) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)


def optional_field(value: object, key: object) -> Optional:
    """`value.?key` and `value[?key]`."""
    if isinstance(value, Optional):
        return optional_field(value.value, key) if value.present else NONE
    if isinstance(value, Lazy) or not has(value, key):
        return Optional(value.value(str(key))) if isinstance(value, Lazy) and value.has(str(key)) else NONE
    return Optional(field_of(value, key))


def has(value: object, key: object) -> bool:
    if isinstance(value, dict):
        return key in value
    if isinstance(value, list):
        return isinstance(key, int) and not isinstance(key, bool) and 0 <= key < len(value)
    if isinstance(value, Structure):
        return key in value.fields
    if isinstance(value, Lazy):
        return value.has(str(key))
    return isinstance(value, Optional) and value.present and has(value.value, key)
