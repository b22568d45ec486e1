"""Node selectors and label selectors, parsed once and matched often. Pure.

Holds `nodeSelector`, node affinity terms and metav1.LabelSelector. An expression that cannot be understood
(the API server would have refused it) matches nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from edged.errors import EdgedError

if TYPE_CHECKING:
    from edged.kube.values import shapes
    from edged.kube.values.shapes import NodeSelectorTerm, PreferredSchedulingTerm, SelectorRequirement

Labels = Mapping[str, str]
_INT: Final = re.compile(r"[+-]?[0-9]+", re.ASCII)
_INT64_DIGITS: Final = 19
_FEW: Final = 16
_INT64: Final = range(-(2**63), 2**63)


class BadSelector(EdgedError):
    """A selector in the form of a text that the API server refuses; the message is its own."""


def int64(text: str) -> int | None:
    """A base 10 int64 as Go parses it, else None."""
    if not _INT.fullmatch(text):
        return None
    digits = text.lstrip("+-").lstrip("0")
    if len(digits) > _INT64_DIGITS:
        return None
    value = int(digits or "0") * (-1 if text[0] == "-" else 1)
    return value if value in _INT64 else None


class _Many(tuple[str, ...]):
    """Values to look for one in, often: each Node or Pod is asked whether its label is among them."""

    def __init__(self, values: Iterable[str]) -> None:
        self._set = frozenset(self)

    def __contains__(self, value: object) -> bool:
        return value in self._set


def _values(values: Iterable[str] | None) -> tuple[str, ...]:
    """A tuple. Where there are many, looking for one takes no longer than among few."""
    kept = tuple(values or ())
    return kept if len(kept) <= _FEW else _Many(kept)


class Requirement(NamedTuple):
    """One expression: key, operator as written in the object, values."""

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
            case "Gt" | "Lt":
                return self._compare(value)
        return False

    def _compare(self, value: str | None) -> bool:
        if value is None or len(self.values) != 1:
            return False
        left, right = int64(value), int64(self.values[0])
        if left is None or right is None:
            return False
        return left > right if self.operator == "Gt" else left < right


def _requirements(expressions: Iterable[SelectorRequirement] | None) -> tuple[Requirement, ...]:
    return tuple(
        Requirement(e.get("key", ""), e.get("operator", ""), _values(e.get("values")))
        for e in expressions or ()
    )


class NodeTerm(NamedTuple):
    """A NodeSelectorTerm: all expressions and all fields must match; an empty term matches nothing."""

    expressions: tuple[Requirement, ...]
    fields: tuple[Requirement, ...]

    def matches(self, name: str, labels: Labels) -> bool:
        if not self.expressions and not self.fields:
            return False
        for requirement in self.expressions:
            if not requirement.matches(labels):
                return False
        return all(_field_matches(field, name) for field in self.fields)

    def names(self) -> frozenset[str] | None:
        """Node names this term is limited to by `metadata.name In [...]`; None: not limited."""
        allowed: frozenset[str] | None = None
        for field in self.fields:
            if field.key == "metadata.name" and field.operator == "In":
                names = frozenset(field.values)
                allowed = names if allowed is None else allowed & names
        return allowed


def _field_matches(field: Requirement, name: str) -> bool:
    if field.key != "metadata.name" or len(field.values) != 1:
        return False
    if field.operator == "In":
        return name == field.values[0]
    return field.operator == "NotIn" and name != field.values[0]


def parse_node_term(term: NodeSelectorTerm) -> NodeTerm:
    """From a NodeSelectorTerm object."""
    return NodeTerm(_requirements(term.get("matchExpressions")), _requirements(term.get("matchFields")))


class NodeSelector(NamedTuple):
    """Required node affinity: any of the terms."""

    terms: tuple[NodeTerm, ...]

    def matches(self, name: str, labels: Labels) -> bool:
        return any(term.matches(name, labels) for term in self.terms)

    def names(self) -> frozenset[str] | None:
        """Union of the terms' node names; None unless every term is limited to names."""
        union: frozenset[str] = frozenset()
        for term in self.terms:
            names = term.names()
            if names is None:
                return None
            union |= names
        return union if self.terms else None


def parse_node_selector(selector: shapes.NodeSelector | None) -> NodeSelector | None:
    """From a NodeSelector object; None when there is none."""
    if selector is None:
        return None
    return NodeSelector(tuple(parse_node_term(t) for t in selector.get("nodeSelectorTerms") or ()))


class PreferredTerm(NamedTuple):
    weight: int
    term: NodeTerm


def parse_preferred(terms: Iterable[PreferredSchedulingTerm] | None) -> tuple[PreferredTerm, ...]:
    """From a list of PreferredSchedulingTerm; weight 0 is left out."""
    return tuple(
        PreferredTerm(t["weight"], parse_node_term(t.get("preference") or {}))
        for t in terms or ()
        if t.get("weight")
    )


class LabelSelector(NamedTuple):
    """metav1.LabelSelector; without requirements it matches everything."""

    requirements: tuple[Requirement, ...]

    def matches(self, labels: Labels) -> bool:
        return all(requirement.matches(labels) for requirement in self.requirements)


def parse_label_selector(selector: shapes.LabelSelector | None) -> LabelSelector | None:
    """None for an absent selector, which matches nothing."""
    if selector is None:
        return None
    equal = tuple(Requirement(k, "In", (v,)) for k, v in (selector.get("matchLabels") or {}).items())
    return LabelSelector(equal + _requirements(selector.get("matchExpressions")))
