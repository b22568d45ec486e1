"""Checks a decoded object against a shape of shapes.py, and names the field that is wrong. Pure.

Only what edged reads is checked: that it has the kind that its reader expects, and that amounts are amounts. For
objects of files (scheduling/simulation/cluster_state.py), and for those that a scheduler hears of: an aggregated API
server, or one that is broken, sends what no reader expects, and that has to cost this object only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple, Required, get_args, get_origin, get_type_hints, is_typeddict

from edged.errors import EdgedError, PeerError, shown
from edged.kube.values import shapes
from edged.kube.values.quantity import QuantityError, nano
from edged.kube.values.shapes import Quantity

SHAPES: Final[Mapping[str, type]] = {
    "Node": shapes.Node, "Namespace": shapes.Namespace, "PersistentVolume": shapes.PersistentVolume,
    "StorageClass": shapes.StorageClass, "PriorityClass": shapes.PriorityClass, "CSINode": shapes.CSINode,
    "CSIDriver": shapes.CSIDriver, "VolumeAttachment": shapes.VolumeAttachment, "Pod": shapes.Pod,
    "PersistentVolumeClaim": shapes.PersistentVolumeClaim, "CSIStorageCapacity": shapes.CSIStorageCapacity,
    "PodDisruptionBudget": shapes.PodDisruptionBudget, "Service": shapes.PlainSelecting,
    "ReplicationController": shapes.PlainSelecting, "ReplicaSet": shapes.Workload, "StatefulSet": shapes.Workload,
    "RuntimeClass": shapes.RuntimeClass, "LimitRange": shapes.LimitRange,
}  # fmt: skip
"""Kind -> what the scheduler, or a simulation of it, reads of its objects."""

_LONGEST_NAME: Final = 253
_WORDS: Final[Mapping[type, str]] = {
    dict: "an object", list: "a list", str: "a string", bool: "a boolean", int: "an integer", float: "a number",
}  # fmt: skip


class Problem(NamedTuple):
    path: str
    text: str

    def below(self, place: str) -> Problem:
        return Problem(place + self.path, self.text)


class ShapeError(EdgedError):
    """An object has another shape than Kubernetes gives to its kind."""


Check = Callable[[object], Problem | None]
_NULL: Final = Problem("", "must not be null")


def problem(value: object, shape: object) -> str:
    """`spec.containers[0].resources.requests.cpu: 'abc' is not a quantity`, for the first field that is wrong; "" when
    all is right. `shape`: a TypedDict of shapes.py."""
    found = _check(shape)(value)
    if found is None:
        return ""
    return f"{found.path.removeprefix('.')}: {found.text}" if found.path else found.text


class WrongShape(PeerError):
    """An answer of the API server that is not what was asked for."""


def checked(answer: Any, shape: object, what: str) -> Any:
    """The answer, if it has the shape. Raises WrongShape; `what` says in its message what was asked for."""
    if wrong := problem(answer, shape):
        raise WrongShape(f"the answer about {what} cannot be used: {wrong}")
    return answer


def check_object(kind: str, obj: object) -> None:
    """Raises ShapeError (`Node n1: spec.taints[0].key: must be a string, not a list`) for an object of one of the kinds
    of SHAPES that cannot be read."""
    if found := problem(obj, SHAPES[kind]) if obj is not None else "must not be null":
        raise ShapeError(f"{kind} {_name_of(obj)}: {found}")


def check_part(kind: str, obj: object, part: object, shape: object, path: str) -> None:
    """The same for a part of the object, which stands at `path`."""
    if part is not None and (found := _check(shape)(part)) is not None:
        place = found.below(path)
        raise ShapeError(f"{kind} {_name_of(obj)}: {place.path}: {place.text}")


def _name_of(obj: object) -> str:
    metadata = obj.get("metadata") if isinstance(obj, dict) else None
    if not isinstance(metadata, dict):
        return "without metadata"
    names = [metadata.get("namespace"), metadata.get("name")]
    texts = [each if isinstance(each, str) else shown(each) for each in names if each]
    return "/".join(text if len(text) <= _LONGEST_NAME else text[:_LONGEST_NAME] + "..." for text in texts)


@cache
def _check(shape: Any) -> Check:
    """The check for a type as shapes.py uses them. null passes everywhere: the API server writes it for empty lists."""
    if shape is object:
        return lambda value: None
    if shape == Quantity:
        return _quantity
    if is_typeddict(shape):
        return _fields(shape)
    if get_origin(shape) is list:
        return _items(_check(get_args(shape)[0]))
    if get_origin(shape) is dict:
        return _values(_check(get_args(shape)[1]))
    return _plain(shape)


def _plain(kind: type) -> Check:
    def check(value: object) -> Problem | None:
        return None if type(value) is kind or value is None else _wrong(kind, value)

    return check


def _wrong(kind: type, value: object) -> Problem:
    hint = "; put it in quotes" if kind is str and isinstance(value, bool | int | float) else ""
    return Problem("", f"must be {_WORDS[kind]}, not {_WORDS.get(type(value), type(value).__name__)}{hint}")


def _quantity(value: object) -> Problem | None:
    return None if value is None else _amount(value) if isinstance(value, str) else _amount_of(value)


@lru_cache(4096)
def _amount(text: str) -> Problem | None:
    """Few texts stand in many Pods."""
    return _amount_of(text)


def _amount_of(value: object) -> Problem | None:
    try:
        nano(value)
    except QuantityError as error:
        return Problem("", str(error))
    return None


def _items(check: Check) -> Check:
    def check_list(value: object) -> Problem | None:
        if not isinstance(value, list):
            return None if value is None else _wrong(list, value)
        for index, item in enumerate(value):
            found = _NULL if item is None else check(item)
            if found is not None:
                return found.below(f"[{index}]")
        return None

    return check_list


def _values(check: Check) -> Check:
    def check_dict(value: object) -> Problem | None:
        if not isinstance(value, dict):
            return None if value is None else _wrong(dict, value)
        for key, item in value.items():
            found = _wrong(str, key) if not isinstance(key, str) else _NULL if item is None else check(item)
            if found is not None:
                return found.below(f".{key}" if str(key).isidentifier() else f"[{shown(key).strip(chr(39))}]")
        return None

    return check_dict


def _fields(shape: type) -> Check:
    hints = get_type_hints(shape, include_extras=True)
    required = [name for name, hint in hints.items() if get_origin(hint) is Required or vars(shape)["__total__"]]
    checks = {name: _check(get_args(hint)[0] if get_origin(hint) is Required else hint) for name, hint in hints.items()}

    def check(value: object) -> Problem | None:
        if not isinstance(value, dict):
            return None if value is None else _wrong(dict, value)
        for name, inner in value.items():
            known = checks.get(name)
            if known is not None and (found := known(inner)) is not None:
                return found.below(f".{name}")
        missing = next((name for name in required if value.get(name) is None), None)
        return None if missing is None else Problem(f".{missing}", "is required")

    return check
