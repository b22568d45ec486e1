"""Makers of random YAML texts, and of values to write as YAML, for tests/test_yaml_reference.py."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from edged import json_text

Make = Callable[[random.Random], str]

PIECES = [
    "a", "b: ", "c:", "- ", "-", "? ", ": ", ":", ", ", ",", "[", "]", "{", "}", "\n", "\n  ", "\n    ", "\n- ",
    "\n  - ", "&x ", "*x", "*x ", "!!str ", "!t ", "'q'", '"d"', "'", '"', "|\n", "|-\n  x", "> \n", "# c", " #c",
    "#", "1", "~", "<<: ", "<<: *x", "%", "@", "`", "\t", "\n\t", " ", "  ", "---\n", "---", "...\n", "...", "é",
    "\\", '"\\x41"', "k: v\n", "k:\n", "x: [", "y: {", "url: http://a:80/b", "a:b", "--- # c\n", "\r\n", "!b ", "!\n",
    "a?b", "?", "[a, ", "{a: ", "\\/", "\\'", "--- ", "&y\n", "*y:", "''", "\n\n", "~: ", "null", "=", ">",
    "|", "- - ", "? a\n: b\n", "!<x> ", "\u2028", "\x85", "\x7f", "\x01", "%YAML 1.1\n", "%YAML 1.2\n", "%TAG ! x\n",
    '{"a": 1}\n', "1e3", "0x1F",
]  # fmt: skip


def soup(rng: random.Random) -> str:
    """Signs and words without sense: mostly refused."""
    return "".join(rng.choice(PIECES) for _ in range(rng.randrange(1, 9)))


SCALARS = [
    "a", "web-1", "y", "N", "on", "Off", "yes", "null", "~", "", "true", "0", "-1", "007", "0999", "0o17", "0x1F",
    "0b11", "1_000", "1.0", "1.50", ".5", "-.5e3", "1e3", "1e21", "9223372036854775807", "9223372036854775808",
    "18446744073709551616", "12:30:45", "52:54:00:12:34:56", "2024-01-02", "2024-01-02T03:04:05Z", "=", "<<", ".inf",
    "a b", "a: b", "it's", 'say "x"', "a # b", " a ", "é😀", "a\tb", "x,y", "[a]", "{a}", "-", "--flag", "?", "why?",
    "@a", "*a", "&a", "!a", "%a", "`a", "|", ">", "a\nb", "a\n\nb\n", "  a\n b\n", "http://a/?b=c", "3.5e38", "1e-7",
    "+12", "1.",
]  # fmt: skip
TAGS = ["!!str", "!!int", "!!float", "!!bool", "!!null", "!!binary", "!!timestamp", "!local", "!"]


class Composer:
    """Writes a random document: nested lists and mappings in both styles, scalars in all of theirs, anchors and merges.
    What it writes is mostly right."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._anchors = 0

    def document(self) -> str:
        head = self._rng.choice(["", "", "", "---\n", "# c\n", "--- # c\n", "\n"])
        tail = self._rng.choice(["", "", "\n", "\n...\n", "\n# c\n", "\n---\nx: 1\n"])
        return head + self.block("", 0).lstrip("\n") + tail

    def chance(self, percent: int) -> bool:
        return self._rng.randrange(100) < percent

    def block(self, indent: str, depth: int) -> str:
        """A value that stands after `key:` or `-`, with the blank or line break that it needs."""
        if depth < 4 and self.chance(60):
            inner = indent + self._rng.choice([" ", "  ", "  "])
            anchor = self.anchor()
            if self.chance(25):
                return f" {anchor}{self.flow(depth)}"
            write = self.mapping if self.chance(65) else self.sequence
            return (f" {anchor}" if anchor else "") + write(inner, depth + 1)
        return f" {self.anchor()}{self.scalar(indent)}" if self.chance(90) else f" {self.alias()}"

    def mapping(self, indent: str, depth: int) -> str:
        lines = []
        for _ in range(self._rng.randrange(1, 4)):
            if self.chance(7):
                lines.append(f"\n{indent}<<: {self.merged()}")
            elif self.chance(4):
                lines.append(f"\n{indent}? {self.key()}\n{indent}:{self.block(indent, depth)}")
            else:
                lines.append(f"\n{indent}{self.key()}:{self.block(indent, depth)}{self.comment()}")
        return "".join(lines)

    def sequence(self, indent: str, depth: int) -> str:
        return "".join(f"\n{indent}-{self.block(indent, depth)}" for _ in range(self._rng.randrange(1, 4)))

    def flow(self, depth: int) -> str:
        count = self._rng.randrange(4)
        parts = [self.flow(depth + 1) if depth < 4 and self.chance(30) else self.quoted() for _ in range(count)]
        if self.chance(50):
            return f"[{', '.join(parts)}]"
        return "{" + ", ".join(f"{self.key()}: {part}" for part in parts) + "}"

    def key(self) -> str:
        return self._rng.choice(["k", "name", "a", "b", "c", "1", "1.5", "y", "0x1F", "1e6", self.quoted()])

    def merged(self) -> str:
        return self._rng.choice(["{a: 1}", "{b: 1, c: 2}", "[{a: 1}, {a: 2, b: 3}]", self.alias(), f"[{self.alias()}]"])

    def anchor(self) -> str:
        if not self.chance(15):
            return ""
        self._anchors += 1
        return f"&n{self._rng.randrange(self._anchors + 1)} "

    def alias(self) -> str:
        return f"*n{self._rng.randrange(self._anchors + 1)}"

    def comment(self) -> str:
        return self._rng.choice([" # c", "\t# c", "", "", "", ""])

    def tag(self) -> str:
        return f"{self._rng.choice(TAGS)} " if self.chance(8) else ""

    def quoted(self) -> str:
        text = self._rng.choice(SCALARS)
        kind = self._rng.randrange(4)
        if kind == 0 or "\n" in text:
            return self.tag() + json_text.dumps(text).decode()
        return self.tag() + ("'" + text.replace("'", "''") + "'" if kind == 1 else text)

    def scalar(self, indent: str) -> str:
        text = self._rng.choice(SCALARS)
        if "\n" not in text or self.chance(30):
            return self.quoted()
        head = self._rng.choice(["|", ">", "|-", ">-", "|+", ">+", "| # c", "|\t"])
        return head + "".join(f"\n{indent}   {line}" for line in text.split("\n"))


def composed(rng: random.Random) -> str:
    return Composer(rng).document()


JSON_TOKENS = [
    '"a"', '"b"', '"\\/"', '"\\u00e9"', '"\\ud83d\\ude00"', '"\\u0000"', '"\u2028"', '"\x7f"', '"\x85"',
    '"\ufeff"', '"<<"', '"1"', '"é😀"', '"a b"', '"a: b"', '"a # b"', '"\\n"', '"\\""', '"\\\\"', '"y"', '"=": ',
    '"\uffff"', "0", "-0", "1", "-1", "1.0", "1.5", "1e3", "1E5", "1e400", "-1e-7", "12345678901234567890",
    "18446744073709551616", "9223372036854775808", "0.1", "true", "false", "null", "NaN", "01", "0x1F", "{}", "[]",
    "{a: 1}", "'q'", "y", "~",
]  # fmt: skip


def jsonish(rng: random.Random) -> str:
    """An object in JSON, or nearly: what a reader may be tempted to read as JSON."""
    long = '"' + "k" * rng.choice([1000, 1022, 1023, 1024, 1030]) + '"'
    tokens = [*JSON_TOKENS, long] if rng.randrange(20) == 0 else JSON_TOKENS
    blanks = ["", "", "", " ", " ", "\n", "\n  ", "\t", "\n\t", "\r\n"]

    def blank() -> str:
        return rng.choice(blanks) if rng.randrange(3) == 0 else ""

    def value(depth: int) -> str:
        kind = rng.randrange(4 if depth < 3 else 2)
        if kind < 2:
            return rng.choice(tokens)
        parts = [value(depth + 1) for _ in range(rng.randrange(3))]
        if kind == 2:
            return f"[{blank()}{f'{blank()},{blank()}'.join(parts)}{blank()}]"
        return mapping(parts)

    def mapping(parts: list[str]) -> str:
        keys = (rng.choice(tokens if rng.randrange(4) == 0 else ['"a"', '"b"', '"c"']) for _ in parts)
        pairs = (f"{key}{blank()}:{blank()}{part}" for key, part in zip(keys, parts, strict=True))
        return "{" + blank() + f"{blank()},{blank()}".join(pairs) + blank() + "}"

    text = blank() + mapping([value(1) for _ in range(rng.randrange(1, 4))])
    return text + rng.choice(["", "", "", "\n", "\n---\n", " # c", text, "\nb: 1\n", "\n  b: 1\n  c: 2\n"])


SIGNS = [
    *"yYnN=~.-+_:#,[]{}&*!|>'\"%@`?<\\/ \t\n0123456789eExXobABZT", *"\r\0\x07\x1b\x7f\x80\x85\xa0\xad", *"\u2028\u2029",
    *"\ufeff\ufffe\ue000\U0001f600\U0010ffff\u200bé", "yes", "no", "on", "off", "true", "null", "NULL", ".inf", ".nan",
    "1e3", "0o7", "0x1F", "0b1", "12:30", "2024-01-02", "---", "...", "<<", "--- ", "- ", "? ", ": ", " #", "\n ",
    "\n\n", "\n\t", "%YAML", "!!str x", "  ", "a", "b", "x" * 80, "word " * 20,
]  # fmt: skip
NUMBERS = [None, True, False, 0, -1, 1.5, -0.0, 1e21, 1e300, 5e-324, 1e16, 2**63, 2**64 - 1, -(2**63), 0.1, 1e-7, 3.0]


def values(rng: random.Random, depth: int = 0) -> Any:
    """A value of JSON with texts that readers of YAML may take for something else."""

    def text() -> str:
        return "".join(rng.choice(SIGNS) for _ in range(rng.choice([0, 1, 1, 1, 2, 2, 3, 4, 6, 10])))

    kind = rng.randrange(20)
    if depth > 4 or kind < 11:
        return text()
    if kind == 11:
        return rng.choice(NUMBERS)
    count = rng.randrange(4)
    if kind < 16:
        return {text() if rng.randrange(3) else rng.choice("abc"): values(rng, depth + 1) for _ in range(count)}
    return [values(rng, depth + 1) for _ in range(count)]
