"""JSON of which parts stay bytes: members are found and checked without making values of them.

A value takes up to forty times as much memory as its text: `[{},{},...]` twenty times, nested lists forty. So what
tenants write stays text wherever nobody looks into it. `Members` cuts an object into its members, `tidy` checks a text
and makes the one form of it that guests get, `decoded_size` says what it would become.

What is short is decoded and written again by `json_text`, so that numbers and repeated keys come out in one form. What
is long is checked as strictly (syntax, UTF-8, depth, numbers that fit), loses its blanks and the escapes that Go's
encoder adds, and is otherwise as it was. Errors are JsonError.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate, chain
from typing import Any

import msgspec

from edged.json_text import JsonError, TooDeep, dumps, loads

Text = bytes | memoryview

MOST_LEVELS = 254
"""As deep as `json_text.dumps` writes."""
SHORT = 8 << 10
"""Bytes that are decoded without asking what they become."""
MOST_DECODED = 8 << 20
"""What `tidy` makes of a text for a moment, in bytes of memory. A usual object of 600 kB is below it."""
LONGEST_NUMBER = 1000
"""Digits in a row, in a text that is not short."""
MOST_MEMBERS = 1000
"""Of an object with members that are not known: only to look for repeated ones."""
WINDOW = 64 << 10

# Bytes of memory per character that begins or separates values, on 64 bits: an empty dict has 64, a list with one value
# 80, a dict with one key 190. Measured by tests/test_json_parts.py for hostile shapes.
_DICT, _LIST, _KEY, _QUOTE, _COMMA = 64, 76, 112, 36, 40
_WIDE = 4
"""Bytes of a character, where one of its string is outside the basic plane."""

_OPENING, _CLOSING = b"\x01", b"\xff"
_EMPTY = _OPENING + _CLOSING
_BRACKETS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[{]}"))
_NO_SIGNS = bytes(set(_NO_BRACKETS) - set(b":"))
_COLON = ord(":")
_ESCAPED_COLONS = (b"\\u003a", b"\\u003A")
_OF_NUMBERS = b"0123456789.eE+-"
_NUMBERS_ONLY = bytes(sign if sign in _OF_NUMBERS else ord(" ") for sign in range(256))
_DIGITS = bytes.maketrans(b"123456789E", b"000000000e")
_LARGE_EXPONENT, _LARGE_NUMBER, _LONG_NUMBER = b"e00", b"0" * 300, b"0" * LONGEST_NUMBER
"""Once each digit is a 0: what a number that is infinite has at least one of, and one that is too long."""
_GO_ESCAPES = {
    b"\\u003c": b"<", b"\\u003e": b">", b"\\u0026": b"&", b"\\u003C": b"<", b"\\u003E": b">",
    b"\\u2028": "\u2028".encode(), b"\\u2029": "\u2029".encode(),
}  # fmt: skip


class NotAnObject(JsonError):
    """JSON of another kind."""


class RepeatedMember(JsonError):
    """An object has two members of one name: two readers may take different ones."""


def decoded_size(text: Text) -> int:
    """Bytes of memory that the value of a JSON text takes, at most. Several times too much for texts with large
    strings that look like JSON, never too little by more than a tenth."""
    text = text if isinstance(text, bytes) else bytes(text)
    return (
        _DICT * text.count(b"{")
        + _LIST * text.count(b"[")
        + _KEY * text.count(b":")
        + _QUOTE * text.count(b'"')
        + _COMMA * text.count(b",")
        + len(text) * (1 if text.isascii() else _WIDE)
    )


def tidy(text: Text, *, levels: int = MOST_LEVELS, what: str = "") -> bytes:
    """The text as guests get it. Raises JsonError, TooDeep for more than `levels`."""
    text = text if isinstance(text, bytes) else bytes(text)
    if len(text) <= SHORT or decoded_size(text) <= MOST_DECODED:
        return written(loads(text, what=what), levels=levels, what=what)
    return _tidy_long(text, levels, what)


def written(value: object, *, levels: int, what: str = "") -> bytes:
    """The text of a value. Raises JsonError, TooDeep for more than `levels`."""
    around = MOST_LEVELS - levels
    for _ in range(around):  # `dumps` counts for us
        value = [value]
    text = dumps(value, what=what)
    return text[around : len(text) - around] if around else text


def _tidy_long(text: bytes, levels: int, what: str) -> bytes:
    try:
        compact: bytes = msgspec.json.format(text, indent=-1)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _refused(error, what) from None
    _check_utf8(compact, what)
    _check_depth(compact, levels, what)
    _check_numbers(compact, what)
    return _unescaped(compact)


def _refused(error: Exception, what: str) -> JsonError:
    if isinstance(error, RecursionError):
        return TooDeep(_named(what, "nested too deeply"))
    return JsonError(_named(what, str(error)))


def _named(what: str, message: str) -> str:
    return f"{what}: {message}" if what else message


def _check_utf8(text: bytes, what: str) -> None:
    """In pieces, because a decoded text takes up to four times the memory."""
    if text.isascii():
        return
    view, at = memoryview(text), 0
    try:
        while at < len(view):
            end = min(at + WINDOW, len(view))
            while end < len(view) and view[end] & 0xC0 == 0x80 and end - at < WINDOW + 4:
                end += 1
            str(view[at:end], "utf-8")
            at = end
    except UnicodeDecodeError:
        raise JsonError(_named(what, "a string is not UTF-8")) from None


def _check_depth(text: bytes, levels: int, what: str) -> None:
    """Raise TooDeep for a value of more levels; a number or a string has none."""
    level = 0
    for outside in _outside_strings(text):
        brackets = outside.translate(_BRACKETS, _NO_BRACKETS)
        # Without empty containers, of which there may be very many, it has at most one level less.
        if level + _highest(brackets.replace(_EMPTY, b"")) >= levels and level + _highest(brackets) > levels:
            raise TooDeep(_named(what, f"nested too deeply: more than {levels} levels"))
        level += brackets.count(_OPENING) - brackets.count(_CLOSING)


def _highest(brackets: bytes) -> int:
    return max(accumulate(array("b", brackets), initial=0))


def _check_numbers(text: bytes, what: str) -> None:
    """Raise JsonError for a number that has no finite value, as `loads` does, and for one that goes on and on."""
    rest = b""
    for outside in chain(_outside_strings(text), (b" ",)):
        piece = rest + outside
        numbers = piece.translate(_DIGITS, b"+")
        if _LONG_NUMBER in numbers:
            raise JsonError(_named(what, f"a number of more than {LONGEST_NUMBER} digits"))
        rest = piece[len(piece.rstrip(_OF_NUMBERS)) :]
        if _LARGE_EXPONENT in numbers or _LARGE_NUMBER in numbers:
            words = piece[: len(piece) - len(rest)].translate(_NUMBERS_ONLY).split()
            # The rest of a `true` or `false`, of which another piece had the beginning, is no number.
            loads(b"[" + b",".join(word for word in words if word[:1] in b"-0123456789") + b"]", what=what)


def _unescaped(text: bytes) -> bytes:
    """Without the escapes that Go's encoder puts in place of `<`, `>`, `&` and two separators: each has six bytes."""
    if not any(escape in text for escape in _GO_ESCAPES):
        return text
    doubled = b"\\\\" in text
    if doubled:  # so that an escaped backslash before a u is not taken for an escape; no such byte is in a JSON text
        text = text.replace(b"\\\\", b"\x00")
    for escape, character in _GO_ESCAPES.items():
        text = text.replace(escape, character)
    return text.replace(b"\x00", b"\\\\") if doubled else text


def _outside_strings(text: bytes) -> Iterator[bytes]:
    """What is outside strings, in pieces of at most WINDOW bytes."""
    inside = escaped = False
    for at in range(0, len(text), WINDOW):
        piece = text[at : at + WINDOW]
        if escaped:
            piece, escaped = piece[1:], False
        if b"\\" in piece:
            piece = piece.replace(b"\\\\", b"")
            escaped = piece.endswith(b"\\")
            piece = piece.replace(b'\\"', b"")
        parts = piece.split(b'"')
        yield b"".join(parts[1::2] if inside else parts[::2])
        inside ^= len(parts) % 2 == 0


def elements(text: Text, *, what: str = "") -> list[memoryview]:
    """The text of each element of a list. Raises JsonError where the text is none. Each takes some hundred bytes of
    memory: for lists of objects that somebody limited, not for any list."""
    try:
        found: list[msgspec.Raw] = msgspec.json.decode(text, type=list[msgspec.Raw])
    except msgspec.ValidationError:
        raise JsonError(_named(what, "not a list")) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise _refused(error, what) from None
    return [memoryview(each) for each in found]


class Members:
    """Reads objects whose members have these names. Others are skipped."""

    def __init__(self, *names: str) -> None:
        fields = [(f"m{n}", msgspec.Raw, msgspec.UNSET) for n in range(len(names))]
        rename = {f"m{n}": name for n, name in enumerate(names)}
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(
            msgspec.defstruct("Members", fields, rename=rename, gc=False)
        )
        self._names = tuple(rename.items())

    def read(self, text: Text, *, what: str = "") -> dict[str, memoryview]:
        """The text of each member that is there. Raises JsonError where the text is not JSON, NotAnObject and
        RepeatedMember."""
        try:
            members = self._decode(text)
            if not _is_all(text, members) and _repeats(text, self._decode):
                raise RepeatedMember(_named(what, "a field is there twice"))
        except msgspec.ValidationError:
            raise NotAnObject(_named(what, "not an object")) from None
        except (msgspec.DecodeError, RecursionError) as error:
            raise _refused(error, what) from None
        return members

    def _decode(self, text: Text) -> dict[str, memoryview]:
        found = self._decoder.decode(text)
        return {
            name: memoryview(value)
            for attribute, name in self._names
            if (value := getattr(found, attribute)) is not msgspec.UNSET
        }


def is_repeating(text: Text, value: object) -> bool:
    """Whether an object somewhere in the text has two members of one name. `value` is what `loads` made of it."""
    again, text = dumps(value), text if isinstance(text, bytes) else bytes(text)
    escapes = b"\\" in text and any(escape in text for escape in _ESCAPED_COLONS)
    if not escapes and text.count(b":") == again.count(b":"):
        return False  # those in strings are the same in both, the other ones stand for members
    return _colons(text) != _colons(again)


def _colons(text: bytes) -> int:
    return sum(outside.count(b":") for outside in _outside_strings(text))


def _is_all(text: Text, members: Mapping[str, memoryview]) -> bool:
    """Whether the text, if it has no blanks but a newline at its end, consists of these members, each once."""
    size = 1 + max(1, len(members)) + sum(len(name) + 3 + len(value) for name, value in members.items())
    return size == len(text) - (text[-1:] == b"\n")


def _repeats(text: Text, decode: Callable[[Text], Mapping[str, memoryview]]) -> bool:
    """Whether the object has two members of one name, also one that is skipped."""
    compact: bytes = msgspec.json.format(bytes(text), indent=-1)
    if _is_all(compact, decode(compact)):
        return False
    count = _first_level_members(compact)
    if count > MOST_MEMBERS:
        raise JsonError(f"an object of {count} fields is not one that can be read here (at most {MOST_MEMBERS})")
    return len(msgspec.json.decode(compact, type=dict[str, msgspec.Raw])) != count


def _first_level_members(text: bytes) -> int:
    count = level = 0
    for outside in _outside_strings(text):
        for sign in outside.translate(None, _NO_SIGNS):
            if sign == _COLON:
                count += level == 1
            else:
                level += 1 if sign in b"[{" else -1
    return count
