"""Pages of a list, and lines of a watch, as bytes from the server -> values. Pure.

One object that cannot be decoded (nested deeper than JSON is read here) must not keep the others from being known: then
the items of its page are decoded one by one, and what cannot be is an `Undecodable` in its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from edged.json_text import JsonError, TooDeep, loads
from edged.records import dataclass

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{},]', re.DOTALL)
_ITEMS = re.compile(rb'\s*:\s*\[')
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Undecodable:
    """An item of a page, or the object of a watch's line, that is nested too deep. `detail` for people."""

    detail: str


def page_of(data: bytes) -> dict[str, Any] | None:
    """A list with `items` (null becomes []) and `metadata`; None when it is not one."""
    try:
        page = loads(data)
    except TooDeep:
        page = _item_by_item(data)
    except JsonError:
        return None
    if not isinstance(page, dict) or not isinstance(page.get("metadata"), dict):
        return None
    if page.get("items") is None:
        page["items"] = []
    return page if isinstance(page["items"], list) else None


def shown(data: bytes) -> str:
    """The beginning, for a log line."""
    return data[:_SHOWN].decode("utf-8", "replace")


def _item_by_item(data: bytes) -> Any:
    """The page with each item decoded by itself; None where even the rest of the page makes no sense."""
    place = _place_of_items(data)
    if place is None:
        return None
    begin, end, items = place
    try:
        page = loads(data[:begin] + data[end:])
        if isinstance(page, dict):
            page["items"] = [_decoded(item) for item in items]
        return page
    except JsonError:
        return None


def _decoded(item: bytes) -> Any:
    """Raises JsonError."""
    try:
        return loads(item)
    except TooDeep as error:
        return Undecodable(f"{error}: {shown(item)}")


def _place_of_items(data: bytes) -> tuple[int, int, list[bytes]] | None:
    """Where the value of the top-level key `items` begins (after its bracket) and ends, and its elements."""
    depth = 0
    tokens = _TOKEN.finditer(data)
    for token in tokens:
        text = token.group()
        if text in (b"{", b"["):
            depth += 1
        elif text in (b"}", b"]"):
            depth -= 1
        elif depth == 1 and text == b'"items"' and (colon := _ITEMS.match(data, token.end())):
            next(tokens)  # the bracket
            return _elements(data, colon.end(), tokens)
    return None


def _elements(data: bytes, begin: int, tokens: Iterator[re.Match[bytes]]) -> tuple[int, int, list[bytes]] | None:
    elements, start, depth = [], begin, 0
    for token in tokens:
        text = token.group()
        if text in (b"{", b"["):
            depth += 1
        elif text in (b"}", b"]") and depth:
            depth -= 1
        elif text == b"]" or (text == b"," and not depth):
            elements.append(data[start : token.start()])
            start = token.end()
            if text == b"]":
                return begin, token.start(), [element for element in elements if element.strip()]
    return None
