"""Findings that show a part of an object as kube-apiserver's own types print it. Pure."""

from __future__ import annotations

import difflib

from edged.json_text import dumps
from edged.sandbox.kinds.internal_types import internal
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.causes import go_escaped, go_json, invalid_text

_CONTEXT_LINES = 3


def invalid_value(field: str, go_type: str, value: object, why: str) -> Cause:
    """`go_type` as in internal_types.json: `core.SecurityContext`."""
    return invalid_text(field, go_json(internal(go_type, value)), why)


def difference(go_type: str, old: object, new: object) -> str:
    """A unified diff of the two values, printed with indents of one blank."""
    found = difflib.unified_diff(_lines(go_type, old), _lines(go_type, new), n=_CONTEXT_LINES)
    return "".join(list(found)[2:])


def _lines(go_type: str, value: object) -> list[str]:
    """dumps indents by two blanks."""
    lines = go_escaped(dumps(internal(go_type, value), indent=True).decode()).split("\n")
    indents = [(len(line) - len(line.lstrip(" "))) // 2 for line in lines]
    return [f"{line[indent:]}\n" for line, indent in zip(lines, indents, strict=True)]


def internal_equal(go_type: str, one: object, other: object) -> bool:
    """Whether two values are the same to kube-apiserver: what is empty and what is missing is."""
    return _without_empty(internal(go_type, one)) == _without_empty(internal(go_type, other))


def _without_empty(value: object) -> object:
    """Empty lists and maps as null."""
    if isinstance(value, dict):
        return {key: _without_empty(item) for key, item in value.items()} or None
    if isinstance(value, list):
        return [_without_empty(item) for item in value] or None
    return value
