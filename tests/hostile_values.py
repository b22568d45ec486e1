"""Values that nobody should send: for every test that asks what edged does with other people's input.

`mutations` breaks a valid object at each of its places. `texts` does the same to its JSON text, with what only a text
can hold (numbers of 5,000 digits, keys given twice, half of a surrogate pair, bytes that are not UTF-8).
`hostile_bytes` are whole texts. Everything comes in the same order for the same `random.Random`, and says where it is.
"""

from __future__ import annotations

import copy
import datetime
import math
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, Final

Path = tuple[str | int, ...]
"""Where a value stands: keys of mappings, numbers of list items."""

DEPTHS: Final = (251, 252, 253, 254, 1023, 1025, 5000)
"""Around the limits of the reader (1024) and the writer (254) of JSON, and of Python's recursion."""
LONG: Final = 5000
"""Characters of a long string, digits of a long number."""
STRINGS: Final = (
    "", " ", "x" * LONG, "\0", "a\0b", "\n", "a\r\nb: c", "\x1b[31m", "\x7f", "\u2028", "\ufeff", "\u202e", "é" * 200,
    "\U0001f600" * 100, "null", "true", "-1", "0x10", "1e999", "9" * LONG, "-" + "9" * LONG, "1" + "0" * LONG + "Ki",
    "NaN", "Infinity", "../../etc/passwd", "/", "..", "%00", "%", "{{", "a,b", "a=b", "http://[::1", "http://[", "//",
    "::", "2026-02-30T25:61:61Z", "0001-01-01T00:00:00Z", "\N{ARABIC-INDIC DIGIT FIVE}", "²", "*", "(", "[", "\\",
)  # fmt: skip
LONE_SURROGATE: Final = "\ud800"
"""Python can hold it, UTF-8 cannot."""
NUMBERS: Final = (
    0, 1, -1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, -(2**63), 0.5, -0.0, 1e308, -1e308, 5e-324, 1e20,
)  # fmt: skip
NOT_NUMBERS: Final = (math.nan, math.inf, -math.inf)
"""JSON has no word for them; YAML, TOML and Python do."""
FRAGMENTS: Final = (
    b"9" * LONG, b"-" + b"9" * LONG, b"1e999", b"-1e999", b"1e-999", b"0." + b"1" * LONG, b"NaN", b"Infinity", b"-0",
    b"01", b'"\\ud800"', b'"\\udfff\\ud800"', b'"\xff\xfe"', b'"\xc0\x80"', b'"\xed\xa0\x80"', b'"\0"', b'"\n"',
    b'"\\u0000"', b"'x'", b"[,]", b"{", b"[", b'"', b"", b'{"a":1,"a":2}', b'{"a":{},"a":[]}', b"\xff", b"tru",
    b"[1 2]", b"/**/1",
)  # fmt: skip
"""Pieces of text that are no JSON, or JSON that readers disagree about."""
DATES: Final = (datetime.date(2026, 2, 28), datetime.datetime(2026, 2, 28, 1, 2, 3, tzinfo=datetime.UTC))
"""What YAML and TOML make of an unquoted date."""


def nested(levels: int, kind: str = "list") -> Any:
    """An empty list (or mapping) in a list (or mapping) and so on: `levels` of them in all."""
    value: Any = [] if kind == "list" else {}
    for _ in range(levels - 1):
        value = [value] if kind == "list" else {"a": value}
    return value


def anything(*, yaml: bool = False) -> list[Any]:
    """One of each: what may stand where something else was expected. `yaml`: also what JSON cannot say."""
    values: list[Any] = [
        None, True, False, [], {}, [None], [[]], [{}], {"": None}, {"a": None}, {"a": {"a": {}}}, ["a", None, 5],
        [None] * 1000, {str(number): None for number in range(1000)},
        *NUMBERS, *STRINGS,
        *(nested(levels, kind) for levels in DEPTHS for kind in ("list", "mapping")),
    ]  # fmt: skip
    if yaml:
        values += [*NOT_NUMBERS, *DATES, {5: 5}, {None: None}, {True: 1}, {DATES[0]: 1}, 10**LONG, b"\xff\0"]
        values.append(LONE_SURROGATE)
    return values


def mutations(valid: Any, rng: Random, *, each: int = 4, yaml: bool = False) -> Iterator[tuple[Path, Any]]:
    """The valid object with one place broken, for every place: its value is missing, null, of another type or of a
    strange size (`each` of those, in a random order that uses all before it repeats one); a list has a null item or too
    many; a mapping has strange keys. The objects are the caller's own."""
    values = _dealt(anything(yaml=yaml), rng)
    for path in paths(valid):
        yield path, replaced(valid, path, None)
        for _ in range(each):
            yield path, replaced(valid, path, copy_of(next(values)))
        for change in _changes_of(_at(valid, path)):
            yield path, changed(valid, path, change)
        if path:
            yield path, without(valid, path)


def one(valid: Any, rng: Random) -> Any:
    """The object with one place, any one, broken in some way: for large objects, of which `mutations` are too many."""
    path = rng.choice(paths(valid))
    if path and rng.random() < 0.3:
        return without(valid, path)
    return replaced(valid, path, copy_of(rng.choice(anything())))


def paths(value: Any) -> list[Path]:
    """Every place in the value, the whole (`()`) first."""
    found: list[Path] = []
    waiting: list[tuple[Path, Any]] = [((), value)]
    while waiting:
        path, here = waiting.pop(0)
        found.append(path)
        if isinstance(here, dict):
            waiting += [((*path, key), inner) for key, inner in here.items()]
        elif isinstance(here, list):
            waiting += [((*path, number), inner) for number, inner in enumerate(here)]
    return found


def changed(valid: Any, path: Path, change: Callable[[Any], Any]) -> Any:
    """A copy in which the value at `path` is what `change` makes of it."""
    whole = [copy.deepcopy(valid)]
    place: Any = whole
    key: Any = 0
    for step in path:
        place, key = place[key], step
    place[key] = change(place[key])
    return whole[0]


def replaced(valid: Any, path: Path, value: Any) -> Any:
    """A copy in which `value` stands at `path`."""
    return changed(valid, path, lambda _: value)


def without(valid: Any, path: Path) -> Any:
    """A copy that lacks what stands at `path`."""
    last = path[-1]

    def drop(holder: Any) -> Any:
        del holder[last]
        return holder

    return changed(valid, path[:-1], drop)


def copy_of(value: Any) -> Any:
    """A copy of any depth: `copy.deepcopy` gives up at Python's recursion limit."""
    whole: list[Any] = [value]
    waiting: list[Any] = [whole]
    while waiting:
        holder = waiting.pop()
        for key in range(len(holder)) if isinstance(holder, list) else list(holder):
            inner = holder[key]
            if isinstance(inner, (list, dict)):
                holder[key] = inner.copy()
                waiting.append(holder[key])
    return whole[0]


def _changes_of(here: Any) -> list[Callable[[Any], Any]]:
    """What is special about a list, a mapping, a string, a number."""
    if isinstance(here, list):
        return [
            lambda items: [None, *items],
            lambda items: [*items, None],
            lambda items: [*items, 5, "", [], {}],
            lambda items: items * 300,
            lambda items: [items],
            lambda items: {str(number): item for number, item in enumerate(items)},
        ]
    if isinstance(here, dict):
        return [
            lambda fields: {**fields, "": None, "\0": 1, "x" * LONG: {}, "a/b": [], "\u00e9": ""},
            lambda fields: dict.fromkeys(fields),
            lambda fields: list(fields.values()),
            lambda fields: [fields],
            lambda fields: {key.upper(): value for key, value in fields.items()},
        ]
    if isinstance(here, str):
        return [lambda text: text + "\0", lambda text: text * (LONG // max(1, len(text)) + 1), lambda text: [text]]
    if isinstance(here, (int, float)):
        return [lambda number: str(number), lambda number: -number - 1, lambda number: number + 2**62]
    return []


def _at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def _dealt(values: list[Any], rng: Random) -> Iterator[Any]:
    """All of them in a random order, again and again."""
    while True:
        rng.shuffle(values)
        yield from values


# --- texts


class Verbatim:
    """A piece of text in place of a value."""

    def __init__(self, text: bytes) -> None:
        self.text = text


def text_of(value: Any) -> bytes:
    """JSON of any depth, with what is strange in it: half surrogate pairs as escapes, NaN, long numbers."""
    parts: list[bytes] = []
    waiting: list[Any] = [value]
    while waiting:
        here = waiting.pop()
        if isinstance(here, Verbatim):
            parts.append(here.text)
        elif isinstance(here, dict):
            waiting += _reversed_fields(here)
        elif isinstance(here, list):
            items = [piece for item in here for piece in (Verbatim(b","), item)][1:]
            waiting += [Verbatim(b"]"), *reversed(items), Verbatim(b"[")]
        else:
            parts.append(_scalar(here))
    return b"".join(parts)


def _reversed_fields(fields: dict[Any, Any]) -> list[Any]:
    pieces = [
        piece
        for key, value in fields.items()
        for piece in (Verbatim(b","), Verbatim(_scalar(key if isinstance(key, str) else str(key)) + b":"), value)
    ][1:]
    return [Verbatim(b"}"), *reversed(pieces), Verbatim(b"{")]


def _scalar(value: Any) -> bytes:
    if isinstance(value, str):
        return b'"' + b"".join(map(_character, value)) + b'"'
    if value is None or isinstance(value, bool):
        return {None: b"null", True: b"true", False: b"false"}[value]
    if isinstance(value, float):
        return {"nan": b"NaN", "inf": b"Infinity", "-inf": b"-Infinity"}.get(str(value), repr(value).encode())
    if isinstance(value, int):
        return b"1" + b"0" * LONG if abs(value) >= 10**4000 else str(value).encode()
    return text_of(str(value))  # a date, bytes


def _character(character: str) -> bytes:
    if character in '"\\' or character < " " or "\ud800" <= character <= "\udfff":
        return b"\\u%04x" % ord(character)
    return character.encode()


def texts(valid: Any, rng: Random, *, each: int = 2) -> Iterator[tuple[Path, bytes]]:
    """The JSON text of the object with one place broken, for every place: a piece that is no JSON value or a strange
    one, a nesting of any depth, a key given twice. And as `mutations` breaks it."""
    pieces = _dealt([Verbatim(piece) for piece in FRAGMENTS] + [nested(levels, "mapping") for levels in DEPTHS], rng)
    for path in paths(valid):
        here = _at(valid, path)
        for _ in range(each):
            yield path, text_of(replaced(valid, path, next(pieces)))
        if isinstance(here, dict) and here:
            twice = text_of(here)[:-1] + b"," + text_of(dict.fromkeys(here))[1:]
            yield path, text_of(replaced(valid, path, Verbatim(twice)))
    for path, value in mutations(valid, rng, each=each):
        yield path, text_of(value)


def hostile_bytes(valid: Any = None) -> Iterator[tuple[str, bytes]]:
    """Whole texts in place of `valid`, each with a name."""
    text = text_of({"a": 1} if valid is None else valid)
    yield from {
        "empty": b"",
        "blank": b" \n\t",
        "NUL": b"\0",
        "a megabyte of NUL": bytes(1 << 20),
        "not UTF-8": b"\xff\xfe\xfd",
        "not UTF-8 in a string": b'{"a":"\xff"}',
        "overlong UTF-8": b'"\xc0\xaf"',
        "a surrogate in UTF-8": b'"\xed\xa0\x80"',
        "half of a surrogate pair": b'{"a":"\\ud800"}',
        "UTF-16": text.decode().encode("utf-16"),
        "byte order mark": b"\xef\xbb\xbf" + text,
        "cut off": text[: len(text) // 2],
        "without its last byte": text[:-1],
        "followed by something": text + b"x",
        "twice": text + text,
        "two lines": text + b"\n" + text,
        "HTML": b"<html><body>502 Bad Gateway</body></html>",
        "a comment": b"/* */" + text,
        "a list": b"[" + text + b"]",
        "null": b"null",
        "a number": b"5",
        "a string": b'"x"',
        "an open list, 100,000 deep": b"[" * 100_000,
        "open mappings, 100,000 deep": b'{"a":' * 100_000,
        "a long string": b'"' + b"x" * (1 << 20) + b'"',
    }.items()
    for levels in DEPTHS:
        yield f"lists, {levels} deep", text_of(nested(levels))
        yield f"mappings, {levels} deep", text_of(nested(levels, "mapping"))
    for piece in FRAGMENTS:
        yield f"the piece {piece[:20]!r}", piece
        yield f"the piece {piece[:20]!r} in a mapping", b'{"a":' + piece + b"}"


def described(path: Path, value: Any = ...) -> str:
    """For a test's message: `spec.containers[0].name = 'xxxx...`."""
    place = "".join(f"[{step}]" if isinstance(step, int) else f".{step[:40]}" for step in path).lstrip(".") or "(whole)"
    if value is ...:
        return place
    text = value if isinstance(value, bytes) else text_of(value)
    return f"{place}: {text[:200].decode('utf-8', 'backslashreplace')}"
