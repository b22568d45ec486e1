"""Values of Rego as builtins see them, and their text between host and guest. Pure.

A guest writes its values as JSON, except that sets are `{1, 2}` or `set()` and that keys of objects may be other things
than strings. Most arguments are plain JSON, which is read and written fast; the rest takes the slow way here.
"""

from __future__ import annotations

import json
import math
import re
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import TypeAlias

import orjson

MAX_DEPTH = 200

_LONG_NUMBER = re.compile(rb"[0-9]{16}")
_SPACE = re.compile(r"[ \t\r\n]*")
_NUMBER = re.compile(r"-?(?:[0-9]+(\.[0-9]+)?|(\.[0-9]+))([eE][-+]?[0-9]+)?")  # Rego has `.5`, JSON has not
_WORDS = {"true": True, "false": False, "null": None}


Key: TypeAlias = "str | int | float | None"
Value: TypeAlias = "str | int | float | list[Value] | dict[Key, Value] | None"
"""A value of Rego; a set is a RegoSet, which is a list, and a boolean is an int, as Python has it."""


class BuiltinError(Exception):
    """A builtin cannot answer: the evaluation ends with this text, and the policy denies."""


class RegoSet(list["Value"]):
    """A set, in the order in which its elements came; they need not be hashable."""


def parse(text: bytes) -> Value:
    """A value of its text: dict, list, RegoSet, str, int, float, bool or None. Raises BuiltinError."""
    if _LONG_NUMBER.search(text) is None:
        try:
            plain: Value = orjson.loads(text)
            return plain
        except orjson.JSONDecodeError:
            pass
    try:
        source = text.decode()
        value, end = _value(source, _skip(source, 0), 0)
    except (ValueError, IndexError, TypeError) as error:
        raise BuiltinError(f"an argument cannot be read: {error}") from error
    if _skip(source, end) != len(source):
        raise BuiltinError("an argument cannot be read: there is more than one value")
    return value


def dump(value: Value) -> bytes:
    """The text of a value, sets as sets. Raises BuiltinError."""
    if isinstance(value, bool | str) or value is None:
        return _fast(value)
    parts: list[str] = []
    _write(value, parts, 0)
    return "".join(parts).encode()


def dump_json(value: Value) -> bytes:
    """As `dump`, for guests that read JSON only: sets become arrays. Raises BuiltinError."""
    try:
        return orjson.dumps(value)
    except TypeError:  # integers of more than 64 bits
        try:
            return json.dumps(value, ensure_ascii=False).encode()
        except (TypeError, ValueError) as error:
            raise BuiltinError(f"the result cannot be written: {error}") from error


def _fast(value: object) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError as error:
        raise BuiltinError(f"the result cannot be written: {error}") from error


def _write(value: Value, parts: list[str], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise BuiltinError(f"a value is nested more than {MAX_DEPTH} deep")
    if isinstance(value, dict):
        parts.append("{")
        for index, (key, item) in enumerate(value.items()):
            parts.append(", " if index else "")
            _write(key, parts, depth + 1)
            parts.append(": ")
            _write(item, parts, depth + 1)
        parts.append("}")
    elif isinstance(value, RegoSet) and not value:
        parts.append("set()")
    elif isinstance(value, list | tuple):
        opening, closing = "{}" if isinstance(value, RegoSet) else "[]"
        parts.append(opening)
        for index, item in enumerate(value):
            parts.append(", " if index else "")
            _write(item, parts, depth + 1)
        parts.append(closing)
    elif isinstance(value, int) and not isinstance(value, bool):
        parts.append(str(value))
    else:
        parts.append(_fast(value).decode())


def _skip(source: str, at: int) -> int:
    match = _SPACE.match(source, at)
    assert match is not None
    return match.end()


def _value(source: str, at: int, depth: int) -> tuple[Value, int]:
    if depth > MAX_DEPTH:
        raise BuiltinError(f"a value is nested more than {MAX_DEPTH} deep")
    first = source[at]
    if first == '"':
        text: tuple[str, int] = scanstring(source, at + 1)
        return text
    if first == "[":
        return _items(source, at + 1, "]", [], depth)
    if first == "{":
        return _braces(source, _skip(source, at + 1), depth)
    if source.startswith("set()", at):
        return RegoSet(), at + 5
    for word, value in _WORDS.items():
        if source.startswith(word, at):
            return value, at + len(word)
    match = _NUMBER.match(source, at)
    if match is None:
        raise ValueError(f"unexpected character at {at}")
    number = match[0]
    if match[1] or match[2] or match[3]:
        found = float(number)
        if math.isinf(found):
            raise BuiltinError("a number is too large: no 64-bit float holds it")
        return found, match.end()
    if len(number) > 4000:
        raise BuiltinError("a number has more than 4,000 digits")
    return int(number), match.end()


def _items(source: str, at: int, end: str, into: list[Value], depth: int) -> tuple[Value, int]:
    at = _skip(source, at)
    if source[at] == end:
        return into, at + 1
    while True:
        item, at = _value(source, at, depth + 1)
        into.append(item)
        at = _skip(source, at)
        if source[at] == end:
            return into, at + 1
        at = _comma(source, at)


def _braces(source: str, at: int, depth: int) -> tuple[Value, int]:
    """An object or a set: the first key or element decides."""
    if source[at] == "}":
        return {}, at + 1
    _first, after = _value(source, at, depth + 1)
    if source[_skip(source, after)] != ":":
        return _items(source, at, "}", RegoSet(), depth)
    found: dict[Key, Value] = {}
    while True:
        key, at = _value(source, at, depth + 1)
        if isinstance(key, dict | list | bool):
            raise BuiltinError("objects whose keys are arrays, objects, sets or booleans are not supported by builtins")
        at = _skip(source, at)
        if source[at] != ":":
            raise ValueError(f"expected a colon at {at}")
        found[key], at = _value(source, _skip(source, at + 1), depth + 1)
        at = _skip(source, at)
        if source[at] == "}":
            return found, at + 1
        at = _comma(source, at)


def _comma(source: str, at: int) -> int:
    if source[at] != ",":
        raise ValueError(f"expected a comma at {at}")
    return _skip(source, at + 1)
