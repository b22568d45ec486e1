"""Reading and writing JSON: the only file of the daemon that does it, so that its rules hold everywhere.

`loads` and `dumps` raise JsonError, an EdgedError, for whatever cannot be read or written; nothing else comes out of
them. Depth: up to 1024 levels are read, up to 254 are written (orjson's limits). A value that came from a tenant may
therefore be readable and not writable: that costs the object, not the process. Size: `most` bytes are read. Values
are what orjson makes: dict, list, str, int, float, bool, None; integers beyond 64 bits are read as float.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from edged.errors import EdgedError

MOST_BYTES = 256 << 20
"""Nothing that edged reads is larger: a list of a large cluster in one piece comes near."""
Fragment = orjson.Fragment
"""JSON that is written already, as a part of a value to write."""


class JsonError(EdgedError, ValueError):
    """A text that is not JSON, or a value that has no JSON form. A ValueError, as those of Python's own reader are."""


class TooDeep(JsonError):
    """Nested deeper than is read or written here; otherwise there may be nothing wrong with it."""


def loads(text: bytes | bytearray | memoryview | str, *, what: str = "", most: int = MOST_BYTES) -> Any:
    """The value of a JSON text. Raises JsonError; `what` says in its message what could not be read."""
    if len(text) > most:
        raise JsonError(f"{_named(what)}larger than {most} bytes")
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        kind = TooDeep if error.msg.startswith("depth limit") else JsonError
        raise kind(f"{_named(what)}{error}") from None


class Repeated(dict[str, Any]):
    """An object that has a key more than once: the last value of each key; `pairs` has all of them in their order."""

    __slots__ = ("pairs",)

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs


def loads_repeated(text: bytes | bytearray | memoryview | str, *, what: str = "", most: int = MOST_BYTES) -> Any:
    """As `loads`, but objects that have a key more than once are Repeated. It takes several times as long."""
    value = loads(text, what=what, most=most)
    found: list[Repeated] = []

    def made(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        plain = dict(pairs)
        if len(plain) == len(pairs):
            return plain
        found.append(Repeated(pairs))
        return found[-1]

    try:
        again = json.loads(
            bytes(text) if isinstance(text, memoryview) else text, object_pairs_hook=made, parse_int=_whole
        )
    except (RecursionError, ValueError):
        return value
    return again if found else value


def pairs_of(value: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    """Keys and values of an object; of a Repeated all of them."""
    return value.pairs if isinstance(value, Repeated) else value.items()


def repeated_paths(value: object, path: str = "", levels: int = 254) -> Iterator[str]:
    """Each key that is there more than once, as `a.b[0].c`, in the order of the text; down to as many levels as are
    written."""
    if isinstance(value, dict) and levels:
        seen = set[str]()
        for key, item in pairs_of(value):
            where = f"{path}.{key}" if path else key
            if key in seen:
                yield where
            seen.add(key)
            yield from repeated_paths(item, where, levels - 1)
    elif isinstance(value, list) and levels:
        for index, item in enumerate(value):
            yield from repeated_paths(item, f"{path}[{index}]", levels - 1)


def _whole(digits: str) -> int | float:
    """As orjson reads it: what has more than 64 bits is a float."""
    if len(digits) > 20:
        return float(digits)
    value = int(digits)
    return value if -(1 << 63) <= value < 1 << 64 else float(value)


def leading(text: str, begin: int) -> tuple[Any, int]:
    """The value that stands at `begin`, and the place behind it and its blanks. For texts that hold several values.
    Raises JsonError."""
    start = _after_blanks(text, begin)
    try:
        end = json.JSONDecoder().raw_decode(text, start)[1]
    except RecursionError:
        raise TooDeep("too deeply nested") from None
    except ValueError as error:
        raise JsonError(str(error)) from None
    return loads(text[start:end].encode(errors="surrogateescape")), _after_blanks(text, end)


class Members(list[tuple[str, Any]]):
    """An object whose members are as they stood in the text, also those that are there twice."""


def first_with_members(text: bytes, *, alone: bool = False, most: int = MOST_BYTES) -> Any:
    """The first value of a text, as Go's Decoder finds it: whatever follows is not looked at, but for `alone`. Bytes
    that are no UTF-8 become lone surrogates. Objects are Members; numbers with a fraction or an exponent, or of more
    than 64 bits, are float. Slower than `loads`. Raises JsonError."""
    if len(text) > most:
        raise JsonError(f"larger than {most} bytes")
    decoder = json.JSONDecoder(object_pairs_hook=Members, parse_int=_whole, parse_constant=_no_constant)
    given = text.decode(errors="surrogateescape")
    try:
        value, end = decoder.raw_decode(given, _after_blanks(given, 0))
    except RecursionError:
        raise TooDeep("too deeply nested") from None
    except ValueError as error:
        raise JsonError(str(error)) from None
    if alone and _after_blanks(given, end) < len(given):
        raise JsonError(f"something follows the value: column {end + 1}")
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _after_blanks(text: str, begin: int) -> int:
    while begin < len(text) and text[begin] in " \t\r\n":
        begin += 1
    return begin


def dumps(
    value: object,
    *,
    what: str = "",
    sort: bool = False,
    indent: bool = False,
    newline: bool = False,
    text_keys: bool = False,
) -> bytes:
    """The JSON text of a value. Raises JsonError.

    `sort`: keys in order. `indent`: by two blanks. `newline`: at the end. `text_keys`: keys that are no strings become
    strings, for values that were YAML.
    """
    try:
        if not (sort or indent or newline or text_keys):
            return orjson.dumps(value)
        return orjson.dumps(value, option=_options(sort=sort, indent=indent, newline=newline, text_keys=text_keys))
    except orjson.JSONEncodeError as error:
        kind = TooDeep if str(error).startswith("Recursion limit") else JsonError
        raise kind(f"{_named(what)}{error}") from None


def _options(*, sort: bool, indent: bool, newline: bool, text_keys: bool) -> int:
    return (
        (orjson.OPT_SORT_KEYS if sort else 0)
        | (orjson.OPT_INDENT_2 if indent else 0)
        | (orjson.OPT_APPEND_NEWLINE if newline else 0)
        | (orjson.OPT_NON_STR_KEYS if text_keys else 0)
    )


def shown(value: object, most: int = 200) -> str:
    """The beginning of a value's JSON, for a message. Whatever it is: the usual texts of Python have no bound, and fail
    where a value is nested as deep as others may nest it."""
    try:
        text = dumps(value, text_keys=True)[: 4 * most].decode(errors="ignore")
    except JsonError:
        text = f"a {type(value).__name__} that cannot be written as JSON"
    return text if len(text) <= most else text[:most] + "..."


def _named(what: str) -> str:
    return f"{what}: " if what else ""
