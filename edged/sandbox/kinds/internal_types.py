"""Objects as kube-apiserver's own types print them: messages show parts of objects in that form, not the API's.

`internal_types.json` (written by tests/sandbox/kinds/internal from the Kubernetes sources) has each type's fields in
their order: the name in Go, the name in the API, the type. Pure but for reading that file once.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from edged.json_text import loads
from edged.kube.values.quantity import QuantityError, canonical

_ZEROS: dict[str, Any] = {
    "string": "", "bool": False, "int": 0, "int32": 0, "int64": 0, "uint32": 0, "float64": 0, "Quantity": "0",
    "IntOrString": 0,
}  # fmt: skip
_API_ORDER: dict[str, tuple[str, ...]] = {
    "meta/v1.LabelSelector": ("matchLabels", "matchExpressions"),
    "meta/v1.LabelSelectorRequirement": ("key", "operator", "values"),
    "meta/v1.ObjectMeta": (
        "name", "generateName", "namespace", "selfLink", "uid", "resourceVersion", "generation", "creationTimestamp",
        "deletionTimestamp", "deletionGracePeriodSeconds", "labels", "annotations", "ownerReferences", "finalizers",
        "managedFields",
    ),
}  # fmt: skip
"""Types that are the API's here, too: their fields are shown by the API's names, and empty ones are left out."""


@cache
def _table() -> dict[str, list[list[str]]]:
    text = (Path(__file__).parent / "internal_types.json").read_bytes()
    table: dict[str, list[list[str]]] = loads(text)
    return table


def internal(go_type: str, value: Any) -> Any:
    """The value of a field of that type, such as `*core.SecurityContext` or `[]core.Container`, as a JSON value whose
    objects have their fields in order."""
    if go_type.startswith("*"):
        return None if value is None else internal(go_type[1:], value)
    if go_type.startswith("[]"):
        return None if value is None else [internal(go_type[2:], item) for item in value]
    if go_type.startswith("{}"):
        return None if value is None else {key: internal(go_type[2:], value[key]) for key in sorted(value)}
    if go_type.startswith("meta/v1."):
        return _of_api(go_type, value or {})
    if go_type in _table():
        return _struct(go_type, value or {})
    if go_type == "Quantity" and value is not None:
        return _amount(value)
    return _ZEROS.get(go_type) if value is None else value


def _struct(go_type: str, value: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for name, field, inner in _table()[go_type]:
        if name:
            shown[name] = internal(inner, value.get(field))
        elif inner == "meta/v1.ObjectMeta":
            shown |= _of_api(inner, value.get("metadata") or {})
        else:
            shown |= internal(inner, value)
    return shown


def _of_api(go_type: str, value: dict[str, Any]) -> dict[str, Any]:
    order = _API_ORDER.get(go_type, tuple(value))
    shown = {name: value[name] for name in order if value.get(name)}
    if "matchExpressions" in shown:
        inner = "meta/v1.LabelSelectorRequirement"
        shown["matchExpressions"] = [_of_api(inner, each) for each in shown["matchExpressions"]]
    return {name: dict(sorted(each.items())) if isinstance(each, dict) else each for name, each in shown.items()}


def _amount(value: object) -> str:
    try:
        return canonical(value)
    except QuantityError:
        return str(value)
