"""Text -> tokens, and what literals stand for. Errors have ANTLR's texts, as cel-go shows them."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from edged.kube.cel.errors import Issue
from edged.kube.cel.values import UInt

_TRIPLE: Final = r"\"\"\"(?:[^\\]|\\.)*?\"\"\"|'''(?:[^\\]|\\.)*?'''"
_PLAIN: Final = r"\"(?:[^\"\\\n\r]|\\[^\n\r])*\"|'(?:[^'\\\n\r]|\\[^\n\r])*'"
_RAW: Final = r"\"\"\"[\s\S]*?\"\"\"|'''[\s\S]*?'''|\"[^\"\n\r]*\"|'[^'\n\r]*'"
_TOKEN: Final = re.compile(
    rf"""(?P<blank>[\t \r\n\f]+|//[^\n]*)
    |(?P<NUM_FLOAT>[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+|\.[0-9]+(?:[eE][+-]?[0-9]+)?)
    |(?P<NUM_UINT>(?:0x[0-9a-fA-F]+|[0-9]+)[uU])
    |(?P<NUM_INT>0x[0-9a-fA-F]+|[0-9]+)
    |(?P<BYTES>[bB][rR](?:{_RAW})|[rR][bB](?:{_RAW})|[bB](?:{_TRIPLE}|{_PLAIN}))
    |(?P<STRING>[rR](?:{_RAW})|{_TRIPLE}|{_PLAIN})
    |(?P<IDENTIFIER>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<ESC_IDENTIFIER>`[a-zA-Z0-9_./\- ]+`)
    |(?P<sign>==|!=|<=|>=|&&|\|\||[<>\[\]{{}}().,\-!?:+*/%])""",
    re.VERBOSE | re.ASCII | re.DOTALL,
)  # fmt: skip
_WORDS: Final = frozenset(("true", "false", "null", "in"))
_UNENDED: Final = re.compile(r"[rRbB]{0,2}(\"[^\"\n\r]*|'[^'\n\r]*)")
_ESCAPES: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", '"': '"', "'": "'",
                   "\\": "\\", "?": "?", "`": "`"}  # fmt: skip
_ESCAPE: Final = re.compile(r"\\(?:x([0-9a-fA-F]{2})|X([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})"
                            r"|([0-3][0-7]{2})|([abfnrtv\"'\\?`]))")  # fmt: skip
_HEX: Final = re.compile("[0-9a-fA-F]*")
INT64_MAX: Final = 2**63 - 1
UINT64_MAX: Final = 2**64 - 1


class Token(NamedTuple):
    """`kind`: as in the pattern; words and signs are `sign`; `<EOF>` is the last one's text."""

    kind: str
    text: str
    at: int


def tokens(text: str) -> tuple[list[Token], list[Issue]]:
    """The tokens, the end last, and what is none."""
    found: list[Token] = []
    issues: list[Issue] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is not None and match.lastgroup in ("STRING", "BYTES") and _bad_escape(match[0]) is not None:
            match = None
        if match is None:
            wrong = _UNENDED.match(text, at)
            skipped = _not_a_token(text, at, wrong)
            issues.append(Issue(at, f"Syntax error: token recognition error at: '{skipped}'"))
            at += len(skipped)
            continue
        kind = str(match.lastgroup)
        if kind == "IDENTIFIER" and match[0] in _WORDS:
            kind = "sign"
        if kind != "blank":
            found.append(Token(kind, match[0], at))
        at = match.end()
    return [*found, Token("end", "<EOF>", len(text))], issues


def _not_a_token(text: str, at: int, unended: re.Match[str] | None) -> str:
    """What the lexer gives up at: one character, or a text that does not end."""
    if unended is None:
        double = text[at : at + 1] in ("&", "|", "=") and at + 1 < len(text)
        return text[at : at + 2] if double else text[at]
    whole = unended[0]
    broken = _bad_escape(text[at : unended.end() + 1])
    if broken is not None:
        return text[at : at + broken]
    return whole + text[unended.end() : unended.end() + 1].replace("\r", "")


def _bad_escape(literal: str) -> int | None:
    """How many characters of a literal are fine before an escape that does not exist, with it."""
    if "\\" not in literal or literal[:2].lower() in ("br", "rb") or literal[:1].lower() == "r":
        return None
    at = literal.find("\\")
    while at >= 0:
        match = _ESCAPE.match(literal, at)
        if match is None:
            digits = _HEX.match(literal, at + 2) if literal[at + 1 : at + 2] in tuple("xXuU") else None
            return (digits.end() + 1) if digits is not None else at + 2
        at = literal.find("\\", match.end())
    return None


def literal(token: Token) -> tuple[object, str]:
    """The value of a number, text or bytes, and what is wrong about it."""
    match token.kind:
        case "NUM_INT":
            return integer(token.text)
        case "NUM_UINT":
            number = _number(token.text[:-1])
            return UInt(number), "" if number <= UINT64_MAX else "invalid uint literal"
        case "NUM_FLOAT":
            value = float(token.text)
            return value, "" if value not in (float("inf"), float("-inf")) else "invalid double literal"
    raw = token.text.lstrip("bB") if token.kind == "BYTES" else token.text
    prefix = token.text[: len(token.text) - len(token.text.lstrip("rRbB"))].lower()
    raw = token.text[len(prefix) :]
    quotes = 3 if raw[:3] in ('"""', "'''") and len(raw) >= 6 else 1
    inner = raw[quotes:-quotes].replace("\r\n", "\n").replace("\r", "\n")
    if "b" in prefix:
        return (inner.encode() if "r" in prefix else _unescaped_bytes(inner)), ""
    return (inner if "r" in prefix else _ESCAPE.sub(_one_escape, inner)), ""


def _number(text: str) -> int:
    """What is far too large for 64 bits is made shorter: Python reads no number of any length."""
    digits = text.removeprefix("0x").lstrip("0") or "0"
    return int(digits[:40], 16 if text.startswith("0x") else 10)


def integer(text: str) -> tuple[object, str]:
    """A signed number in 64 bits."""
    number = -_number(text[1:]) if text.startswith("-") else _number(text)
    return number, "" if -INT64_MAX - 1 <= number <= INT64_MAX else "invalid int literal"


def _one_escape(match: re.Match[str]) -> str:
    letter = match[6]
    if letter:
        return _ESCAPES[letter]
    if match[5]:
        return chr(int(match[5], 8))
    code = int(next(group for group in match.groups() if group), 16)
    return chr(code) if code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF else "\ufffd"


def _unescaped_bytes(text: str) -> bytes:
    pieces: list[bytes] = []
    at = 0
    for match in _ESCAPE.finditer(text):
        pieces.append(text[at : match.start()].encode())
        code = match[1] or match[2]
        if code or match[5]:
            pieces.append(bytes([int(code, 16) if code else int(match[5], 8)]))
        else:
            pieces.append(_one_escape(match).encode())
        at = match.end()
    return b"".join([*pieces, text[at:].encode()])
