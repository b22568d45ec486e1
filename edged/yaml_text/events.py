"""The parser's events, and where a text stands: libyaml's, or those of scanner.py where libyaml reads otherwise."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from edged.records import dataclass
from edged.yaml_text.scalars import YamlError

if TYPE_CHECKING:
    from yaml.events import Event, ScalarEvent


@dataclass(frozen=True, slots=True)
class Source:
    """Where a text is from, for messages."""

    what: str
    document: int = 0
    """0: the text is one document."""
    lines_before: int = 0

    def refused(self, line: int | None, problem: str) -> YamlError:
        return YamlError(self.message(line, problem))

    def message(self, line: int | None, problem: str) -> str:
        numbers = (("document", self.document), ("line", line))
        places = ", ".join(f"{name} {number}" for name, number in numbers if number)
        return ": ".join(part for part in (self.what, "not valid YAML", places, problem) if part)


def from_events(content: bytes, source: Source, read: Callable[[Events], Any], most_careful: int | None = None) -> Any:
    """`most_careful`: bytes that the slow parser may read; None: any number."""
    try:
        return read(Events(content, source, most_careful=most_careful))
    except ReadsOtherwise:
        return read(Events(content, source, careful=True, most_careful=most_careful))


class Events:
    """The parser's events, with errors of our own. The kinds of events are looked up once."""

    def __init__(
        self, content: bytes, source: Source, *, careful: bool = False, most_careful: int | None = None
    ) -> None:
        import yaml
        from yaml import events

        self.scalar, self.alias = events.ScalarEvent, events.AliasEvent
        self.mapping, self.mapping_end = events.MappingStartEvent, events.MappingEndEvent
        self.sequence, self.sequence_end = events.SequenceStartEvent, events.SequenceEndEvent
        self.document, self.document_end = events.DocumentStartEvent, events.DocumentEndEvent
        self.errors: tuple[type[Exception], ...] = (yaml.YAMLError, UnicodeError)
        self._source = source
        self.careful = careful or not yaml.__with_libyaml__ or _ELSEWHERE.search(content) is not None
        if self.careful and most_careful is not None and len(content) > most_careful:
            raise source.refused(
                None, f"a text of {len(content)} bytes with rare YAML in it; {most_careful} are read of such a text"
            )
        self.text = "" if self.careful or b"\\/" not in content else content.decode(errors="replace")
        """The whole text, if it has escaped slashes that matter."""
        try:
            self.next: Callable[[], Event | None] = _parser(content, careful=self.careful)
        except self.errors as error:
            raise self.refused(error) from None

    def take(self) -> Event | None:
        """None at the end."""
        try:
            return self.next()
        except self.errors as error:
            raise self.refused(error) from None

    def another(self) -> bool:
        """Whether there is one more document; its first event is then the next one."""
        while (event := self.take()) is not None:
            if event.__class__ is self.document:
                return True
        return False

    def skip(self) -> None:
        """The next document is read and forgotten."""
        anchors = set[str]()
        while (event := self.take()).__class__ is not self.document_end:
            if event.__class__ is self.alias and event.anchor not in anchors:
                raise self.problem(event, f"unknown anchor '{event.anchor}' referenced")
            anchors.add(getattr(event, "anchor", ""))

    def problem(self, event: Event, text: str) -> YamlError:
        return self._source.refused(self.line(event), text)

    def line(self, event: Event) -> int:
        assert event.start_mark is not None
        return int(event.start_mark.line) + 1 + self._source.lines_before

    def refused(self, error: Exception) -> YamlError:
        """The parser's own errors, in its words."""
        if not self.careful and getattr(error, "problem", None) in _OTHER_REFUSALS:
            raise ReadsOtherwise from None
        mark = getattr(error, "problem_mark", None)
        said = [str(part) for part in (getattr(error, "problem", None), getattr(error, "context", None)) if part]
        line = None if mark is None else int(mark.line) + 1 + self._source.lines_before
        return self._source.refused(line, ", ".join(said) or " ".join(str(error).split()))


class ReadsOtherwise(Exception):
    """libyaml takes a text that Kubernetes' programs refuse or read in another way, or the other way round."""


_ELSEWHERE: Final = re.compile(rb"(?:^|\r|\xc2\x85|\xe2\x80[\xa8\xa9])(?:%YAML|\xef\xbb\xbf)", re.MULTILINE)
"""libyaml takes other versions than 1.1, and skips a byte order mark at the begin of any line."""
_OTHER_REFUSALS: Final = (
    "found unexpected ':'", "found unknown escape character", "did not find expected whitespace or line break",
)  # fmt: skip
"""What libyaml refuses and they may take."""
_ESCAPED_SLASH: Final = re.compile(r"(?<!\\)(?:\\\\)*\\/")
"""In double quotes libyaml takes it and they refuse it."""


def _parser(content: bytes, *, careful: bool) -> Callable[[], Event | None]:
    if careful:
        from edged.yaml_text.scanner import GoParser

        return GoParser(content).get_event
    from yaml._yaml import CParser

    return CParser(content).get_event


def is_scalar_read_otherwise(event: ScalarEvent, inside: Event | None, text: str) -> bool:
    """Of a scalar of libyaml. `text` is the whole text, if it has escaped slashes."""
    if event.style == '"':
        if not text or event.start_mark is None or event.end_mark is None:
            return False
        return _ESCAPED_SLASH.search(text, event.start_mark.index, event.end_mark.index) is not None
    if inside is None or not getattr(inside, "flow_style", False):
        return False
    return bool(event.tag) if not event.value else not event.style and "?" in event.value
