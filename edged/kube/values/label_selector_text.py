"""Label selectors in the form of a text, as lists and watches have them: `a=b,c in (d,e),!f`. Pure.

Source of the grammar and of the texts: apimachinery's pkg/labels/selector.go. The form of an object is in selectors.py.
"""

from __future__ import annotations

import re

from edged.kube.values.go_texts import quoted
from edged.kube.values.label_formats import label_value, qualified_name
from edged.kube.values.selectors import BadSelector, LabelSelector, Requirement, int64

_TOKEN = re.compile(r"[ \t\r\n]*(==|!=|=|!|<|>|\(|\)|,|[^ \t\r\n=!<>(),\0]+)\0?")
"""The server's reader takes a NUL for the end of a token, and of the text where none has begun."""
_SYMBOLS = frozenset(("==", "!=", "=", "!", "<", ">", "(", ")", ","))
_OPERATORS = {
    "in": "In", "notin": "NotIn", "=": "In", "==": "In", "!=": "NotIn", ">": "Gt", "<": "Lt",
}  # fmt: skip


class _Unexpected(Exception):
    """What a requirement has where it has to have something else."""


def parse(text: str) -> LabelSelector:
    """All requirements of the text must hold; without any the selector matches everything. Raises BadSelector."""
    tokens, requirements = _Tokens(text), list[Requirement]()
    while (token := tokens.ahead) != "":
        if token in _SYMBOLS and token != "!":
            raise BadSelector(f"found '{token}', expected: !, identifier, or 'end of string'")
        try:
            requirements.append(_checked(*_requirement(tokens)))
        except _Unexpected as error:
            raise BadSelector(f"unable to parse requirement: {error}") from None
        if (token := tokens.take()) not in ("", ","):
            raise BadSelector(f"found '{token}', expected: ',' or 'end of string'")
        if token == "," and (not tokens.ahead or (tokens.ahead in _SYMBOLS and tokens.ahead != "!")):
            raise BadSelector(f"found '{tokens.ahead}', expected: identifier after ','")
    return LabelSelector(tuple(requirements))


class _Tokens:
    """Symbols and words; "" at the end."""

    def __init__(self, text: str) -> None:
        found: list[str] = []
        at = 0
        while (match := _TOKEN.match(text, at)) is not None:
            found.append(match[1])
            at = match.end()
        self._left = found[::-1]

    @property
    def ahead(self) -> str:
        return self._left[-1] if self._left else ""

    def take(self) -> str:
        return self._left.pop() if self._left else ""


def _requirement(tokens: _Tokens) -> tuple[str, str, list[str]]:
    """(key, operator, values). The key is checked first, as what follows it may be nonsense, too."""
    negated = tokens.ahead == "!"
    if negated:
        tokens.take()
    key = tokens.take()
    if not key or key in _SYMBOLS:
        raise _Unexpected(f"found '{key}', expected: identifier")
    if wrong := qualified_name(key):
        raise _Unexpected(f"<nil>: Invalid value: {quoted(key)}: {'; '.join(wrong)}")
    if negated:
        return key, "DoesNotExist", []
    if tokens.ahead in ("", ","):
        return key, "Exists", []
    operator = tokens.take()
    if operator not in _OPERATORS:
        raise _Unexpected(f"found '{operator}', expected: in, notin, =, ==, !=, gt, lt")
    values = _values(tokens) if operator in ("in", "notin") else [_exact(tokens)]
    return key, _OPERATORS[operator], values


def _exact(tokens: _Tokens) -> str:
    if tokens.ahead in ("", ","):
        return ""
    value = tokens.take()
    if value in _SYMBOLS:
        raise _Unexpected(f"found '{value}', expected: identifier")
    return value


def _values(tokens: _Tokens) -> list[str]:
    if (token := tokens.take()) != "(":
        raise _Unexpected(f"found '{token}' expected: '('")
    if tokens.ahead == ")":
        tokens.take()
        return [""]
    if not tokens.ahead or (tokens.ahead in _SYMBOLS and tokens.ahead != ","):
        raise _Unexpected(f"found '{tokens.ahead}', expected: ',', ')' or identifier")
    values: list[str] = []
    after_comma = True
    while (token := tokens.take()) != ")":
        if token == ",":
            values += [""] if after_comma else []
            after_comma = True
        elif token and token not in _SYMBOLS:
            values.append(token)
            after_comma = False
            if tokens.ahead not in (",", ")"):
                raise _Unexpected(f"found '{tokens.ahead}', expected: ',' or ')'")
        else:
            raise _Unexpected(f"found '{token}', expected: ',', or identifier")
    return values + ([""] if after_comma else [])


def _checked(key: str, operator: str, values: list[str]) -> Requirement:
    """Raises _Unexpected for values that no label can have."""
    values = sorted(set(values))
    wrong = []
    for index, value in enumerate(values):
        shown = f"Invalid value: {quoted(value)}"
        if operator in ("Gt", "Lt") and int64(value) is None:
            wrong.append(f"values[{index}]: {shown}: for 'Gt', 'Lt' operators, the value must be an integer")
        if reasons := label_value(value):
            wrong.append(f"values[{index}][{key}]: {shown}: {'; '.join(reasons)}")
    if wrong:
        raise _Unexpected(wrong[0] if len(wrong) == 1 else f"[{', '.join(wrong)}]")
    return Requirement(key, operator, tuple(values))
