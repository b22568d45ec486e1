"""Reading and writing JSON: the only file of the daemon that does it, so that its rules hold everywhere.

`loads` and `dumps` raise JsonError, an EdgedError, for whatever cannot be read or written; nothing else comes out of
them. Depth: up to 1024 levels are read, up to 254 are written (orjson's limits). A value that came from a tenant may
therefore be readable and not writable: that costs the object, not the process. Size: `most` bytes are read. Values
are what orjson makes: dict, list, str, int, float, bool, None; integers beyond 64 bits are read as float.
"""

from __future__ import annotations

from typing import Any

import orjson

from edged.errors import EdgedError

MOST_BYTES = 256 << 20
"""Nothing that edged reads is larger: a list of a large cluster in one piece comes near."""
Fragment = orjson.Fragment
"""JSON that is written already, as a part of a value to write."""


class JsonError(EdgedError):
    """A text that is not JSON, or a value that has no JSON form."""


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


def dumps(value: object, *, what: str = "", sort: bool = False, indent: bool = False, newline: bool = False) -> bytes:
    """The JSON text of a value. Raises JsonError. `sort`: keys in order; `indent`: by two blanks."""
    try:
        if not (sort or indent or newline):
            return orjson.dumps(value)
        options = orjson.OPT_SORT_KEYS * sort | orjson.OPT_INDENT_2 * indent | orjson.OPT_APPEND_NEWLINE * newline
        return orjson.dumps(value, option=options)
    except orjson.JSONEncodeError as error:
        kind = TooDeep if str(error).startswith("Recursion limit") else JsonError
        raise kind(f"{_named(what)}{error}") from None


def _named(what: str) -> str:
    return f"{what}: " if what else ""
