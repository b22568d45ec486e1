"""`'...'.format([...])`: what the clauses of a format do with values, and whether they fit types."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator

from edged.kube.cel.errors import EvaluationError
from edged.kube.cel.library.conversions import double_text
from edged.kube.cel.library.times import duration_text, timestamp_text
from edged.kube.cel.registry import declare
from edged.kube.cel.values import Duration, Timestamp, TypeValue, UInt, type_name

_CLAUSE = re.compile(r"%(?:\.([0-9]*))?(.?)", re.DOTALL)
_MOST_DIGITS = 1000
_SUPERSCRIPTS = str.maketrans("-+0123456789", "⁻⁺⁰¹²³⁴⁵⁶⁷⁸⁹")
_NEEDS = {
    "s": "error during formatting: string clause can only be used on strings, bools, bytes, ints, doubles, maps, "
         "lists, types, durations, and timestamps, was given {}",
    "d": "error during formatting: decimal clause can only be used on integers, was given {}",
    "f": "error during formatting: fixed-point clause can only be used on doubles, was given {}",
    "e": "error during formatting: scientific clause can only be used on doubles, was given {}",
    "b": "error during formatting: only integers and bools can be formatted as binary, was given {}",
    "x": "error during formatting: only integers, byte buffers, and strings can be formatted as hex, was given {}",
    "o": "error during formatting: octal clause can only be used on integers, was given {}",
}  # fmt: skip
_KINDS = {
    "s": frozenset(("list", "map", "int", "uint", "double", "bool", "string", "google.protobuf.Timestamp", "bytes",
                    "google.protobuf.Duration", "type", "null_type")),
    "d": frozenset(("int", "uint")), "f": frozenset(("double", "string")), "e": frozenset(("double", "string")),
    "b": frozenset(("int", "uint", "bool")), "x": frozenset(("int", "uint", "string", "bytes")),
    "o": frozenset(("int", "uint")),
}  # fmt: skip


def clauses(pattern: str) -> Iterator[tuple[str, str, int | None]]:
    """The text before each clause, its letter and precision; at the end the text that is left and no letter. Raises
    EvaluationError."""
    at, before = 0, ""
    while (start := pattern.find("%", at)) >= 0:
        before += pattern[at:start]
        match = _CLAUSE.match(pattern, start)
        assert match is not None
        digits, letter = match[1], match[2]
        if not letter:
            raise EvaluationError("unexpected end of string")
        at = match.end()
        if letter == "%" and digits is None:
            before += "%"
            continue
        precision = int(digits) if digits else None
        if precision is not None and precision > _MOST_DIGITS:
            raise EvaluationError(f"precision {precision} exceeds maximum allowed")
        if letter.lower() not in _KINDS or letter in "SDFEBO":
            raise EvaluationError(f'could not parse formatting clause: unrecognized formatting clause "{letter}"')
        yield before, letter, precision
        before = ""
    yield before + pattern[at:], "", None


def fits(letter: str, kind: str) -> str:
    """Why a value of that kind cannot stand there; "" if it can."""
    lower = letter.lower()
    return "" if kind in _KINDS[lower] else _NEEDS[lower].format(kind)


@declare("format", str, list)
def _formatted(pattern: str, values: list[object]) -> str:
    pieces: list[str] = []
    used = 0
    for before, letter, precision in clauses(pattern):
        pieces.append(before)
        if letter:
            if used >= len(values):
                raise EvaluationError(f"index {used} out of range")
            pieces.append(_one(letter, values[used], precision))
            used += 1
    return "".join(pieces)


def _one(letter: str, value: object, precision: int | None) -> str:
    lower = letter.lower()
    wrong = fits(lower, type_name(value))
    if wrong or (lower in "fe" and isinstance(value, str) and value not in ("NaN", "Infinity", "-Infinity")):
        raise EvaluationError(wrong or _NEEDS[lower].format("string"))
    text = _FORMS[lower](value, 6 if precision is None else precision)
    return text.upper() if letter == "X" else text


def text_of(value: object) -> str:
    """What %s writes."""
    match value:
        case str():
            return value
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case bytes():
            return value.decode(errors="replace")
        case float():
            return double_text(value)
        case Duration():
            return duration_text(value)
        case Timestamp():
            return timestamp_text(value)
        case TypeValue():
            return value.name
        case list():
            return f"[{', '.join(map(_inner, value))}]"
        case dict():
            entries = sorted((_inner(key), _inner(inner)) for key, inner in value.items())
            return f"{{{', '.join(f'{key}:{inner}' for key, inner in entries)}}}"
        case UInt() | int():
            return str(int(value))
    raise EvaluationError(_NEEDS["s"].format(type_name(value)))


def _inner(value: object) -> str:
    """In a list or a map."""
    match value:
        case str():
            return _quoted(value)
        case bytes():
            return f"b{_quoted(value.decode(errors='replace'))}"
        case float():
            return f'"{double_text(value)}"' if math.isinf(value) or math.isnan(value) else f"{value:.6f}"
        case Duration():
            return f'duration("{duration_text(value)}")'
        case Timestamp():
            return f'timestamp("{timestamp_text(value)}")'
        case TypeValue():
            return f"type({value.name})"
    return text_of(value)


def _quoted(text: str) -> str:
    from edged.json_text import dumps

    return dumps(text).decode()


def _fixed(value: object, precision: int) -> str:
    number = _number(value)
    return _words(number) or f"{number:,.{precision}f}".replace(",", "")


def _scientific(value: object, precision: int) -> str:
    number = _number(value)
    mantissa, _, exponent = f"{number:.{precision}e}".partition("e")
    return _words(number) or f"{mantissa}\u00d710{exponent.removeprefix('+').translate(_SUPERSCRIPTS)}"


def _words(number: float) -> str:
    if math.isnan(number):
        return "NaN"
    return ("∞" if number > 0 else "-∞") if math.isinf(number) else ""


def _number(value: object) -> float:
    return float(value) if isinstance(value, float | int | str) else 0.0


def _hex(value: object, _: int) -> str:
    if isinstance(value, str | bytes):
        return (value.encode() if isinstance(value, str) else value).hex()
    return f"{int(value):x}" if isinstance(value, int) else ""


_FORMS: dict[str, Callable[[object, int], str]] = {
    "s": lambda value, _: text_of(value), "d": lambda value, _: text_of(value), "f": _fixed, "e": _scientific,
    "b": lambda value, _: f"{int(value):b}" if isinstance(value, int) else "", "x": _hex,
    "o": lambda value, _: f"{int(value):o}" if isinstance(value, int) else "",
}  # fmt: skip
