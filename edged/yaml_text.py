"""Reading and writing YAML: the only file that does it, so that every command and file is read as kubectl reads it.

Values are those that edged/json_text.py makes of the JSON that sigs.k8s.io/yaml, the library of Kubernetes' programs,
makes of the text. So `y` and `off` are booleans, `1e3` is 1000, `52:54:00:12:34:56`, `=` and dates are text, and keys
are text whatever they were. Values are built from the parser's events (libyaml's, or PyYAML's where that is missing).

`load` reads one document as Kubernetes' programs read configuration, `documents` a file as kubectl reads it, `dumps`
writes. What OPA reads differently is in `OPA`. Everything raises YamlError, an EdgedError: what, line, problem.
Limits: `most` bytes, MOST_DEPTH levels, and those of Kubernetes' library on what aliases may add to a document.
PyYAML is imported at the first use.
"""

from __future__ import annotations

import base64
import codecs
import math
import re
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from edged import json_text
from edged.errors import EdgedError
from edged.json_text import JsonError

if TYPE_CHECKING:
    from yaml.events import AliasEvent, Event, ScalarEvent

MOST_BYTES: Final = 256 << 20
MOST_DEPTH: Final = 900
"""Levels of lists and mappings. libyaml and the reader of JSON end soon after it."""


class YamlError(EdgedError, ValueError):
    """A text that is not YAML, or that has no JSON form."""


class DuplicateKeys(YamlError):
    """A strictly read document has keys twice: `found` has (line, key) of each further one."""

    def __init__(self, message: str, found: tuple[tuple[int, str], ...]) -> None:
        super().__init__(message)
        self.found = found


@dataclass(frozen=True, slots=True)
class Rules:
    """Where readers of YAML differ."""

    words: Mapping[str, bool | float | None]
    """Plain scalars that stand for themselves."""
    signed: Mapping[str, int]
    """Prefixes after which a sign may stand, with their base."""
    merges_override: bool
    """Whether `<<` replaces keys that stand before it; otherwise a mapping's own keys win."""
    unsigned_keys: bool
    """Whether integers of more than 63 bits can be keys."""
    whole_stream: bool
    """Whether what follows the first document must be YAML, too."""


_WORDS: Final[dict[str, bool | float | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
_WORDS_OF_YAML_1_1: Final = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "off", "Off", "OFF"), False),
}
KUBERNETES: Final = Rules(
    _WORDS | _WORDS_OF_YAML_1_1, {"0b": 2}, merges_override=True, unsigned_keys=False, whole_stream=False
)
"""Those of sigs.k8s.io/yaml, which stands on version 2 of Go's YAML library."""
OPA: Final = Rules(_WORDS, {"0b": 2, "0o": 8}, merges_override=False, unsigned_keys=True, whole_stream=True)
"""Those of `yaml.unmarshal` in OPA, which stands on version 3."""


def load(
    text: bytes | str, *, what: str = "", strict: bool = False, rules: Rules = KUBERNETES, most: int = MOST_BYTES
) -> Any:
    """The first document of a text; None if there is none. `strict`: keys that are there twice raise DuplicateKeys,
    otherwise the last one counts. `what` says in messages what could not be read."""
    return _read(_utf8(text, what, most), _Source(what), rules, strict=strict)


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file."""

    value: Any
    where: str
    """`what` and the document's number, for messages."""


def documents(content: bytes | str, *, what: str = "", most: int = MOST_BYTES) -> Iterator[Document]:
    """The documents of a file that are not null, as kubectl reads them.

    JSON is read as JSON, also several values one after the other. In YAML a line that begins with `---` and holds
    nothing else but a comment ends a document; what follows a line `...` within one is not read.
    """
    text = _utf8(content, what, most)
    begin, number = 0, 0
    if text.lstrip()[:1] in (b"{", b"["):
        try:
            yield Document(json_text.loads(text, most=most), what)
            return
        except JsonError:
            values, begin = _leading_json(text, what)
        for value in values:
            number += 1
            if value is not None:
                yield Document(value, _numbered(what, number))
    for piece in _pieces(text, begin, what):
        number += 1
        source = _Source(what, number, text.count(b"\n", 0, piece.start))
        value = _read(_ended(text[piece]), source, KUBERNETES)
        if value is not None:
            yield Document(value, _numbered(what, number))


def _leading_json(text: bytes, what: str) -> tuple[list[Any], int]:
    """The objects in JSON that a file begins with, and where YAML begins: at most one object stands before YAML."""
    if not text.lstrip().startswith(b"{"):
        return [], 0
    values: list[Any] = []
    characters, end = text.decode(errors="surrogateescape"), 0
    while end < len(characters):
        try:
            value, end = json_text.leading(characters, end)
            values.append(value)
        except JsonError as error:
            if len(values) > 1:
                raise YamlError(f"{_numbered(what, len(values) + 1)}: not valid JSON: {error}") from None
            break
    return values, len(characters[:end].encode(errors="surrogateescape"))


def _numbered(what: str, number: int) -> str:
    return f"{what}: document {number}" if what else f"document {number}"


_SEPARATOR: Final = re.compile(rb"^---([^\n]*)(?:\n|\Z)", re.MULTILINE)


def _pieces(text: bytes, begin: int, what: str) -> Iterator[slice]:
    """The documents from `begin` on."""
    for match in _SEPARATOR.finditer(text, begin):
        rest = match[1].decode(errors="replace").strip()
        if rest and not rest.startswith("#"):
            line = text.count(b"\n", 0, match.start()) + 1
            raise _Source(what).refused(line, f"'---' is followed by {rest[:40]!r}; begin it on the next line")
        if match.start() > begin:
            yield slice(begin, match.start())
            begin = match.end()
    if begin < len(text):
        yield slice(begin, len(text))


def _ended(piece: bytes) -> bytes:
    return piece if piece.endswith(b"\n") else piece + b"\n"


def tag_of(text: bytes | str, *, what: str = "", most: int = MOST_BYTES) -> str | None:
    """The tag of the first document, as it is written but for `!!`; None without one."""
    found: str | None = _from_events(_utf8(text, what, most), _Source(what), _tag)
    return found


def _tag(events: _Events) -> str | None:
    return getattr(events.take() if events.another() else None, "tag", None)


Path = tuple[str | int, ...]


def lines(text: bytes | str, *, what: str = "", most: int = MOST_BYTES) -> dict[Path, int]:
    """Path of each value of the first document -> the line it begins in, in mappings that of its key."""
    found: dict[Path, int] = _from_events(_utf8(text, what, most), _Source(what), _lines)
    return found


def _lines(events: _Events) -> dict[Path, int]:
    found: dict[Path, int] = {}
    inside: list[_Inside] = []
    more = events.another()
    while more and (event := events.take()) is not None and event.__class__ is not events.document_end:
        if event.__class__ in (events.mapping_end, events.sequence_end):
            inside.pop()
            continue
        line = events.line(event)
        if inside and inside[-1].names(event, line):
            continue
        path, line = inside[-1].next(line) if inside else ((), 1)
        found[path] = line
        if event.__class__ in (events.mapping, events.sequence):
            inside.append(_Inside(path, event.__class__ is events.mapping))
    return found


@dataclass(slots=True)
class _Inside:
    """A list or mapping that is being read."""

    path: Path
    is_mapping: bool
    key: tuple[str, int] | None = None
    count: int = 0

    def names(self, event: Any, line: int) -> bool:
        """Whether this is a key."""
        if not self.is_mapping or self.key is not None:
            return False
        self.key = getattr(event, "value", event.anchor), line
        return True

    def next(self, line: int) -> tuple[Path, int]:
        """Path and line of the value that begins in `line`."""
        if self.key is None:
            self.count += 1
            return (*self.path, self.count - 1), line
        (key, line), self.key = self.key, None
        return (*self.path, key), line


def _utf8(text: bytes | str, what: str, most: int) -> bytes:
    """UTF-8 without a byte order mark."""
    if len(text) > most:
        raise YamlError(f"{what}: larger than {most} bytes".removeprefix(": "))
    try:
        if isinstance(text, str):
            text = text.encode()
        elif text.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            text = text.decode("utf-16").encode()
    except UnicodeError as error:
        raise _Source(what).refused(None, str(error)) from None
    return text.removeprefix(codecs.BOM_UTF8)


@dataclass(frozen=True, slots=True)
class _Source:
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


def _read(content: bytes, source: _Source, rules: Rules, *, strict: bool = False) -> Any:
    return _from_events(content, source, lambda events: _value_of(events, source, rules, strict=strict))


def _from_events(content: bytes, source: _Source, read: Callable[[_Events], Any]) -> Any:
    try:
        return read(_Events(content, source))
    except _ReadsOtherwise:
        return read(_Events(content, source, careful=True))


def _value_of(events: _Events, source: _Source, rules: Rules, *, strict: bool) -> Any:
    builder = _Builder(events, rules)
    value = builder.document() if events.another() else None
    if rules.whole_stream:
        while events.another():
            events.skip()
    if strict and builder.duplicates:
        line, key = builder.duplicates[0]
        message = source.message(line, f'key "{key}" already set in map; remove one of the two')
        raise DuplicateKeys(message, tuple(builder.duplicates))
    return value


# --- events


class _Events:
    """The parser's events, with errors of our own. The kinds of events are looked up once."""

    def __init__(self, content: bytes, source: _Source, *, careful: bool = False) -> None:
        import yaml
        from yaml import events

        self.scalar, self.alias = events.ScalarEvent, events.AliasEvent
        self.mapping, self.mapping_end = events.MappingStartEvent, events.MappingEndEvent
        self.sequence, self.sequence_end = events.SequenceStartEvent, events.SequenceEndEvent
        self.document, self.document_end = events.DocumentStartEvent, events.DocumentEndEvent
        self.errors: tuple[type[Exception], ...] = (yaml.YAMLError, UnicodeError)
        self._source = source
        self.careful = careful or not yaml.__with_libyaml__ or _ELSEWHERE.search(content) is not None
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
        while self.take().__class__ is not self.document_end:
            pass

    def problem(self, event: Event, text: str) -> YamlError:
        return self._source.refused(self.line(event), text)

    def line(self, event: Event) -> int:
        assert event.start_mark is not None
        return int(event.start_mark.line) + 1 + self._source.lines_before

    def refused(self, error: Exception) -> YamlError:
        """The parser's own errors, in its words."""
        if not self.careful and getattr(error, "problem", None) in _OTHER_REFUSALS:
            raise _ReadsOtherwise from None
        mark = getattr(error, "problem_mark", None)
        said = [str(part) for part in (getattr(error, "problem", None), getattr(error, "context", None)) if part]
        line = None if mark is None else int(mark.line) + 1 + self._source.lines_before
        return self._source.refused(line, ", ".join(said) or " ".join(str(error).split()))


class _ReadsOtherwise(Exception):
    """libyaml takes a text that Kubernetes' programs refuse or read in another way, or the other way round."""


_ELSEWHERE: Final = re.compile(rb"(?:^|\r|\xc2\x85|\xe2\x80[\xa8\xa9])(?:%YAML|\xef\xbb\xbf)", re.MULTILINE)
"""libyaml takes other versions than 1.1, and skips a byte order mark at the begin of any line."""
_OTHER_REFUSALS: Final = ("found unexpected ':'", "found unknown escape character")
"""What libyaml refuses and they may take."""
_ESCAPED_SLASH: Final = re.compile(r"(?<!\\)(?:\\\\)*\\/")
"""In double quotes libyaml takes it and they refuse it."""


def _parser(content: bytes, *, careful: bool) -> Callable[[], Event | None]:
    if careful:
        from edged.yaml_scanner import GoParser

        return GoParser(content).get_event
    from yaml._yaml import CParser

    return CParser(content).get_event


def _is_scalar_read_otherwise(event: ScalarEvent, inside: Event | None, text: str) -> bool:
    """Of a scalar of libyaml. `text` is the whole text, if it has escaped slashes."""
    if event.style == '"':
        if not text or event.start_mark is None or event.end_mark is None:
            return False
        return _ESCAPED_SLASH.search(text, event.start_mark.index, event.end_mark.index) is not None
    if inside is None or not getattr(inside, "flow_style", False):
        return False
    return bool(event.tag) if not event.value else not event.style and "?" in event.value


# --- values


class _Merge(str):
    """The key of a merge."""

    __slots__ = ()


_MERGE: Final = _Merge("<<")
_ABSENT: Final = object()


@dataclass(frozen=True, slots=True, eq=False)
class _NoJson:
    error: YamlError


def _check_json(value: Any) -> None:
    """Raises the error of what has no JSON form."""
    pending = [value]
    while pending:
        part = pending.pop()
        if isinstance(part, _NoJson):
            raise part.error
        if isinstance(part, dict):
            pending += (*part.values(), *(key for key in part if not isinstance(key, str)))
        elif isinstance(part, list):
            pending += part


@dataclass(slots=True)
class _Anchor:
    """An anchored node. Of a scalar the event is kept, because as a key it may read differently."""

    scalar: ScalarEvent | None = None
    value: Any = None
    size: int = 0
    """How many values it has, those of its aliases included; 0 while it is being read."""


class _Builder:
    """Makes the value of a document.

    Kubernetes' library bounds what aliases may add by two counts, which are kept here: values in all, and those that
    aliases stand for. Such a value is a copy, so that whoever fills in one place does not change another.
    """

    def __init__(self, events: _Events, rules: Rules) -> None:
        self._events, self._rules = events, rules
        self._values: dict[str, Any] = {}
        self._keys: dict[str, str] = {"<<": _MERGE}
        self._anchors: dict[str, _Anchor] = {}
        self._late: dict[int, list[dict[str, Any]]] = {}
        self._aliased = 0
        self._no_json = False
        self.duplicates: list[tuple[int, str]] = []

    def document(self) -> Any:
        try:
            value = self._document()
        except self._events.errors as error:
            raise self._events.refused(error) from None
        if self._no_json:
            _check_json(value)
        return value

    def _document(self) -> Any:  # the only code that runs for each event: what is rare is elsewhere
        events, take, values, keys = self._events, self._events.next, self._values, self._keys
        scalar, mapping, mapping_end = events.scalar, events.mapping, events.mapping_end
        sequence, sequence_end, alias = events.sequence, events.sequence_end, events.alias
        stack: list[tuple[Any, str | None, _Anchor | None, int, Event]] = []
        into: Any = []
        key: str | None = None
        in_mapping, count = False, 1
        while True:
            event: Any = take()
            kind = event.__class__
            if kind is scalar:
                count += 1
                if in_mapping and key is None:
                    if event.tag or event.anchor or not event.implicit[0] or (key := keys.get(event.value)) is None:
                        key = self._key(event, stack[-1][4])
                    count -= key is _MERGE
                    continue
                value = values.get(event.value, _ABSENT) if event.implicit[0] else _ABSENT
                if value is _ABSENT or event.tag or event.anchor:
                    value = self._value(event, stack[-1][4] if stack else None)
            elif kind is mapping or kind is sequence:
                if (in_mapping and key is None) or len(stack) == MOST_DEPTH:
                    raise self._misplaced(event, len(stack))
                stack.append((into, key, self._opened(event), count, event))
                in_mapping = kind is mapping
                count += in_mapping or key is not _MERGE
                into, key = {} if in_mapping else [], None
                continue
            elif kind is mapping_end or kind is sequence_end:
                value = self._closed(into) if self._late else into
                into, key, anchor, before, event = stack.pop()
                in_mapping = into.__class__ is dict
                if anchor is not None:
                    anchor.value, anchor.size = value, count - before
            elif kind is alias:
                count += 1
                if in_mapping and key is None:
                    anchor = self._anchor(event, count)
                    key = self._key_text(anchor.scalar, event)
                    count += 1
                    continue
                anchor = self._anchor(event, count)
                value = self._copied(anchor.value, event, len(stack))
                count += anchor.size
            else:
                self._bounded(event, count)
                return into[0]
            if not in_mapping:
                into.append(value)
            elif key is _MERGE:
                self._merge(into, value, event)
                key = None
            else:
                if key in into:
                    self.duplicates.append((events.line(event), str(key)))
                into[key] = value
                key = None

    # What is rare.

    def _misplaced(self, event: Event, depth: int) -> YamlError:
        if depth == MOST_DEPTH:
            return self._events.problem(event, f"nested deeper than {MOST_DEPTH} levels")
        return self._events.problem(event, "a list or a mapping cannot be a key")

    def _opened(self, event: Any) -> _Anchor | None:
        """The anchor of a list or mapping that begins."""
        if event.anchor is None:
            return None
        anchor = self._anchors[event.anchor] = _Anchor()
        return anchor

    def _closed(self, into: Any) -> Any:
        """A list or mapping that ends: now its merges count, where they do not replace its own keys."""
        for source in self._late.pop(id(into), ()):
            for key, value in source.items():
                into.setdefault(key, value)
        return into

    def _value(self, event: ScalarEvent, inside: Event | None) -> Any:
        """A scalar's value, remembered if it depends on the text alone. `inside` began the list or mapping."""
        self._check_scalar(event, inside)
        value = self._json(event)
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchor(event, value, 1)
        elif event.tag is None and event.implicit[0] and "?" not in event.value:
            self._values[event.value] = value
        return value

    def _key(self, event: ScalarEvent, inside: Event | None) -> str:
        self._check_scalar(event, inside)
        key = self._key_text(event, event)
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchor(event, self._json(event), 1)
        elif event.tag is None and event.implicit[0] and "?" not in event.value:
            self._keys[event.value] = key
        return key

    def _check_scalar(self, event: ScalarEvent, inside: Event | None) -> None:
        if not self._events.careful and _is_scalar_read_otherwise(event, inside, self._events.text):
            raise _ReadsOtherwise

    def _json(self, event: ScalarEvent) -> Any:
        value = self._resolved(event)
        if value.__class__ is not float:
            return value
        if not math.isfinite(value):
            return self._without_json(event, f"JSON has no number {event.value}")
        return _number_of_json(value)

    def _without_json(self, event: Event, problem: str) -> _NoJson:
        """Stands for a value or key that JSON does not have, until it is known whether a later key replaces it."""
        self._no_json = True
        return _NoJson(self._events.problem(event, problem))

    def _key_text(self, scalar: ScalarEvent | None, event: Event) -> str:
        """What `scalar` is as a key; `event` is where it is used."""
        if scalar is None:
            raise self._misplaced(event, 0)
        if scalar.value == "<<" and (scalar.implicit[0] or scalar.tag in ("!", _PREFIX + "merge")) and scalar is event:
            return _MERGE
        value = self._resolved(scalar)
        if value is None or (not self._rules.unsigned_keys and value.__class__ is int and value >> 63 > 0):
            shown = "null" if value is None else value
            return self._without_json(event, f"{shown} cannot be a key; quote it")  # type: ignore[return-value]
        return value if isinstance(value, str) else _text_of_key(value)

    def _resolved(self, event: ScalarEvent) -> Any:
        if event.tag is None:
            return _plain(event.value, self._rules) if event.implicit[0] else event.value
        if event.tag == "!":
            return event.value
        try:
            return _tagged(event.tag, event.value, self._rules)
        except ValueError as error:
            raise self._events.problem(event, str(error)) from None

    def _anchor(self, event: AliasEvent, count: int) -> _Anchor:
        anchor = self._anchors.get(str(event.anchor))
        if anchor is None:
            raise self._events.problem(event, f"unknown anchor '{event.anchor}' referenced")
        if not anchor.size:
            raise self._events.problem(event, f"anchor '{event.anchor}' value contains itself")
        self._aliased += anchor.size
        self._bounded(event, count + anchor.size)
        return anchor

    def _bounded(self, event: Event, count: int) -> None:
        if self._aliased > 100 and count > 1000 and self._aliased / count > _most_aliased(count):
            raise self._events.problem(
                event, f"document contains excessive aliasing: {self._aliased} of {count} values are copies"
            )

    def _copied(self, value: Any, event: Event, depth: int) -> Any:
        """A copy, to be put below `depth` levels."""
        if not isinstance(value, dict | list):
            return value
        copied = value.copy()
        pending: list[tuple[Any, int]] = [(copied, depth + 1)]
        while pending:
            part, level = pending.pop()
            if level > MOST_DEPTH:
                raise self._misplaced(event, MOST_DEPTH)
            for place, item in part.items() if isinstance(part, dict) else enumerate(part):
                if isinstance(item, dict | list):
                    part[place] = inner = item.copy()
                    pending.append((inner, level + 1))
        return copied

    def _merge(self, into: dict[str, Any], value: Any, event: Event) -> None:
        sources = value if isinstance(value, list) and event.__class__ is not self._events.alias else [value]
        if not all(isinstance(source, dict) for source in sources):
            raise self._events.problem(event, "map merge requires map or sequence of maps as the value")
        if not self._rules.merges_override:
            self._late.setdefault(id(into), []).extend(sources)
            return
        for source in reversed(sources):
            self.duplicates += [(self._events.line(event), key) for key in source if key in into]
            into.update(source)


def _most_aliased(count: int) -> float:
    """The part of `count` values that may come from aliases: 99 % of few, 10 % of many. Kubernetes' library's."""
    return min(0.99, max(0.10, 0.99 - 0.89 * (count - 400_000) / 3_600_000))


# --- scalars

_PREFIX: Final = "tag:yaml.org,2002:"
_FIRST_OF_NUMBERS: Final = frozenset("+-0123456789")
_INTEGER: Final = re.compile(r"([-+]?)(?:0[bB]([01]+)|0[oO]([0-7]+)|0[xX]([0-9a-fA-F]+)|0([0-7]+)|(0|[1-9][0-9]*))")
_BASES: Final = (2, 8, 16, 8, 10)
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_FRACTION: Final = re.compile(r"\.[0-9](?:_?[0-9])*(?:[eE][-+]?[0-9](?:_?[0-9])*)?")
_DAY: Final = r"([0-9]{4})-(0?[1-9]|1[0-2])-([0-9]{1,2})"
_TIME: Final = r"(?:[01]?[0-9]|2[0-3]):[0-5]?[0-9]:[0-5]?[0-9](?:[.,][0-9]+)?"
_ZONE: Final = r"(?:Z|[-+](?:[01][0-9]|2[0-4]):(?:[0-5][0-9]|60))"
_TIMESTAMP: Final = re.compile(f"{_DAY}(?:[Tt]{_TIME}{_ZONE}| +{_TIME})?")


def _plain(text: str, rules: Rules) -> Any:
    """What a scalar without quotes and tag is; floats may be infinite or NaN."""
    if text in rules.words:
        return rules.words[text]
    if text[0] in _FIRST_OF_NUMBERS:
        return _number(text, rules)
    if text[0] == "." and _FRACTION.fullmatch(text):
        value = float(text)
        return text if math.isinf(value) else value
    return text


def _number(text: str, rules: Rules) -> int | float | str:
    plain = text.replace("_", "")
    if match := _INTEGER.fullmatch(plain):
        base, digits = next((base, digits) for base, digits in zip(_BASES, match.groups()[1:], strict=True) if digits)
        if (value := _integer(match[1], digits, base)) is not None:
            return value
    if _FLOAT.fullmatch(plain):
        number = float(plain)
        return text if math.isinf(number) else number
    for prefix, base in rules.signed.items():
        if plain.startswith(prefix) and (match := _SIGNED[base].fullmatch(plain, len(prefix))):
            value = _integer(match[1], match[2], base)
            return text if value is None else value
    return text


_SIGNED: Final = {2: re.compile("([-+])([01]+)"), 8: re.compile("([-+])([0-7]+)")}


def _integer(sign: str, digits: str, base: int) -> int | None:
    """None beyond 64 bits: an integer with a sign has 63."""
    if len(digits) > 4000:
        return None
    value = int(digits, base)
    if sign == "-":
        return -value if value <= 1 << 63 else None
    return value if value >> 64 == 0 and not (sign and value >> 63) else None


def _tagged(tag: str, text: str, rules: Rules) -> Any:
    """Raises ValueError for a text that is not what its tag says. Tags that nobody knows stand for text."""
    if not tag.startswith(_PREFIX):
        return text
    name = tag.removeprefix(_PREFIX)
    if name == "binary":
        return _binary(text)
    if name not in ("null", "bool", "int", "float", "timestamp"):
        return text
    if name == "timestamp":
        kind, value = ("timestamp" if _is_timestamp(text) else "str"), text
    else:
        value = _plain(text, rules)
        kind = _KINDS[type(value)]
    if name == "float" and isinstance(value, int) and kind == "int" and value >> 63 <= 0:
        return float(value)
    if kind != name:
        raise ValueError(f"cannot decode !!{kind} `{text}` as a !!{name}")
    return value


_KINDS: Final[dict[type, str]] = {type(None): "null", bool: "bool", int: "int", float: "float", str: "str"}


def _is_timestamp(text: str) -> bool:
    match = _TIMESTAMP.fullmatch(text)
    return match is not None and 1 <= int(match[3]) <= _days(int(match[1]), int(match[2]))


def _days(year: int, month: int) -> int:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


_BASE64: Final = re.compile("[A-Za-z0-9+/]*={0,2}")


def _binary(text: str) -> str:
    """What Go makes a JSON text of: U+FFFD for each byte that is not UTF-8. Raises ValueError."""
    digits = text.replace("\r", "").replace("\n", "")
    if len(digits) % 4 or not _BASE64.fullmatch(digits):
        raise ValueError("!!binary value contains invalid base64 data")
    return re.sub("[\udc80-\udcff]", "\ufffd", base64.b64decode(digits).decode("utf-8", "surrogateescape"))


def _number_of_json(value: float) -> int | float:
    """What is read of the JSON that Go writes: whole numbers have no point there."""
    if value.is_integer() and abs(value) < 1e21:
        whole = int(Decimal(repr(value)))
        if -(1 << 63) <= whole < 1 << 64:
            return whole
    return value


def _text_of_key(value: bool | int | float) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else _short(value)


def _short(value: float) -> str:
    """As Go writes a number of 32 bits ("%g")."""
    single = _single(value)
    if not math.isfinite(single):
        return ".nan" if math.isnan(single) else ".inf" if single > 0 else "-.inf"
    shown = (f"{single:.{places}e}" for places in range(9))
    shortest = next(text for text in shown if _single(float(text)) == single)
    exponent = int(shortest.partition("e")[2])
    return f"{Decimal(shortest):f}" if -4 <= exponent < 6 else shortest


def _single(value: float) -> float:
    """The nearest number of 32 bits."""
    try:
        (single,) = struct.unpack("f", struct.pack("f", value))
    except OverflowError:
        return math.copysign(math.inf, value)
    return float(single)


# --- writing


def dumps(value: object, *, sort: bool = False, indent_lists: bool = False) -> str:
    """The YAML of a JSON value, as kubectl writes it and reads it back. Raises YamlError.

    Text that kubectl, or a reader of YAML 1.1 or 1.2, would take for something else is quoted. Text of several lines
    stands as a block. `indent_lists`: lists stand further to the right than their keys, as OPA writes them.
    """
    out: list[str] = []
    writer = _Writer(out, sort=sort, list_indent="  " if indent_lists else "")
    if isinstance(value, dict) and value:
        writer.mapping(value, "", "")
    elif isinstance(value, list | tuple) and value:
        writer.sequence(value, "", "")
    else:
        out += (_scalar(value, ""), "\n")
    return "".join(out)


MOST_WRITTEN_DEPTH: Final = 254
"""Levels that are written; as many as in JSON."""


class _Writer:
    def __init__(self, out: list[str], *, sort: bool, list_indent: str) -> None:
        self._out, self._sort, self._list_indent = out, sort, list_indent
        self._level = 0

    def mapping(self, value: Mapping[Any, Any], indent: str, first: str) -> None:
        """`first` stands before the first line, `indent` before the others."""
        self._enter()
        before = first
        for key in sorted(value) if self._sort else value:
            item, text = value[key], _key_written(key)
            self._out += (before, "? ", text, "\n", indent) if len(text) > _MOST_OF_KEY else (before, text)
            self._out.append(":")
            before = indent
            if isinstance(item, dict) and item:
                self._out.append("\n")
                self.mapping(item, indent + "  ", indent + "  ")
            elif isinstance(item, list | tuple) and item:
                self._out.append("\n")
                self.sequence(item, indent + self._list_indent, indent + self._list_indent)
            else:
                self._out += (" ", _scalar(item, indent), "\n")
        self._level -= 1

    def sequence(self, value: list[Any] | tuple[Any, ...], indent: str, first: str) -> None:
        self._enter()
        before = first
        for item in value:
            self._out += (before, "- ")
            before = indent
            if isinstance(item, dict) and item:
                self.mapping(item, indent + "  ", "")
            elif isinstance(item, list | tuple) and item:
                self.sequence(item, indent + "  ", "")
            else:
                self._out += (_scalar(item, indent), "\n")
        self._level -= 1

    def _enter(self) -> None:
        self._level += 1
        if self._level > MOST_WRITTEN_DEPTH:
            raise YamlError(f"nested deeper than {MOST_WRITTEN_DEPTH} levels")


_MOST_OF_KEY: Final = 120
"""A longer key is written behind `?`: readers look for its colon in so many characters only (1024 bytes)."""
_WORD: Final = re.compile("|".join(re.escape(word) for word in sorted(KUBERNETES.words)) + "|=|<<", re.IGNORECASE)
_LIKE_A_NUMBER: Final = re.compile(
    r"[-+]?[0-9_]*\.?[0-9_]*(?:[eE][-+]?[0-9_]+)?|[-+]?0[xXoObB][-+0-9a-fA-F_]+"
    r"|[-+]?[0-9][0-9_]*(?::[0-9]{1,2})+(?:\.[0-9_]*)?|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*"
)
"""For readers of YAML 1.1 or 1.2: numbers, those of base 60, times."""
_PLAIN: Final = re.compile(r"(?:[^-?:,\[\]{}#&*!|>'\"%@` ]|--?[A-Za-z0-9])(?:[^:# ]|:(?=[^ ])|(?<! )#| +(?=[^ #]))*")
_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0"}


def _key_written(key: object) -> str:
    if not isinstance(key, str):
        raise YamlError(f"a key is no text: {key!r}")
    return _quoted(key)


def _scalar(value: object, indent: str) -> str:
    """A scalar, or an empty list or mapping; `indent` is that of the line it stands in."""
    if isinstance(value, str):
        return _block(value, indent + "  ") if _can_be_block(value) else _quoted(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        text = repr(value)
        return text if "." in text else text.replace("e", ".0e")
    if isinstance(value, dict | list | tuple) and not value:
        return "{}" if isinstance(value, dict) else "[]"
    raise YamlError(f"no YAML for {value!r}")


def _quoted(text: str) -> str:
    """In one line, quoted where it has to be."""
    if not text.isprintable() or _WORD.fullmatch(text) or _LIKE_A_NUMBER.fullmatch(text):
        return f'"{"".join(map(_escaped, text))}"'
    if _PLAIN.fullmatch(text) and not text.startswith(("---", "...")):
        return text
    return "'" + text.replace("'", "''") + "'"


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    if 0xD800 <= code < 0xE000:
        raise YamlError(f"no YAML for text with half a surrogate pair: {character!r}")
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _can_be_block(text: str) -> bool:
    """Lines of what can be printed; the first one has no blanks at its begin, which would count as indentation."""
    return (
        "\n" in text
        and text[0] not in " \t\n"
        and all(part.isprintable() for part in text.replace("\t", " ").split("\n"))
    )


def _block(text: str, indent: str) -> str:
    body = text.rstrip("\n")
    chomping = {0: "-", 1: ""}.get(len(text) - len(body), "+")
    lines = [indent + line if line else "" for line in body.split("\n")]
    return f"|{chomping}\n" + "\n".join(lines) + "\n" * max(0, len(text) - len(body) - 1)
