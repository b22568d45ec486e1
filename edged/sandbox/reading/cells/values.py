"""Parts of cells that many kinds share: values at paths, counts, ages, selectors, quantities. Pure.

A cell is a function of the object, in the API version that is asked for, and of the time (seconds since the epoch).
What they say follows pkg/printers/internalversion of Kubernetes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from edged.kube.values.quantity import QuantityError, canonical
from edged.sandbox.reading import ages

Object = dict[str, Any]
Cell = Callable[[Object, float], Any]
NONE, UNSET, UNKNOWN = "<none>", "<unset>", "<unknown>"


def dig(obj: object, path: str) -> Any:
    """The value at a path such as `spec.nodeName`; None where a step is missing."""
    for part in path.split("."):
        obj = obj.get(part) if isinstance(obj, dict) else None
    return obj


def items(obj: object, path: str) -> list[Object]:
    """The objects of the list at a path."""
    found = dig(obj, path)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def text(path: str, absent: str = "") -> Cell:
    """The text at a path; `absent` when there is none or it is empty."""
    return lambda obj, _now: str(dig(obj, path) or absent)


def pointer(path: str, absent: str) -> Cell:
    """As `text`, for an optional field: an empty text is one."""

    def cell(obj: Object, _now: float) -> str:
        value = dig(obj, path)
        return absent if value is None else str(value)

    return cell


def number(path: str) -> Cell:
    return lambda obj, _now: dig(obj, path) or 0


def truth(path: str, *, absent: bool = False) -> Cell:
    def cell(obj: Object, _now: float) -> bool:
        value = dig(obj, path)
        return absent if value is None else bool(value)

    return cell


def count(*paths: str) -> Cell:
    """How many items are in the lists or maps at the paths."""
    return lambda obj, _now: sum(len(dig(obj, path) or ()) for path in paths)


def age_at(path: str) -> Cell:
    return lambda obj, now: ages.age(dig(obj, path), now)


NAME = text("metadata.name")
AGE = age_at("metadata.creationTimestamp")
CREATED = text("metadata.creationTimestamp", "0001-01-01T00:00:00Z")


def joined(path: str, absent: str = "", by: str = ",") -> Cell:
    """The texts of a list."""
    return lambda obj, _now: by.join(str(item) for item in dig(obj, path) or ()) or absent


def condition(obj: Object, kind: str) -> Object:
    """The first condition of that type, or an empty one."""
    return next((each for each in items(obj, "status.conditions") if each.get("type") == kind), {})


def quantity(given: object, absent: str = "0") -> str:
    """A quantity in its canonical form."""
    if given is None:
        return absent
    try:
        return canonical(given)
    except QuantityError:
        return str(given)


def labels_text(labels: object) -> str:
    """Labels as `a=b,c=d`, `<none>` without any."""
    pairs = labels if isinstance(labels, dict) else {}
    return ",".join(sorted(f"{key}={value}" for key, value in pairs.items())) or NONE


def labels_at(path: str) -> Cell:
    return lambda obj, _now: labels_text(dig(obj, path))


def selector_text(selector: object) -> str:
    """A LabelSelector as `a=b,c in (d,e),!f`, in the order of keys; "" without requirements."""
    if not isinstance(selector, dict):
        return ""
    found = [(key, f"{key}={value}") for key, value in (selector.get("matchLabels") or {}).items()]
    found += [(str(each.get("key")), _requirement(each)) for each in items(selector, "matchExpressions")]
    return ",".join(shown for _, shown in sorted(found, key=lambda pair: pair[0]))


def _requirement(each: Mapping[str, Any]) -> str:
    key, values = each.get("key"), ",".join(sorted(str(value) for value in each.get("values") or ()))
    match each.get("operator"):
        case "In":
            return f"{key} in ({values})"
        case "NotIn":
            return f"{key} notin ({values})"
        case "DoesNotExist":
            return f"!{key}"
    return str(key)


def selector_at(path: str, absent: str = NONE) -> Cell:
    return lambda obj, _now: selector_text(dig(obj, path)) or absent


def some_of(shown: Iterable[str], most: int, total: int) -> str:
    """The first few, and how many more there are; `<unset>` for none."""
    first = ",".join(list(shown)[:most])
    return f"{first} + {total - most} more..." if total > most else first or UNSET
