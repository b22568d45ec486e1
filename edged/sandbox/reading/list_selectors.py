"""Selectors of objects: labels in the form of an object, and fields. Pure.

Source of the grammar: apimachinery's fields.ParseSelector; of labels' see label_selectors.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edged.json_text import dumps
from edged.kube.values.selectors import Labels, Requirement, parse_label_selector
from edged.sandbox.protocol.api_status import bad_request

if TYPE_CHECKING:
    from edged.kube.values.shapes import LabelSelector

Object = dict[str, Any]


def from_object(selector: LabelSelector | None) -> list[Requirement]:
    """A metav1.LabelSelector -> requirements; an empty one selects everything."""
    parsed = parse_label_selector(selector or {})
    return list(parsed.requirements) if parsed is not None else []


def matches(requirements: list[Requirement], labels: Labels | None) -> bool:
    return all(requirement.matches(labels or {}) for requirement in requirements)


@dataclass(frozen=True, slots=True)
class FieldTerm:
    path: str
    value: str
    equal: bool

    def matches(self, obj: Object) -> bool:
        return (_field(obj, self.path) == self.value) is self.equal


# In addition to metadata.name and metadata.namespace, which every kind has.
_FIELDS: dict[str, tuple[str, ...]] = {
    "Pod": (
        "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork",
        "status.phase", "status.podIP", "status.nominatedNodeName",
    ),
    "Node": ("spec.unschedulable",),
    "Namespace": ("status.phase", "name"),
    "Secret": ("type",),
    "Service": ("spec.clusterIP", "spec.type"),
    "Job": ("status.successful",),
    "ReplicaSet": ("status.replicas",),
    "ReplicationController": ("status.replicas",),
    "CertificateSigningRequest": ("spec.signerName",),
    "Event": (
        "involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
        "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath", "reason",
        "reportingComponent", "source", "type",
    ),
}  # fmt: skip
_EVENT_V1 = {"regarding": "involvedObject", "reportingController": "reportingComponent"}


def parse_fields(text: str, kind: str, selectable: tuple[str, ...] = ()) -> list[FieldTerm]:
    """`a.b=c,d!=e` -> terms. Raises ApiStatus 400 for a field the kind cannot be selected by."""
    terms = []
    for part in filter(None, text.split(",")):
        match = re.fullmatch(r"([^=!]+)(==|=|!=)(.*)", part)
        if match is None:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        path = match[1]
        if not _selectable(path, kind, selectable):
            raise bad_request(_unselectable(path, kind))
        terms.append(FieldTerm(_stored_path(path, kind), match[3].replace("\\", ""), match[2] != "!="))
    return terms


def _unselectable(path: str, kind: str) -> str:
    if kind in _FIELDS or not kind:
        return f"field label not supported: {path}"
    known = '"metadata.name", "metadata.namespace"'
    return f"{dumps(path).decode()} is not a known field selector: only {known}"


def _selectable(path: str, kind: str, more: tuple[str, ...]) -> bool:
    selectable = ("metadata.name", "metadata.namespace", *_FIELDS.get(kind, ()), *more)
    return _stored_path(path, kind) in selectable


def _stored_path(path: str, kind: str) -> str:
    if kind != "Event":
        return "metadata.name" if path == "name" else path
    head, _, rest = path.partition(".")
    return ".".join(filter(None, (_EVENT_V1.get(head, head), rest)))


_SPECIAL: dict[str, Callable[[Object], Any]] = {
    "source": lambda obj: (obj.get("source") or {}).get("component") or obj.get("reportingComponent"),
    "spec.unschedulable": lambda obj: bool((obj.get("spec") or {}).get("unschedulable")),
    "spec.hostNetwork": lambda obj: bool((obj.get("spec") or {}).get("hostNetwork")),
}


def _field(obj: Object, path: str) -> str:
    if path in _SPECIAL:
        value = _SPECIAL[path](obj)
    else:
        value = obj
        for part in path.split("."):
            value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def matches_fields(terms: list[FieldTerm], obj: Object) -> bool:
    return all(term.matches(obj) for term in terms)
