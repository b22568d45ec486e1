"""What Go's JSON scanner says of a text that is no JSON, since clients see it in refusals. Pure.

Only called for texts that another reader refused, so it need not be fast; its work is linear. Source: encoding/json's
scanner.go, whose texts sigs.k8s.io/json has, too.
"""

from __future__ import annotations

import re

ENDED = "unexpected end of JSON input"
MAX_DEPTH = 10_000
_BLANK = re.compile(rb"[ \t\r\n]*")
_STRING = re.compile(rb'"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*+')
_LITERALS = {ord("t"): b"true", ord("f"): b"false", ord("n"): b"null"}
_AFTER = {"": "after top-level value", "[": "after array element", "{": "after object key:value pair"}


class _Stop(Exception):
    """The text that says what is wrong."""


def syntax_error(data: bytes) -> str:
    """Empty for JSON."""
    try:
        _Scanner(data).run()
    except _Stop as found:
        return str(found)
    return ""


class _Scanner:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._open: list[str] = []

    def run(self) -> None:
        while True:
            if self._value():
                continue
            while True:
                self._blanks()
                if not self._open:
                    if self._at < len(self._data):
                        raise self._unexpected(_AFTER[""])
                    return
                if not self._closes():
                    break

    def _value(self) -> bool:
        """Reads the begin of a value; True if it is a container whose first value comes next."""
        byte = self._next()
        if byte == ord("{"):
            return self._object()
        if byte == ord("["):
            return self._array()
        if byte == ord('"'):
            self._string()
        elif byte in _LITERALS:
            self._literal(_LITERALS[byte])
        elif byte == ord("-") or 0x30 <= byte <= 0x39:
            self._number()
        else:
            raise self._unexpected("looking for beginning of value")
        return False

    def _object(self) -> bool:
        self._enter("{")
        if self._next() == ord("}"):
            self._leave()
            return False
        self._key()
        return True

    def _array(self) -> bool:
        self._enter("[")
        if self._next() == ord("]"):
            self._leave()
            return False
        return True

    def _enter(self, what: str) -> None:
        self._at += 1
        self._open.append(what)
        if len(self._open) > MAX_DEPTH:
            raise _Stop("exceeded max depth")

    def _leave(self) -> None:
        self._at += 1
        self._open.pop()

    def _key(self) -> None:
        if self._next() != ord('"'):
            raise self._unexpected("looking for beginning of object key string")
        self._string()
        if self._next() != ord(":"):
            raise self._unexpected("after object key")
        self._at += 1

    def _closes(self) -> bool:
        """After a value: True where the container ends, too; False where its next value comes."""
        byte, inside = self._next(), self._open[-1]
        if byte == (ord("}") if inside == "{" else ord("]")):
            self._leave()
            return True
        if byte != ord(","):
            raise self._unexpected(_AFTER[inside])
        self._at += 1
        if inside == "{":
            self._key()
        return False

    def _string(self) -> None:
        match = _STRING.match(self._data, self._at)
        assert match is not None
        self._at = match.end()
        byte = self._peek()
        if byte == ord('"'):
            self._at += 1
            return
        if byte != ord("\\"):
            raise self._unexpected("in string literal")
        self._at += 1
        if self._peek() != ord("u"):
            raise self._unexpected("in string escape code")
        self._at += 1
        while chr(self._peek()) in "0123456789abcdefABCDEF":
            self._at += 1
        raise self._unexpected("in \\u hexadecimal character escape")

    def _literal(self, text: bytes) -> None:
        for expected in text:
            if self._peek() != expected:
                raise self._unexpected(f"in literal {text.decode()} (expecting {_shown(expected)})")
            self._at += 1

    def _number(self) -> None:
        if self._peek() == ord("-"):
            self._at += 1
            self._digit("in numeric literal")
        if self._peek() == ord("0"):
            self._at += 1
        else:
            self._digits()
        if self._here() == ord("."):
            self._at += 1
            self._digit("after decimal point in numeric literal")
            self._digits()
        if self._here() in (ord("e"), ord("E")):
            self._at += 1
            if self._peek() in (ord("+"), ord("-")):
                self._at += 1
            self._digit("in exponent of numeric literal")
            self._digits()

    def _digit(self, where: str) -> None:
        if not 0x30 <= self._peek() <= 0x39:
            raise self._unexpected(where)

    def _digits(self) -> None:
        while 0x30 <= self._here() <= 0x39:
            self._at += 1

    def _here(self) -> int:
        return self._data[self._at] if self._at < len(self._data) else -1

    def _peek(self) -> int:
        if self._at >= len(self._data):
            raise _Stop(ENDED)
        return self._data[self._at]

    def _next(self) -> int:
        self._blanks()
        return self._peek()

    def _blanks(self) -> None:
        match = _BLANK.match(self._data, self._at)
        assert match is not None
        self._at = match.end()

    def _unexpected(self, where: str) -> _Stop:
        return _Stop(f"invalid character {_shown(self._peek())} {where}")


_NAMED = {
    0x27: "\\'", 0x22: '"', 7: "\\a", 8: "\\b", 12: "\\f", 10: "\\n", 13: "\\r", 9: "\\t", 11: "\\v", 0x5C: "\\\\",
}  # fmt: skip


def _shown(byte: int) -> str:
    """A byte as Go quotes the character of that number."""
    if byte in _NAMED:
        return f"'{_NAMED[byte]}'"
    if byte < 0x20 or byte == 0x7F:
        return f"'\\x{byte:02x}'"
    return f"'{chr(byte)}'" if chr(byte).isprintable() else f"'\\u{byte:04x}'"
