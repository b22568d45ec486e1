"""Whether a regular expression is one that Go's regexp compiles, as far as that is simple to tell. Pure.

A constant one in a CEL expression is compiled with it, so a bad one is refused. Read here is what people write in
conditions: characters, escapes, classes, groups, alternatives and repetitions, within bounds that are far below Go's.
Used by cel_types.py.
"""

from __future__ import annotations

import string
from typing import Final

from edged.kube.values.cel_syntax import Unsure

MAX_SIZE: Final = 1000
"""Roughly the instructions: what is repeated counts as often as it may be repeated. Go allows nested counts of 1000."""
MAX_DEPTH: Final = 20
MAX_REPEAT: Final = 200
_PLAIN: Final = frozenset(string.ascii_letters + string.digits + " _-/:=,@~%&#!\"'<>;`\t")
_CLASS_ESCAPES: Final = frozenset("dDwWsS")
_ESCAPED: Final = frozenset(string.punctuation)
_IN_CLASS: Final = _PLAIN | frozenset(".+*?()|{}$")


def check(pattern: str) -> None:
    """Raises Unsure where it is not known to compile."""
    reader = _Reader(pattern)
    reader.alternatives(0)
    if reader.at < len(pattern):
        raise reader.unsure()


class _Reader:
    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self.at = 0

    def unsure(self) -> Unsure:
        return Unsure(f"the regular expression {self._pattern[:60]!r} is not checked here beyond character {self.at}")

    def _peek(self) -> str:
        return self._pattern[self.at : self.at + 1]

    def _take(self) -> str:
        character = self._peek()
        self.at += 1
        return character

    def alternatives(self, depth: int) -> int:
        """Reads up to `)` or the end; the size."""
        if depth > MAX_DEPTH:
            raise self.unsure()
        size = self._sequence(depth)
        while self._peek() == "|":
            self.at += 1
            size += 1 + self._sequence(depth)
        return size

    def _sequence(self, depth: int) -> int:
        size = 0
        while self._peek() not in ("", "|", ")"):
            if self._peek() in ("^", "$"):
                self.at += 1
                size += 1
                if self._peek() in ("*", "+", "?", "{"):
                    raise self.unsure()
            else:
                size += self._atom(depth) * self._times()
            if size > MAX_SIZE:
                raise self.unsure()
        return size

    def _atom(self, depth: int) -> int:
        character = self._take()
        if character in _PLAIN or character == ".":
            return 1
        if character == "\\":
            self._escape()
            return 1
        if character == "[":
            self._class()
            return 1
        if character != "(":
            raise self.unsure()
        if self._pattern.startswith("?:", self.at):
            self.at += 2
        elif self._peek() == "?":
            raise self.unsure()
        size = self.alternatives(depth + 1)
        if self._take() != ")":
            raise self.unsure()
        return size + 2

    def _escape(self) -> str:
        character = self._take()
        if character not in _CLASS_ESCAPES and character not in _ESCAPED:
            raise self.unsure()
        return character

    def _class(self) -> None:
        if self._peek() == "^":
            self.at += 1
        first = True
        while self._peek() != "]" or first:
            low = self._class_character()
            first = False
            if self._peek() == "-" and self._pattern[self.at + 1 : self.at + 2] not in ("]", ""):
                self.at += 1
                high = self._class_character()
                if not low or not high or low > high:
                    raise self.unsure()
        self.at += 1

    def _class_character(self) -> str:
        """The character, "" for one that stands for several."""
        character = self._take()
        if character == "\\":
            escaped = self._escape()
            return "" if escaped in _CLASS_ESCAPES else escaped
        if character not in _IN_CLASS:
            raise self.unsure()
        return character

    def _times(self) -> int:
        """How often the last atom may be repeated, 1 where nothing says so."""
        sign = self._peek()
        if sign not in ("*", "+", "?", "{"):
            return 1
        self.at += 1
        times = self._braces() if sign == "{" else 2
        if self._peek() == "?":
            self.at += 1
        if self._peek() in ("*", "+", "?", "{"):
            raise self.unsure()
        return times

    def _braces(self) -> int:
        end = self._pattern.find("}", self.at)
        low, comma, high = self._pattern[self.at : max(end, self.at)].partition(",")
        numbers = [number for number in (low, high) if number]
        if not low or not all(len(number) <= 3 and number.isascii() and number.isdigit() for number in numbers):
            raise self.unsure()
        if (comma and high and int(low) > int(high)) or max(map(int, numbers)) > MAX_REPEAT:
            raise self.unsure()
        self.at = end + 1
        return max(map(int, numbers)) + 1
