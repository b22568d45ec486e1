"""Label selectors (text and object form) and field selectors. Pure.

Source of the grammar: apimachinery's labels.Parse and fields.ParseSelector.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edged.sandbox.protocol.api_status import ApiStatus, bad_request

if TYPE_CHECKING:
    from edged.kube.values.shapes import LabelSelector

Labels = Mapping[str, str]
Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Requirement:
    """`operator`: In, NotIn, Exists, DoesNotExist, Gt, Lt."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Labels) -> bool:
        value = labels.get(self.key)
        match self.operator:
            case "In":
                return value is not None and value in self.values
            case "NotIn":
                return value is None or value not in self.values
            case "Exists":
                return value is not None
            case "DoesNotExist":
                return value is None
            case "Gt":
                return (number := _integer(value)) is not None and number > int(self.values[0])
            case "Lt":
                return (number := _integer(value)) is not None and number < int(self.values[0])
        raise AssertionError(self.operator)


def _integer(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"-?\d+", text) else None


_TOKEN = re.compile(r"\s*(==|!=|=|!|<|>|\(|\)|,|[^\s=!<>(),]+)")
_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


def parse_labels(text: str) -> list[Requirement]:
    """`a=b,c in (d,e),!f` -> requirements, all of which must hold. Raises ApiStatus 400."""
    tokens = _tokens(text)
    requirements: list[Requirement] = []
    while tokens:
        requirements.append(_requirement(tokens))
        if tokens:
            if tokens[0] != "," or len(tokens) == 1:
                raise _unparsable(tokens[1] if tokens[0] == "," and len(tokens) > 1 else "", "identifier after ','")
            tokens.pop(0)
    return requirements


def _tokens(text: str) -> list[str]:
    tokens, position = [], 0
    while text[position:].strip():
        match = _TOKEN.match(text, position)
        if match is None:
            raise bad_request(f"unable to parse requirement: unexpected input at {position}")
        tokens.append(match[1])
        position = match.end()
    return tokens


def _unparsable(found: str, expected: str) -> ApiStatus:
    return bad_request(f"unable to parse requirement: found '{found}', expected: {expected}")


def _take(tokens: list[str]) -> str:
    return tokens.pop(0) if tokens else ""


def _requirement(tokens: list[str]) -> Requirement:
    first = _take(tokens)
    negated = first == "!"
    key = _take(tokens) if negated else first
    if not _KEY.fullmatch(key):
        raise _unparsable(key, "identifier")
    if negated:
        return Requirement(key, "DoesNotExist")
    if not tokens or tokens[0] == ",":
        return Requirement(key, "Exists")
    operator = _take(tokens)
    if operator in ("=", "==", "!="):
        value = _take(tokens) if tokens and tokens[0] != "," else ""
        return Requirement(key, "NotIn" if operator == "!=" else "In", (value,))
    if operator in ("in", "notin"):
        return Requirement(key, "In" if operator == "in" else "NotIn", _values(tokens))
    if operator in ("<", ">"):
        value = _take(tokens)
        if _integer(value) is None:
            raise bad_request(
                f"values[0][{key}]: Invalid value: \"{value}\": for 'Gt', 'Lt' operators, the value must be an integer"
            )
        return Requirement(key, "Lt" if operator == "<" else "Gt", (value,))
    raise _unparsable(operator, "in, notin, =, ==, !=, gt, lt")


def _values(tokens: list[str]) -> tuple[str, ...]:
    if _take(tokens) != "(":
        raise _unparsable("", "'('")
    values: list[str] = []
    while True:
        token = _take(tokens)
        if token == ")":
            return tuple(values)
        if token == "":
            raise _unparsable("", "',' or ')'")
        if token != ",":
            values.append(token)


def from_object(selector: LabelSelector | None) -> list[Requirement]:
    """A metav1.LabelSelector -> requirements; an empty one selects everything."""
    selector = selector or {}
    requirements = [Requirement(k, "In", (v,)) for k, v in (selector.get("matchLabels") or {}).items()]
    for expression in selector.get("matchExpressions") or ():
        values = tuple(expression.get("values") or ())
        requirements.append(Requirement(expression["key"], expression["operator"], values))
    return requirements


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
            raise bad_request(f"field label not supported: {path}")
        terms.append(FieldTerm(_stored_path(path, kind), match[3].replace("\\", ""), match[2] != "!="))
    return terms


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
