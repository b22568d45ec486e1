"""Paths of fields in definitions: `.spec.a['b.c']`. Pure. Source: ValidFieldPath of apiextensions-apiserver."""

from __future__ import annotations

import re
from typing import NamedTuple

from edged.errors import EdgedError
from edged.sandbox.custom.pruning import Schema

_TOKEN = re.compile(r"'(?:[^'\\]|\\.|\\)*'|[.\[\]]|[^.\[\]]+", re.DOTALL)
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "'": "'", "\\": "\\"}


class FieldPathError(EdgedError):
    """Why it is no path of that schema."""


class FieldPath(NamedTuple):
    """`text` as errors show it, `schema` of the field, `root` its first part."""

    text: str
    schema: Schema | None
    root: str


def field_path(path: str, schema: Schema, *, brackets: bool = True) -> FieldPath:
    """Raises FieldPathError. `brackets`: whether `['name']` is allowed."""
    tokens, text, root = list(_TOKEN.findall(path)), "", ""
    at: Schema | None = schema
    while tokens:
        token = tokens.pop(0)
        if token == "[" and not brackets:
            raise FieldPathError("array notation is not allowed")
        if token not in (".", "["):
            raise FieldPathError(f"expected [ or . but got: {token}")
        if not tokens:
            raise FieldPathError("unexpected end of JSON path")
        name = tokens.pop(0) if token == "." else _quoted(tokens.pop(0))
        at, named = _below(at, name)
        text += (f".{name}" if text else name) if named else f"[{name}]"
        root = root or name
        if token == "[":
            if not tokens:
                raise FieldPathError("unexpected end of JSON path")
            if (closing := tokens.pop(0)) != "]":
                raise FieldPathError(f"expected ] but got {closing}")
    return FieldPath(text, at, root)


def _quoted(token: str) -> str:
    if len(token) < 2 or token[0] != "'" or token[-1] != "'":
        raise FieldPathError(f"expected single quoted string but got {token}")
    return re.sub(r"\\.", _unescaped, token[1:-1])


def _unescaped(found: re.Match[str]) -> str:
    character = _ESCAPES.get(found[0][1])
    if character is None:
        raise FieldPathError(f"invalid string literal: invalid escape char {found[0]}")
    return character


def _below(schema: Schema | None, name: str) -> tuple[Schema | None, bool]:
    """The schema of a field, and whether it has a name of its own."""
    if schema and schema.get("properties"):
        if name not in schema["properties"]:
            raise FieldPathError("does not refer to a valid field")
        return schema["properties"][name], True
    more = schema.get("additionalProperties") if schema else None
    if more is None:
        raise FieldPathError("does not refer to a valid field")
    return (more if isinstance(more, dict) else None), False
