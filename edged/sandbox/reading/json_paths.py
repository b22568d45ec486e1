"""The JSONPath of client-go, as the printer columns of custom resources use it. Pure.

Fields, ['quoted'] ones, indices and slices, [*] and .*, [a,b], [?(@.type=="Ready")], `..`. Evaluation is bounded: a
path that looks at more than MOST values finds none.
"""

from __future__ import annotations

import operator as op
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from edged.errors import EdgedError

MOST = 100_000
_DEEPEST = 8
_NUMBER = re.compile(r"[+-]?[\d.]*")
_SLICE = re.compile(r"(-?\d*)(:-?\d*)?(:-?\d*)?")
_FIELD = re.compile(r"(?:\\.|[^ \t\r\n.,\[\]$@{}\\])*", re.DOTALL)
_WORD = re.compile(r"[^ \t\r\n.,\[\]$@{}]*")
_COMPARISON = re.compile(r"([^!<>=]+)([!<>=]+)(.+?)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"'}


class JsonPathError(EdgedError):
    """A path that cannot be read, or that does not fit the object."""


@dataclass(frozen=True, slots=True)
class _Node:
    """`kind`: field, text (any constant), slice, union, filter, every, below, unknown. `value`: what the kind needs."""

    kind: str
    value: Any = None


Path = tuple[_Node, ...]


@lru_cache(maxsize=512)
def parse(path: str) -> Path:
    """A path without its braces. Raises JsonPathError."""
    return _Parser(path, 0).nodes()


class _Budget:
    """How many values may still be looked at."""

    def __init__(self) -> None:
        self._left = MOST

    def spend(self, values: int) -> None:
        self._left -= values
        if self._left < 0:
            raise JsonPathError(f"more than {MOST} values")


def find(obj: object, path: Path) -> list[Any]:
    """The values at a path, in order. Raises JsonPathError where it does not fit: an index out of bounds."""
    return _walk([obj], path, _Budget())


def _walk(values: list[Any], path: Path, budget: _Budget) -> list[Any]:
    for node in path:
        values = _EVALUATE[node.kind](values, node.value, budget)
        budget.spend(len(values) + 1)
    return values


class _Parser:
    def __init__(self, text: str, depth: int) -> None:
        if depth > _DEEPEST:
            raise JsonPathError("too deep")
        self._text, self._at, self._depth = text, 0, depth
        self._nodes: list[_Node] = []

    def nodes(self) -> Path:
        """Up to the end or a closing brace."""
        text = self._text
        while self._at < len(text) and text[self._at] != "}":
            here = text[self._at]
            if text.startswith("[?(", self._at):
                self._filter()
            elif text.startswith("..", self._at):
                self._below()
            elif here == "[":
                self._array()
            elif here == ".":
                self._at += 1
                self._field()
            elif here in "\"'":
                self._quoted(here)
            elif here in "+-" or here.isdigit():
                self._number()
            elif here == "_" or here.isalnum():
                self._word()
            elif here in " @$":
                self._at += 1
            else:
                raise JsonPathError(f"unrecognized character {here!r}")
        return tuple(self._nodes)

    def _inner(self, text: str) -> Path:
        return _Parser(text, self._depth + 1).nodes()

    def _match(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        assert match is not None
        self._at = match.end()
        return match.group()

    def _field(self) -> None:
        name = self._match(_FIELD)
        self._nodes.append(_Node("every") if name == "*" else _Node("field", name.replace("\\", "")))

    def _below(self) -> None:
        if self._nodes and self._nodes[-1].kind == "below":
            raise JsonPathError("invalid multiple recursive descent")
        self._at += 2
        self._nodes.append(_Node("below"))
        following = self._text[self._at : self._at + 1]
        if following == "_" or following.isalnum():
            self._field()

    def _word(self) -> None:
        word = self._match(_WORD)
        self._nodes.append(_Node("text", word == "true") if word in ("true", "false") else _Node("unknown", word))

    def _number(self) -> None:
        text = self._match(_NUMBER)
        try:
            self._nodes.append(_Node("text", int(text) if "." not in text else float(text)))
        except ValueError:
            raise JsonPathError(f"cannot parse number {text}") from None

    def _quoted(self, quote: str) -> None:
        end = self._at + 1
        while end < len(self._text) and (self._text[end] != quote or self._text[end - 1] == "\\"):
            end += 1
        if end == len(self._text):
            raise JsonPathError("unterminated quoted string")
        inner = self._text[self._at + 1 : end]
        self._at = end + 1
        self._nodes.append(_Node("text", re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[0]), inner)))

    def _array(self) -> None:
        end = self._text.find("]", self._at)
        if end < 0:
            raise JsonPathError("unterminated array")
        text = self._text[self._at + 1 : end]
        self._at = end + 1
        text = ":" if text == "*" else text
        if "," in text:
            self._nodes.append(_Node("union", [self._inner(f"[{part.strip(' ')}]") for part in text.split(",")]))
        elif re.fullmatch(r"'[^']*'", text):
            self._nodes += self._inner(f".{text[1:-1]}")
        else:
            self._nodes.append(_Node("slice", _slice_of(text)))

    def _filter(self) -> None:
        start = self._at = self._at + 3
        end = _filter_end(self._text, start)
        text = self._text[start:end]
        self._at = end + 2
        match = _COMPARISON.fullmatch(text)
        left, operator, right = match.groups() if match else (text, "exists", "")
        self._nodes.append(_Node("filter", (self._inner(left), operator, self._inner(right))))


def _filter_end(text: str, at: int) -> int:
    """Where the closing `)]` of a filter is; brackets inside quotes do not count."""
    quote, closed = "", False
    while at < len(text):
        here = text[at]
        if here in "\"'":
            if not quote:
                quote = here
            elif here == quote and text[at - 1] != "\\":
                closed = True
        elif here == ")" and bool(quote) == closed:
            if text[at + 1 : at + 2] != "]":
                raise JsonPathError("unclosed array expect ]")
            return at
        at += 1
    raise JsonPathError("unterminated filter")


def _slice_of(text: str) -> tuple[int, int | None, int | None, bool]:
    """(first, end, step, whether it is a single index) of `1`, `1:`, `:-1`, `::2`."""
    match = _SLICE.fullmatch(text)
    if match is None or "-" in (match[1], (match[2] or "")[1:], (match[3] or "")[1:]):
        raise JsonPathError(f"invalid array index {text}")
    first, end, step = match[1], match[2], match[3]
    start = int(first or 0)
    single = not end
    stop = start + 1 if not end else int(end[1:]) if len(end) > 1 else None
    return start, stop, int(step[1:]) if step and len(step) > 1 else None, single


# --- evaluation


def _field(values: list[Any], name: Any, _budget: _Budget) -> list[Any]:
    return [value[name] for value in values if isinstance(value, dict) and name in value]


def _constant(values: list[Any], value: Any, _budget: _Budget) -> list[Any]:
    return [value] * len(values) if not isinstance(value, str) else [value]


def _sliced(values: list[Any], bounds: Any, budget: _Budget) -> list[Any]:
    start, stop, step, single = bounds
    found: list[Any] = []
    for value in values:
        if value is None:
            continue
        if not isinstance(value, list):
            raise JsonPathError("is not array or slice")
        length = len(value)
        first = start + length if start < 0 else start
        last = length if stop is None else stop
        last += length if last < 0 or (last == 0 and single) else 0
        if first == last:
            return found
        if not (0 <= first < length and 0 <= last <= length and first < last) or (step is not None and step <= 0):
            raise JsonPathError("array index out of bounds")
        budget.spend(last - first)
        found += value[first : last : step or 1]
    return found


def _union(values: list[Any], paths: Any, budget: _Budget) -> list[Any]:
    return [value for path in paths for value in _walk(values, path, budget)]


def _every(values: list[Any], _nothing: Any, budget: _Budget) -> list[Any]:
    budget.spend(sum(len(_inside(value)) for value in values))
    return [inner for value in values for inner in _inside(value)]


def _inside(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []


def _below(values: list[Any], _nothing: Any, budget: _Budget) -> list[Any]:
    """Every map and list at and under the values that has something in it, from the top."""
    found: list[Any] = []
    waiting = list(reversed(values))
    while waiting:
        value = waiting.pop()
        inner = _inside(value)
        if inner:
            budget.spend(len(inner))
            found.append(value)
            waiting += reversed(inner)
    return found


def _filtered(values: list[Any], condition: Any, budget: _Budget) -> list[Any]:
    left, operator, right = condition
    found: list[Any] = []
    for value in values:
        if not isinstance(value, list):
            raise JsonPathError("is not array or slice and cannot be filtered")
        found += [item for item in value if _passes(item, left, operator, right, budget)]
    return found


def _passes(item: Any, left: Path, operator: str, right: Path, budget: _Budget) -> bool:
    budget.spend(1)
    if operator == "exists":
        try:
            return bool(_walk([item], left, budget))
        except JsonPathError:
            return False
    lefts, rights = _walk([item], left, budget), _walk([item], right, budget)
    if not lefts or not rights:
        return False
    if len(lefts) > 1 or len(rights) > 1:
        raise JsonPathError("can only compare one element at a time")
    return _compared(lefts[0], operator, rights[0])


_COMPARE = {"==": op.eq, "!=": op.ne, "<": op.lt, ">": op.gt, "<=": op.le, ">=": op.ge}


def _compared(left: Any, operator: str, right: Any) -> bool:
    ordered = isinstance(left, str | int | float) and not (isinstance(left, bool) and operator not in ("==", "!="))
    if operator not in _COMPARE or type(left) is not type(right) or not ordered:
        raise JsonPathError("cannot be compared")
    return bool(_COMPARE[operator](left, right))


def _unknown(_values: list[Any], word: Any, _budget: _Budget) -> list[Any]:
    raise JsonPathError(f"unrecognized identifier {word}")


_EVALUATE: dict[str, Callable[[list[Any], Any, _Budget], list[Any]]] = {
    "field": _field, "text": _constant, "slice": _sliced, "union": _union, "every": _every, "below": _below,
    "filter": _filtered, "unknown": _unknown,
}  # fmt: skip
