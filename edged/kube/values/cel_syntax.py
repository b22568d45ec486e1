"""The syntax of CEL, as cel-go reads it: text -> tree. Pure, and no library.

Not all of it is read: what is seldom written in conditions (bytes, messages, optional fields, escaped identifiers,
unusual escapes) and what is very long or deep is `Unsure`: it may be right, and only cel-go can tell. What is no CEL at
all is `Wrong`. Both are raised. Used by cel_types.py, which looks at the types.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from edged.errors import EdgedError
from edged.records import dataclass

MAX_CHARACTERS: Final = 4096
MAX_DEPTH: Final = 24
"""Of parentheses, lists, arguments and branches inside each other. cel-go takes 250 levels of its grammar's rules."""
MAX_CHAIN: Final = 48
"""Of `.a.b.c`, `a + b + c` and the like, which its grammar counts as levels, too."""
MAX_TREE: Final = 60
"""Levels of the tree, whatever makes them: who walks through it must not run out of stack."""
RESERVED: Final = frozenset((
    "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop", "package",
    "namespace", "return", "var", "void", "while",
))  # fmt: skip
_WORDS: Final = frozenset(("true", "false", "null", "in"))
_INT64_MAX: Final = 2**63 - 1
_TOKEN: Final = re.compile(
    r"""(?P<blank>(?:[\t \r\n\f]|//[^\n]*)+)
    |(?P<float>[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+|\.[0-9]+(?:[eE][+-]?[0-9]+)?)
    |(?P<uint>(?:0x[0-9a-fA-F]+|[0-9]+)[uU])
    |(?P<int>0x[0-9a-fA-F]+|[0-9]+)
    |(?P<odd>[bB][rR]?["']|[rR][bB]["']|[rR]?(?:\"\"\"|''')|`)
    |(?P<raw>[rR](?:"[^"\n\r]*"|'[^'\n\r]*'))
    |(?P<string>"(?:[^"\\\n\r]|\\.)*"|'(?:[^'\\\n\r]|\\.)*')
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<sign>==|!=|<=|>=|&&|\|\||[<>\[\]{}().,\-!?:+*/%])""",
    re.VERBOSE | re.ASCII,
)  # fmt: skip
_ESCAPES: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", '"': '"', "'": "'",
                   "\\": "\\", "?": "?", "`": "`"}  # fmt: skip
_RELATIONS: Final = ("<", "<=", ">=", ">", "==", "!=", "in")


class Wrong(EdgedError):
    """This is not CEL, or CEL that does not compile."""


class Unsure(EdgedError):
    """It may compile; only the API server can tell."""


class Literal(NamedTuple):
    """`type`: int, uint, double, string, bool, null."""

    type: str
    value: object


class Name(NamedTuple):
    name: str


class Select(NamedTuple):
    operand: Node
    field: str


class Call(NamedTuple):
    """A function or an operator (`==`, `?`, `[]`, `unary -`); `target` is what stands before the dot."""

    function: str
    arguments: tuple[Node, ...]
    target: Node | None = None


class List(NamedTuple):
    elements: tuple[Node, ...]


class Map(NamedTuple):
    entries: tuple[tuple[Node, Node], ...]


Node = Literal | Name | Select | Call | List | Map


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` as in the pattern, `end` for the last; `at`: where it begins."""

    kind: str
    text: str
    at: int


def parse(text: str) -> Node:
    """The tree of an expression. Raises Wrong and Unsure."""
    if len(text) > MAX_CHARACTERS:
        raise Unsure(f"it is longer than {MAX_CHARACTERS} characters")
    node = _Parser(tokens(text)).whole()
    level: list[Node] = [node]
    for _ in range(MAX_TREE):
        level = [inner for each in level for inner in _children(each)]
        if not level:
            return node
    raise Unsure(f"it is nested deeper than {MAX_TREE} levels")


def _children(node: Node) -> tuple[Node, ...]:
    match node:
        case Select(operand):
            return (operand,)
        case Call(_, arguments, target):
            return arguments if target is None else (target, *arguments)
        case List(elements):
            return elements
        case Map(entries):
            return tuple(each for entry in entries for each in entry)
    return ()


def tokens(text: str) -> list[Token]:
    """Of an expression, the end last. Raises Wrong and Unsure."""
    found, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise Wrong(f"Syntax error at character {at + 1}: {text[at]!r}")
        kind = str(match.lastgroup)
        if kind == "odd":
            raise Unsure(f"{match[0]} at character {at + 1} is not checked here")
        if kind == "name" and match[0] in _WORDS:
            kind = "sign"
        if kind != "blank":
            found.append(Token(kind, match[0], at))
        at = match.end()
    return [*found, Token("end", "", len(text))]


class _Parser:
    """Recursive descent, one method per rule of the grammar."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._next = 0
        self._depth = 0

    def whole(self) -> Node:
        node = self._expression()
        if self._token.kind != "end":
            raise self._error()
        return node

    @property
    def _token(self) -> Token:
        return self._tokens[self._next]

    def _error(self) -> Wrong:
        token = self._token
        what = repr(token.text[:40]) if token.text else "the expression ends too early"
        return Wrong(f"Syntax error at character {token.at + 1}: {what}")

    def _is(self, *signs: str) -> bool:
        return self._token.kind == "sign" and self._token.text in signs

    def _take(self, *signs: str) -> str:
        """The sign, where it is one of these and was taken; else ""."""
        if not self._is(*signs):
            return ""
        self._next += 1
        return self._tokens[self._next - 1].text

    def _expect(self, sign: str) -> None:
        if not self._take(sign):
            raise self._error()

    def _expression(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Unsure(f"it is nested deeper than {MAX_DEPTH} levels")
        node = self._or()
        if self._take("?"):
            yes = self._or()
            self._expect(":")
            node = Call("?", (node, yes, self._expression()))
        self._depth -= 1
        return node

    def _or(self) -> Node:
        nodes = [self._and()]
        while self._take("||"):
            nodes.append(self._and())
        return Call("||", tuple(nodes)) if len(nodes) > 1 else nodes[0]

    def _and(self) -> Node:
        nodes = [self._relation()]
        while self._take("&&"):
            nodes.append(self._relation())
        return Call("&&", tuple(nodes)) if len(nodes) > 1 else nodes[0]

    def _relation(self) -> Node:
        node, chain = self._sum(), 0
        while sign := self._take(*_RELATIONS):
            chain = _longer(chain)
            node = Call(sign, (node, self._sum()))
        return node

    def _sum(self) -> Node:
        node, chain = self._product(), 0
        while sign := self._take("+", "-"):
            chain = _longer(chain)
            node = Call(sign, (node, self._product()))
        return node

    def _product(self) -> Node:
        node, chain = self._unary(), 0
        while sign := self._take("*", "/", "%"):
            chain = _longer(chain)
            node = Call(sign, (node, self._unary()))
        return node

    def _unary(self) -> Node:
        sign, count = self._take("!", "-"), 1
        if not sign:
            return self._member()
        while self._take(sign):
            count = _longer(count)
        node = self._member()
        return Call(f"unary {sign}", (node,)) if count % 2 else node  # cel-go drops pairs, whatever stands behind them

    def _member(self) -> Node:
        node, chain = self._primary(), 0
        while sign := self._take(".", "["):
            chain = _longer(chain)
            if self._is("?"):
                raise Unsure(f"`{sign}?` (optional fields) is not checked here")
            node = self._after_dot(node) if sign == "." else Call("[]", (node, self._inside("]")))
        return node

    def _inside(self, closing: str) -> Node:
        node = self._expression()
        self._expect(closing)
        return node

    def _after_dot(self, operand: Node) -> Node:
        token = self._token
        if token.kind != "name":
            raise self._error()
        self._next += 1
        return Call(token.text, self._arguments(")"), operand) if self._take("(") else Select(operand, token.text)

    def _arguments(self, closing: str, *, comma_at_end: bool = False) -> tuple[Node, ...]:
        """After the opening sign, up to the closing one."""
        nodes: list[Node] = []
        while not self._take(closing):
            if nodes:
                self._expect(",")
                if comma_at_end and self._take(closing):
                    break
            if self._is("?"):
                raise Unsure("optional elements are not checked here")
            nodes.append(self._expression())
        return tuple(nodes)

    def _primary(self) -> Node:
        token = self._token
        if token.kind not in ("sign", "end"):
            self._next += 1
            return self._name(token) if token.kind == "name" else _literal(token)
        if word := self._take("true", "false", "null"):
            return Literal("null", None) if word == "null" else Literal("bool", word == "true")
        if self._take("("):
            return self._inside(")")
        if self._take("["):
            return List(self._arguments("]", comma_at_end=True))
        if self._take("{"):
            return self._map()
        if self._is("."):
            raise Unsure("names that begin with a dot are not checked here")
        raise self._error()

    def _name(self, token: Token) -> Node:
        if token.text in RESERVED:
            raise Wrong(f"reserved identifier: {token.text}")
        if self._is("{"):
            raise Unsure(f"{token.text}{{...}} is not checked here")
        return Call(token.text, self._arguments(")")) if self._take("(") else Name(token.text)

    def _map(self) -> Node:
        entries: list[tuple[Node, Node]] = []
        while not self._take("}"):
            if entries:
                self._expect(",")
                if self._take("}"):
                    break
            if self._is("?"):
                raise Unsure("optional entries are not checked here")
            key = self._expression()
            self._expect(":")
            entries.append((key, self._expression()))
        return Map(tuple(entries))


def _longer(chain: int) -> int:
    if chain >= MAX_CHAIN:
        raise Unsure(f"more than {MAX_CHAIN} links in one chain are not checked here")
    return chain + 1


def _literal(token: Token) -> Literal:
    if token.kind == "int":
        if int(token.text, 0 if "x" in token.text else 10) > _INT64_MAX:
            raise Unsure(f"{token.text} is a number beyond 64 bits")
        return Literal("int", token.text)
    if token.kind == "uint":
        if int(token.text[:-1], 0 if "x" in token.text else 10) > _INT64_MAX:
            raise Unsure(f"{token.text} is a number beyond 64 bits")
        return Literal("uint", token.text)
    if token.kind == "float":
        if len(token.text) > 16 or "e" in token.text.lower():
            raise Unsure(f"{token.text} is not checked here")
        return Literal("double", token.text)
    if token.kind == "raw":
        return Literal("string", token.text[2:-1])
    return Literal("string", _unescaped(token.text[1:-1]))


def _unescaped(text: str) -> str:
    pieces, at = [], 0
    while (backslash := text.find("\\", at)) >= 0:
        pieces.append(text[at:backslash])
        letter = text[backslash + 1]
        if letter in "xXuU0123":
            raise Unsure(f"\\{letter} in a string is not checked here")
        if letter not in _ESCAPES:
            raise Wrong(f"Syntax error: \\{letter} in a string; write \\\\{letter}" if letter.isprintable() else
                        "Syntax error: a backslash before a control character")
        pieces.append(_ESCAPES[letter])
        at = backslash + 2
    return "".join([*pieces, text[at:]])
