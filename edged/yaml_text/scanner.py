"""A parser of YAML in Python that takes and refuses the same texts as the parser of Kubernetes' programs.

It is PyYAML's own, with the rules of Go's YAML library where they differ: tabs, `?` and `:` in flow style, escapes,
directives, byte order marks. events.py uses it where libyaml is missing, and for the few texts that libyaml
reads in another way. It is slow: libyaml takes a hundredth of its time.
"""

from __future__ import annotations

from typing import Any, Final

from yaml.error import Mark
from yaml.parser import Parser, ParserError
from yaml.reader import Reader
from yaml.scanner import Scanner, ScannerError
from yaml.tokens import DirectiveToken, ScalarToken, TagToken

_BREAKS: Final = "\r\n\x85\u2028\u2029"
_BLANKS: Final = " \t"
_ENDS: Final = "\0" + _BLANKS + _BREAKS


class GoParser(Reader, Scanner, Parser):
    """`get_event` gives the events of a text in UTF-8, one after the other, and None at the end."""

    ESCAPE_REPLACEMENTS = {  # type: ignore[misc]  # noqa: RUF012 - PyYAML's own constant
        **{key: value for key, value in Scanner.ESCAPE_REPLACEMENTS.items() if key != "/"},
        "'": "'",
    }

    def __init__(self, content: bytes) -> None:
        Reader.__init__(self, content)
        Scanner.__init__(self)
        Parser.__init__(self)

    def scan_to_next_token(self) -> None:
        """Tabs are blanks but where a key of a block could begin."""
        if self.index == 0 and self.peek() == "\ufeff":
            self.forward()
        while True:
            blanks = " " if self.allow_simple_key and not self.flow_level else _BLANKS
            while self.peek() in blanks:
                self.forward()
            if self.peek() == "#":
                while self.peek() not in "\0" + _BREAKS:
                    self.forward()
            if not self._line_break():
                return
            if not self.flow_level:
                self.allow_simple_key = True

    def _line_break(self) -> str:
        """The line break that is taken; empty if there is none."""
        return str(super().scan_line_break())  # type: ignore[no-untyped-call]

    def scan_directive(self) -> DirectiveToken:
        token: DirectiveToken = super().scan_directive()
        if token.name not in ("YAML", "TAG"):
            raise ScannerError("while scanning a directive", token.start_mark, "found unknown directive name",
                               token.start_mark)  # fmt: skip
        return token

    def process_directives(self) -> Any:
        start = self.get_mark()
        found = super().process_directives()  # type: ignore[no-untyped-call]
        if self.yaml_version not in (None, (1, 1)):
            raise ParserError(None, None, "found incompatible YAML document", start)
        return found

    def scan_tag(self) -> TagToken:
        """A tab may follow a tag: it stands for a blank."""
        length = 1
        while self.peek(length) not in _ENDS:
            length += 1
        if self.peek(length) == "\t":
            at = self.pointer + length
            self.buffer = self.buffer[:at] + " " + self.buffer[at + 1 :]
        length = 1
        while self.peek(length).isascii() and (self.peek(length).isalnum() or self.peek(length) in "-_"):
            length += 1
        if self.peek(length) in "<!" + _ENDS:
            token: TagToken = super().scan_tag()
            return token
        return self._tag_without_handle()

    def _tag_without_handle(self) -> TagToken:
        """Where a handle does not end in `!`, later ones belong to the tag."""
        start = self.get_mark()
        self.forward()
        suffix = self.scan_tag_uri("tag", start)
        if self.peek() not in _ENDS:
            raise ScannerError("while scanning a tag", start, "did not find expected whitespace or line break",
                               self.get_mark())  # fmt: skip
        return TagToken(("!", suffix), start, self.get_mark())

    def scan_plain(self) -> ScalarToken:
        """In flow style `?` ends it, and a colon only where a blank follows."""
        chunks: list[str] = []
        between: list[str] = []
        start = end = self.get_mark()
        indent = self.indent + 1
        broken = False
        while not self._at_document_indicator() and self.peek() != "#":
            length = self._length_of_plain()
            if length:
                chunks += (*between, self.prefix(length))
                self.forward(length)
                end, broken = self.get_mark(), False
            if self.peek() not in _BLANKS + _BREAKS:
                break
            between, broken = self._blanks_of_plain(start, indent)
            if not self.flow_level and self.column < indent:
                break
        if broken:
            self.allow_simple_key = True
        return ScalarToken("".join(chunks), True, start, end)

    def _at_document_indicator(self) -> bool:
        return self.column == 0 and self.prefix(3) in ("---", "...") and self.peek(3) in _ENDS

    def _length_of_plain(self) -> int:
        length = 0
        while (character := self.peek(length)) not in _ENDS:
            if character == ":" and self.peek(length + 1) in _ENDS:
                break
            if self.flow_level and character in ",?[]{}":
                break
            length += 1
        return length

    def _blanks_of_plain(self, start: Mark, indent: int) -> tuple[list[str], bool]:
        """What stands for blanks and line breaks if text follows; whether there was a break."""
        blanks, breaks = "", list[str]()
        while self.peek() in _BLANKS + _BREAKS:
            if self.peek() in _BREAKS:
                breaks.append(self._line_break())
                continue
            if breaks and self.column < indent and self.peek() == "\t":
                raise ScannerError("while scanning a plain scalar", start,
                                   "found a tab character that violates indentation", self.get_mark())  # fmt: skip
            blanks += self.peek()
            self.forward()
        if not breaks:
            return [blanks], False
        first, *others = breaks
        return ([first] if first != "\n" else [] if others else [" "]) + others, True

    def scan_flow_scalar(self, style: str) -> ScalarToken:
        start = self.get_mark()
        try:
            token: ScalarToken = super().scan_flow_scalar(style)
            token.value.encode()
        except (ValueError, OverflowError):
            raise ScannerError("while parsing a quoted scalar", start,
                               "found invalid Unicode character escape code", start) from None  # fmt: skip
        return token

    def scan_block_scalar_indicators(self, start_mark: Mark) -> tuple[bool | None, int | None]:
        chomping: bool | None = None
        increment: int | None = None
        for _ in range(2):
            character = self.peek()
            if character in "+-" and chomping is None:
                chomping = character == "+"
            elif character in "0123456789" and increment is None:
                increment = int(character)
            else:
                break
            self.forward()
        if increment == 0:
            raise ScannerError("while scanning a block scalar", start_mark,
                               "found an indentation indicator equal to 0", self.get_mark())  # fmt: skip
        return chomping, increment

    def scan_block_scalar_ignored_line(self, start_mark: Mark) -> Any:
        while self.peek() in _BLANKS:
            self.forward()
        return super().scan_block_scalar_ignored_line(start_mark)

    def scan_block_scalar_indentation(self) -> Any:
        found = super().scan_block_scalar_indentation()
        self._refuse_tab()
        return found

    def scan_block_scalar_breaks(self, indent: int) -> Any:
        found = super().scan_block_scalar_breaks(indent)
        if self.column < indent:
            self._refuse_tab()
        return found

    def _refuse_tab(self) -> None:
        if self.peek() == "\t":
            raise ScannerError("while scanning a block scalar", self.get_mark(),
                               "found a tab character where an indentation space is expected",
                               self.get_mark())  # fmt: skip
