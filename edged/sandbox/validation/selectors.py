"""Labels and label selectors. Pure.

Facts from apimachinery's apis/meta/v1/validation.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.causes import each_invalid, forbidden, invalid, required
from edged.sandbox.validation.formats import label_value, qualified_name

_WITH_VALUES, _WITHOUT_VALUES = ("In", "NotIn"), ("Exists", "DoesNotExist")


def labels(given: Object | None, field: str) -> Iterator[Cause]:
    """A map of labels; all findings are about the map."""
    for key, value in (given or {}).items():
        yield from each_invalid(field, key, qualified_name(key))
        yield from each_invalid(field, value, label_value(value))


def label_selector(selector: Object | None, field: str) -> Iterator[Cause]:
    """A metav1.LabelSelector; one that is missing is right."""
    if not selector:
        return
    yield from labels(selector.get("matchLabels"), f"{field}.matchLabels")
    for index, requirement in enumerate(selector.get("matchExpressions") or ()):
        yield from _requirement(requirement, f"{field}.matchExpressions[{index}]")


def printed(selector: Object | None) -> Object | None:
    """As Go prints it: the fields in their order, the keys of labels sorted, empty ones left out."""
    if selector is None:
        return None
    shown: Object = {}
    if selector.get("matchLabels"):
        shown["matchLabels"] = dict(sorted(selector["matchLabels"].items()))
    if selector.get("matchExpressions"):
        shown["matchExpressions"] = [
            {"key": each.get("key") or "", "operator": each.get("operator") or "",
             **({"values": each["values"]} if each.get("values") else {})}
            for each in selector["matchExpressions"]
        ]  # fmt: skip
    return shown


def printed_labels(labels_of_object: Object | None) -> Object | None:
    return dict(sorted(labels_of_object.items())) if labels_of_object else None


def is_empty(selector: Object | None) -> bool:
    """Whether it has neither labels nor requirements."""
    return not selector or not (selector.get("matchLabels") or selector.get("matchExpressions"))


def _requirement(requirement: Object, field: str) -> Iterator[Cause]:
    operator, values = requirement.get("operator") or "", requirement.get("values") or []
    if operator in _WITH_VALUES:
        if not values:
            yield required(f"{field}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    elif operator in _WITHOUT_VALUES:
        if values:
            why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            yield forbidden(f"{field}.values", why)
    else:
        yield invalid(f"{field}.operator", operator, "not a valid selector operator")
    key = requirement.get("key") or ""
    yield from each_invalid(f"{field}.key", key, qualified_name(key))
    for index, value in enumerate(values):
        yield from each_invalid(f"{field}.values[{index}]", value, label_value(value))
