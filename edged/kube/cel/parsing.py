"""Text -> tree, by the grammar of cel-go. Raises CompileError with the first syntax error and all of the lexer's."""

from __future__ import annotations

from typing import Final

from edged.kube.cel import lexing, macros
from edged.kube.cel.errors import CompileError, Issue
from edged.kube.cel.lexing import Token
from edged.kube.cel.reading import Reader, Stop
from edged.kube.cel.tree import Call, Const, Entry, Ident, ListOf, MapOf, Message, Node, Select

LONGEST: Final = 100_000
"""Characters, as cel-go has it."""
DEEPEST: Final = 250
RESERVED: Final = frozenset((
    "as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let", "loop",
    "package", "namespace", "null", "return", "true", "var", "void", "while",
))  # fmt: skip
_STARTS: Final = ("'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, "
                  "IDENTIFIER")  # fmt: skip
_BINARY: Final = {
    "*": (3, "_*_"), "/": (3, "_/_"), "%": (3, "_%_"), "+": (2, "_+_"), "-": (2, "_-_"), "<": (1, "_<_"),
    "<=": (1, "_<=_"), ">=": (1, "_>=_"), ">": (1, "_>_"), "==": (1, "_==_"), "!=": (1, "_!=_"), "in": (1, "@in"),
}  # fmt: skip
_ARGUMENTS: Final = _STARTS.replace("'(',", "'(', ')',")
_INDEX: Final = _STARTS.replace("'!',", "'!', '?',")
_ELEMENTS: Final = _INDEX.replace("'{',", "']', '{',").replace("'-',", "',', '-',")
_ENTRIES: Final = _INDEX.replace("'(',", "'}', '(',").replace("'-',", "',', '-',")


def parse(text: str) -> Node:
    """Raises CompileError."""
    if len(text) > LONGEST:
        raise CompileError(text, [Issue(-1, f"expression code point size exceeds limit: size: {len(text)}, limit "
                                            f"{LONGEST}")])  # fmt: skip
    tokens, issues = lexing.tokens(text)
    parser = _Parser(tokens, issues)
    try:
        tree = parser.whole()
    except Stop:
        raise CompileError(text, issues) from None
    except RecursionError:
        raise CompileError(text, [Issue(-1, f"expression recursion limit exceeded: {DEEPEST}")]) from None
    if issues:
        raise CompileError(text, issues)
    return tree


class _Parser(Reader):
    def whole(self) -> Node:
        if self.token.kind == "end" and not self.token.at:
            self.issues.append(Issue(0, f"Syntax error: mismatched input '<EOF>' expecting {{{_STARTS}}}"))
            raise Stop
        node = self._expression()
        if self.token.kind != "end":
            kind = "mismatched" if self.next + 2 < len(self._tokens) else "extraneous"
            raise self.stop(f"{kind} input '{self.token.text}' expecting <EOF>")
        return node

    # --- operators

    def _expression(self) -> Node:
        self.depth += 1
        if self.depth > DEEPEST:
            raise RecursionError
        node = self._logical("||", "_||_")
        if question := self.take("?"):
            yes = self._logical("||", "_||_")
            self.expect(":")
            node = Call("_?_:_", [node, yes, self._expression()], at=question.at)
        self.depth -= 1
        return node

    def _logical(self, sign: str, function: str) -> Node:
        inner = self._and if sign == "||" else lambda: self._binary(1)
        terms, places = [inner()], []
        while token := self.take(sign):
            places.append(token.at)
            terms.append(inner())
        return _balanced(function, terms, places)

    def _and(self) -> Node:
        return self._logical("&&", "_&&_")

    def _binary(self, least: int) -> Node:
        """Of relations (1), sums (2) and products (3), from the left."""
        node, chain = self._unary(), 0
        while self.token.kind == "sign" and self.token.text in _BINARY:
            strength, function = _BINARY[self.token.text]
            if strength < least:
                break
            chain += 1
            if chain > DEEPEST:
                raise RecursionError
            at = self.token.at
            self.next += 1
            node = Call(function, [node, self._binary(strength + 1)], at=at)
        return node

    def _unary(self) -> Node:
        token = self.take("!", "-")
        if token is None:
            return self._member(self._primary())
        count, following = 1, self.token
        if token.text == "-" and not self.begins(following):
            shown = following.text.removesuffix("<EOF>")
            self.wrong(following.at, f"Syntax error: no viable alternative at input '-{shown}'")
        if token.text == "-" and following.kind in ("NUM_INT", "NUM_FLOAT"):
            self.next += 1
            return self._member(self._negative(token, following))
        while self.take(token.text):
            count += 1
        node = self._member(self._primary(always_extraneous=token.text == "!"))
        return Call("!_" if token.text == "!" else "-_", [node], at=token.at) if count % 2 else node

    def _negative(self, minus: Token, number: Token) -> Node:
        if number.kind == "NUM_FLOAT":
            return Const(-float(number.text), at=minus.at)
        value, wrong = lexing.integer(f"-{number.text}")
        if wrong:
            self.wrong(minus.at, wrong)
        return Const(value, at=minus.at)

    # --- what stands for itself

    def _member(self, node: Node) -> Node:
        chain = 0
        while token := self.take(".", "["):
            chain += 1
            if chain > DEEPEST:
                raise RecursionError
            optional = self.take("?") is not None
            node = self._field(node, token, optional) if token.text == "." else self._index(node, token, optional)
        return node

    def _index(self, node: Node, token: Token, optional: bool) -> Node:
        self.open.append("]")
        if not self.begins(self.token) and self.token.kind == "end":
            raise self.unexpected(f"{{{_STARTS if optional else _INDEX}}}")
        index = self._expression()
        self.close("]")
        return Call("_[?_]" if optional else "_[_]", [node, index], at=token.at)

    def _field(self, operand: Node, dot: Token, optional: bool) -> Node:
        token = self.token
        if token.kind not in ("IDENTIFIER", "ESC_IDENTIFIER"):
            raise self._no_field(token)
        name = token.text.strip("`")
        self.next += 1
        if optional:
            return Call("_?._", [operand, Const(name, at=token.at)], at=dot.at)
        opening = self.take("(") if token.kind == "IDENTIFIER" else None
        if opening is None:
            return Select(operand, name, at=dot.at)
        return self._called(Call(token.text, self._arguments(), operand, at=opening.at))

    def _no_field(self, token: Token) -> Stop:
        if token.text in ("true", "false", "null") and token.kind == "sign":
            return self.unexpected("IDENTIFIER")
        stop = self.stop(f"no viable alternative at input '.{token.text.removesuffix('<EOF>')}'")
        if token.text == "in" and self.following().kind == "end":
            self.next += 1
            return self.unexpected(f"{{{_STARTS}}}")
        return stop

    def _arguments(self) -> list[Node]:
        """After the opening parenthesis."""
        nodes: list[Node] = []
        if self.take(")"):
            return nodes
        self.open.append(")")
        if self.token.kind == "end":
            raise self.unexpected(f"{{{_ARGUMENTS}}}")
        nodes.append(self._expression())
        while self.take(","):
            nodes.append(self._expression())
        self.close(")")
        return nodes

    def _called(self, call: Call) -> Node:
        try:
            return macros.expanded(call)
        except macros.Wrong as wrong:
            self.wrong(wrong.at, str(wrong))
            return call

    def _primary(self, *, always_extraneous: bool = False) -> Node:
        token = self.token
        if not self.begins(token):
            skipped = self.begins(self.following())
            if not skipped and not always_extraneous:
                raise self.unexpected(f"{{{_STARTS}}}")
            stop = self.stop(f"extraneous input '{token.text}' expecting {{{_STARTS}}}")
            if not skipped:
                raise stop
            self.next += 1
            token = self.token
        if token.kind in ("NUM_INT", "NUM_UINT", "NUM_FLOAT", "STRING", "BYTES"):
            self.next += 1
            value, wrong = lexing.literal(token)
            if wrong:
                self.wrong(token.at, wrong)
            return Const(value, at=token.at)
        if word := self.take("true", "false", "null"):
            return Const(None if word.text == "null" else word.text == "true", at=word.at)
        if self.take("("):
            self.open.append(")")
            node = self._expression()
            self.close(")")
            return node
        if opening := self.take("["):
            return self._list(opening)
        if opening := self.take("{"):
            return MapOf(self._entries(named=False), at=opening.at)
        return self._named()

    def _named(self) -> Node:
        dot = self.take(".")
        token = self.token
        if token.kind != "IDENTIFIER":
            raise self.unexpected(f"{{{_STARTS}}}")
        self.next += 1
        name = f".{token.text}" if dot else token.text
        if message := self._message(name):
            return message
        if token.text in RESERVED:
            self.wrong(token.at, f"reserved identifier: {token.text}")
        if opening := self.take("("):
            return self._called(Call(name, self._arguments(), at=opening.at))
        return Ident(name, at=token.at)

    def _message(self, name: str) -> Node | None:
        """Where `{` follows a name of one or several parts."""
        ahead = self.next
        while self._tokens[ahead].text == "." and self._tokens[ahead + 1].kind == "IDENTIFIER":
            ahead += 2
        opening = self._tokens[ahead]
        if opening.kind != "sign" or opening.text != "{":
            return None
        parts = [self._tokens[index].text for index in range(self.next + 1, ahead, 2)]
        self.next = ahead + 1
        return Message(".".join([name, *parts]), self._entries(named=True), at=opening.at)

    def _list(self, opening: Token) -> Node:
        elements: list[Node] = []
        optional: set[int] = set()
        self.open.append("]")
        if self.token.kind == "end":
            raise self.unexpected(f"{{{_ELEMENTS}}}")
        while not self.take("]"):
            if elements:
                if self.expect("]", ",").text == "]":
                    break
                if not self.begins(self.token) and not self.at_sign("?"):
                    self.close("]")
                    return ListOf(elements, frozenset(optional), at=opening.at)
            if self.take("?"):
                optional.add(len(elements))
            elements.append(self._expression())
        self.open.pop()
        return ListOf(elements, frozenset(optional), at=opening.at)

    def _entries(self, *, named: bool) -> list[Entry]:
        entries: list[Entry] = []
        self.open.append("}")
        if self.token.kind == "end" and not named:
            raise self.unexpected(f"{{{_ENTRIES}}}")
        while not self.take("}"):
            if entries and (self.expect("}", ",").text == "}" or self.take("}")):
                break
            entries.append(self._entry(named=named))
        self.open.pop()
        return entries

    def _entry(self, *, named: bool) -> Entry:
        optional = self.take("?") is not None
        key, name = None, ""
        if not named:
            key = self._expression()
        elif self.token.kind in ("IDENTIFIER", "ESC_IDENTIFIER"):
            name = self.token.text.strip("`")
            self.next += 1
        else:
            raise self.unexpected("{'}', ',', '?', IDENTIFIER, ESC_IDENTIFIER}")
        colon = self.expect(":")
        return Entry(colon.at, key, name, self._expression(), optional)


def _balanced(function: str, terms: list[Node], places: list[int]) -> Node:
    """cel-go makes a balanced tree of a chain."""
    if not places:
        return terms[0]
    middle = len(places) // 2
    left = _balanced(function, terms[: middle + 1], places[:middle])
    right = _balanced(function, terms[middle + 1 :], places[middle + 1 :])
    return Call(function, [left, right], at=places[middle])
