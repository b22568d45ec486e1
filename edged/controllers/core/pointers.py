"""JSON pointers (RFC 6901): read once, then followed through decoded objects, as often as events come.

`keep` and `fields` cut objects down to what pointers name, `on` compares what they name.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from edged.errors import shown


class _Missing:
    """There is nothing at a pointer; null is something."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()


class Pointer(NamedTuple):
    """`text` as it was written, `parts` unescaped. The empty pointer is the whole value."""

    text: str
    parts: tuple[str, ...]


def pointer_of(text: str) -> Pointer:
    """Raises ValueError for what is no JSON pointer."""
    if not text:
        return Pointer("", ())
    if not text.startswith("/"):
        raise ValueError(f'a JSON pointer begins with "/": {shown(text)}')
    parts = []
    for part in text[1:].split("/"):
        if "~" in part.replace("~0", "").replace("~1", ""):
            raise ValueError(f'in a JSON pointer "~" is written "~0": {shown(text)}')
        parts.append(part.replace("~1", "/").replace("~0", "~"))
    return Pointer(text, tuple(parts))


def read(value: object, pointer: Pointer) -> object:
    """What is there, or MISSING."""
    for part in pointer.parts:
        if isinstance(value, dict):
            if part not in value:
                return MISSING
            value = value[part]
        elif isinstance(value, list):
            place = _place(part, len(value))
            if place is None:
                return MISSING
            value = value[place]
        else:
            return MISSING
    return value


def _place(part: str, length: int) -> int | None:
    """The place in a list that a part names."""
    if not (part.isascii() and part.isdigit()) or (len(part) > 1 and part[0] == "0") or len(part) > 9:
        return None
    return int(part) if int(part) < length else None


def text_at(value: object, pointer: Pointer) -> str:
    """What is there as a text, as the API server's field selectors read it: "" where there is nothing or null, `true`,
    `false`, digits. A list or an object has none and gives ""."""
    return text_of(read(value, pointer))


def text_of(found: object) -> str:
    if isinstance(found, str):
        return found
    if isinstance(found, bool):
        return "true" if found else "false"
    return str(found) if isinstance(found, int | float) else ""


def differs(one: object, other: object, pointers: Iterable[Pointer]) -> bool:
    """Whether any of the subtrees differs."""
    return any(read(one, pointer) != read(other, pointer) for pointer in pointers)


def projected(value: object, pointers: Iterable[Pointer]) -> object:
    """A copy that has only what the pointers name; subtrees are shared with `value`. An element of a list comes with
    the whole list, so that it keeps its place."""
    kept: dict[str, object] = {}
    for pointer in pointers:
        if not pointer.parts:
            return value
        _keep(kept, value, pointer.parts)
    return kept


def _keep(kept: dict[str, object], value: object, parts: tuple[str, ...]) -> None:
    for number, part in enumerate(parts):
        if not isinstance(value, dict) or part not in value:
            return
        source = value[part]
        if number == len(parts) - 1 or not isinstance(source, dict):
            if number == len(parts) - 1 or isinstance(source, list):
                kept[part] = source
            return
        inner = kept.get(part)
        if inner is source:
            return  # the whole of it is kept already
        if not isinstance(inner, dict):
            inner = kept[part] = {}
        kept, value = inner, source
