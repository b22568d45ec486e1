"""Selectors of a module that are evaluated on cached objects, as the API server would on its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from edged.controllers.core.codes import invalid
from edged.kube.values import field_selectors, label_selector_text
from edged.kube.values.field_selectors import FieldSelector
from edged.kube.values.go_texts import printed
from edged.kube.values.names import GroupVersionResource
from edged.kube.values.selectable_fields import of_builtin
from edged.kube.values.selectors import BadSelector, LabelSelector


class Filter(NamedTuple):
    """A label selector and a field selector of objects of one resource. Any field may be named, also one that the API
    server cannot select by: objects are here."""

    resource: GroupVersionResource
    labels: LabelSelector
    fields: FieldSelector

    def matches(self, obj: Mapping[str, Any]) -> bool:
        metadata = obj.get("metadata")
        labels = metadata.get("labels") if isinstance(metadata, dict) else None
        if not self.labels.matches(labels if isinstance(labels, dict) else {}):
            return False
        readers = of_builtin(self.resource).readers

        def read(field: str) -> str:
            known = readers.get(field)
            return _at(obj, field) if known is None else known(obj)

        return self.fields.matches(read)


def filter_of(resource: GroupVersionResource, label_selector: str, field_selector: str, place: str) -> Filter | None:
    """None where everything is selected. Raises Refused (INVALID); `place` is what has the selectors."""
    if not label_selector and not field_selector:
        return None
    try:
        labels = label_selector_text.parse(label_selector)
        fields = field_selectors.parse(field_selector)
    except BadSelector as error:
        raise invalid(f"{place}: {error}") from None
    return Filter(resource, labels, fields)


def _at(obj: object, field: str) -> str:
    for name in field.split("."):
        obj = obj.get(name) if isinstance(obj, Mapping) else None
    return "" if obj is None else obj if isinstance(obj, str) else printed(obj)
