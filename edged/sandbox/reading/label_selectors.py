"""Label selectors in the form of a text: `a=b,c in (d,e),!f`. Pure.

Source of the grammar and of the texts: apimachinery's pkg/labels/selector.go.
"""

from __future__ import annotations

import re

from edged.kube.values.selectors import Requirement, int64
from edged.sandbox.protocol.api_status import bad_request
from edged.sandbox.protocol.query_options import go_quoted
from edged.sandbox.validation import formats

_TOKEN = re.compile(r"\s*(==|!=|=|!|<|>|\(|\)|,|[^\s=!<>(),]+)")
_SYMBOLS = frozenset(("==", "!=", "=", "!", "<", ">", "(", ")", ","))
_OPERATORS = {
    "in": "In", "notin": "NotIn", "=": "In", "==": "In", "!=": "NotIn", ">": "Gt", "<": "Lt",
}  # fmt: skip


class _Unexpected(Exception):
    """What a requirement has where it has to have something else."""


def parse_labels(text: str) -> list[Requirement]:
    """`a=b,c in (d,e),!f` -> requirements, all of which must hold. Raises ApiStatus 400."""
    tokens, requirements = _Tokens(text), list[Requirement]()
    while (token := tokens.ahead) != "":
        if token in _SYMBOLS and token != "!":
            raise bad_request(f"found '{token}', expected: !, identifier, or 'end of string'")
        try:
            requirements.append(_checked(*_requirement(tokens)))
        except _Unexpected as error:
            raise bad_request(f"unable to parse requirement: {error}") from None
        if (token := tokens.take()) not in ("", ","):
            raise bad_request(f"found '{token}', expected: ',' or 'end of string'")
        if token == "," and (not tokens.ahead or (tokens.ahead in _SYMBOLS and tokens.ahead != "!")):
            raise bad_request(f"found '{tokens.ahead}', expected: identifier after ','")
    return requirements


class _Tokens:
    """Symbols and words; "" at the end."""

    def __init__(self, text: str) -> None:
        found = (match[1] for match in _TOKEN.finditer(text))
        self._left = [*reversed([*found])]

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
    if wrong := formats.qualified_name(key):
        raise _Unexpected(f"<nil>: Invalid value: {go_quoted(key)}: {'; '.join(wrong)}")
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
        shown = f"Invalid value: {go_quoted(value)}"
        if operator in ("Gt", "Lt") and int64(value) is None:
            wrong.append(f"values[{index}]: {shown}: for 'Gt', 'Lt' operators, the value must be an integer")
        if reasons := formats.label_value(value):
            wrong.append(f"values[{index}][{key}]: {shown}: {'; '.join(reasons)}")
    if wrong:
        raise _Unexpected(wrong[0] if len(wrong) == 1 else f"[{', '.join(wrong)}]")
    return Requirement(key, operator, tuple(values))
