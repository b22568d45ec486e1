r"""Field selectors in the form of a text, as lists and watches have them: `status.phase=Running,type!=a`. Pure.

`=` and `==` are the same. In a value `\`, `,` and `=` have a backslash before them. A field that an object lacks is the
empty text: `a=` selects such objects, and `a!=b` does. Source of the grammar and of the texts: apimachinery's
pkg/fields/selector.go. Which fields a kind can be selected by is in selectable_fields.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from edged.kube.values.selectors import BadSelector

_OPERATOR = re.compile("!=|==|=")
_ESCAPED = re.compile(r"\\(.?)|([,=])", re.DOTALL)
_SPECIAL = ("\\", ",", "=")


class Term(NamedTuple):
    """`equal` False: the field has any other value."""

    field: str
    value: str
    equal: bool

    def __str__(self) -> str:
        return f"{self.field}{'=' if self.equal else '!='}{escaped(self.value)}"


class FieldSelector(NamedTuple):
    """All terms must hold; without any it matches everything."""

    terms: tuple[Term, ...]

    def matches(self, read: Callable[[str], str]) -> bool:
        """`read`: the value of a field as a text, "" for one that the object lacks."""
        return all((read(term.field) == term.value) is term.equal for term in self.terms)

    def __str__(self) -> str:
        return ",".join(map(str, self.terms))


def parse(text: str) -> FieldSelector:
    """The terms in the order of their texts, as the API server takes them. Raises BadSelector."""
    parts = sorted(filter(None, _parts(text)), key=lambda part: part.encode(errors="surrogatepass"))
    terms = [_term(part, text) for part in parts]
    return FieldSelector(tuple(term for term in terms if term.field or term.value))


def _parts(text: str) -> Iterator[str]:
    """Split at commas without a backslash before them."""
    begin, at = 0, 0
    while at < len(text):
        if text[at] == ",":
            yield text[begin:at]
            begin = at + 1
        at += 2 if text[at] == "\\" else 1
    yield text[begin:]


def _term(part: str, text: str) -> Term:
    operator = _OPERATOR.search(part)
    if operator is None:
        raise BadSelector(f"invalid selector: '{text}'; can't understand '{part}'")
    return Term(part[: operator.start()], _unescaped(part[operator.end() :]), operator[0] != "!=")


def _unescaped(value: str) -> str:
    def plain(found: re.Match[str]) -> str:
        if found[2]:
            raise BadSelector(f"invalid field selector: unescaped character in value: {ord(found[2])}")
        if found[1] not in _SPECIAL:
            raise BadSelector(f"invalid field selector: invalid escape sequence: {found[0]}")
        return found[1]

    return _ESCAPED.sub(plain, value)


def escaped(value: str) -> str:
    r"""A value as it stands in a selector."""
    return re.sub(r"[\\,=]", r"\\\g<0>", value)
