"""Selectors of objects, in the form of an object and in that of lists and watches. Pure.

What they mean and how the texts are read: edged/kube/values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from edged.kube.values import field_selectors, label_selector_text, selectable_fields
from edged.kube.values.selectable_fields import FieldFilter
from edged.kube.values.selectors import BadSelector, Labels, LabelSelector, Requirement, parse_label_selector
from edged.sandbox.protocol.api_status import bad_request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edged.kube.values.shapes import LabelSelector as LabelSelectorObject
    from edged.sandbox.kinds.resources import Resource


def from_object(selector: LabelSelectorObject | None) -> list[Requirement]:
    """A metav1.LabelSelector -> requirements; an empty one selects everything."""
    parsed = parse_label_selector(selector or {})
    return list(parsed.requirements) if parsed is not None else []


def matches(requirements: list[Requirement], labels: Labels | None) -> bool:
    return all(requirement.matches(labels or {}) for requirement in requirements)


class ListSelectors(NamedTuple):
    """Of one request."""

    labels: LabelSelector
    fields: FieldFilter


def of_request(resource: Resource, query: Mapping[str, str]) -> ListSelectors:
    """Raises ApiStatus 400 for selectors that cannot be read, and for a field that the kind cannot be selected by."""
    if resource.custom:
        known = selectable_fields.of_custom(resource.selectable, namespaced=resource.namespaced)
    else:
        known = selectable_fields.of_builtin(resource.gvr)
    try:
        labels = label_selector_text.parse(query.get("labelSelector", ""))
        fields = field_selectors.parse(query.get("fieldSelector", ""))
        return ListSelectors(labels, known.filter(fields))
    except BadSelector as error:
        raise bad_request(str(error)) from error
