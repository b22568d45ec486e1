"""Reading and writing YAML: the only file that does it, so that every command and file is read as kubectl reads it.

Values are those that edged/json_text.py makes of the JSON that sigs.k8s.io/yaml, the library of Kubernetes' programs,
makes of the text. So `y` and `off` are booleans, `1e3` is 1000, `52:54:00:12:34:56`, `=` and dates are text, and keys
are text whatever they were. Values are built from the parser's events (libyaml's, or PyYAML's where that is missing).

`load` reads one document as Kubernetes' programs read configuration, `documents` a file as kubectl reads it, `dumps`
writes. What OPA reads differently is in `OPA`; with `TEXT` all scalars are text. Everything raises YamlError, an
EdgedError: what, line, problem.
Limits: `most` bytes, MOST_DEPTH levels, and those of Kubernetes' library on what aliases may add to a document.
PyYAML is imported at the first use.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import Any, Final

from edged import json_text
from edged.json_text import JsonError
from edged.records import dataclass
from edged.yaml_text.events import Events, Source, from_events
from edged.yaml_text.quick import NOT_QUICK, as_json
from edged.yaml_text.scalars import KUBERNETES, OPA, TEXT, DuplicateKeys, Rules, YamlError
from edged.yaml_text.values import MOST_DEPTH, value_of

__all__ = [
    "KUBERNETES", "MOST_BYTES", "MOST_DEPTH", "OPA", "TEXT", "Document", "DuplicateKeys", "Rules", "YamlError",
    "documents", "dumps", "lines", "load", "load_configuration", "tag_of",
]  # fmt: skip

MOST_BYTES: Final = 256 << 20


def load(
    text: bytes | str, *, what: str = "", strict: bool = False, rules: Rules = KUBERNETES, most: int = MOST_BYTES,
    most_careful: int | None = None,
) -> Any:  # fmt: skip
    """The first document of a text; None if there is none. `strict`: keys that are there twice raise DuplicateKeys,
    otherwise the last one counts. `what` says in messages what could not be read. `most_careful`: bytes that the slow
    parser may read (scanner.py), for texts of strangers."""
    content = _utf8(text, what, most)
    if not strict and rules is KUBERNETES and (value := as_json(content)) is not NOT_QUICK:
        return value
    return _read(content, Source(what), rules, strict=strict, most_careful=most_careful)


_JSON_BEGIN: Final = re.compile(
    rb"(?:[ \t-\r]|\xc2[\x85\xa0]|\xe1\x9a\x80|\xe2\x80[\x80-\x8a\xa8\xa9\xaf]|\xe2\x81\x9f|\xe3\x80\x80)*\{"
)
"""Behind any blanks of Unicode."""


def load_configuration(text: bytes | str, *, what: str = "", most: int = MOST_BYTES) -> Any:
    """One object, as Kubernetes' programs read their configuration files: JSON if it begins with `{`, YAML otherwise,
    and no key twice."""
    content = _utf8(text, what, most)
    if _JSON_BEGIN.match(content) is None:
        return load(content, what=what, strict=True, most=most)
    try:
        value = json_text.loads_repeated(content, most=most)
    except JsonError as error:
        raise YamlError(f"{what}: not valid JSON: {error}".removeprefix(": ")) from None
    for path in json_text.repeated_paths(value):
        raise YamlError(f"{what}: duplicate field {json_text.shown(path)}; remove one of the two".removeprefix(": "))
    return value


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file."""

    value: Any
    where: str
    """`what` and the document's number, for messages."""
    text: bytes
    """What it was read from."""


def documents(content: bytes | str, *, what: str = "", most: int = MOST_BYTES) -> Iterator[Document]:
    """The documents of a file that are not null, as kubectl reads them.

    JSON is read as JSON, also several values one after the other. In YAML a line that begins with `---` and holds
    nothing else but a comment ends a document; what follows a line `...` within one is not read.
    """
    text = _utf8(content, what, most, any_bytes=True)
    begin, number = 0, 0
    if text.lstrip()[:1] in (b"{", b"["):
        try:
            yield Document(json_text.loads(text, most=most), what, text)
            return
        except JsonError:
            values, begin = _leading_json(text, what)
        for value, piece in values:
            number += 1
            if value is not None:
                yield Document(value, _numbered(what, number), piece.encode(errors="surrogateescape"))
    counted = lines_before = 0
    for part in _pieces(text, begin, what):
        number += 1
        lines_before += text.count(b"\n", counted, part.start)
        counted = part.start
        source = Source(what, number, lines_before)
        ended = _ended(text[part])
        value = _read(ended, source, KUBERNETES)
        if value is not None:
            yield Document(value, _numbered(what, number), ended)


def _leading_json(text: bytes, what: str) -> tuple[list[tuple[Any, str]], int]:
    """The objects in JSON that a file begins with, with their texts, and where YAML begins: at most one object stands
    before YAML."""
    if not text.lstrip().startswith(b"{"):
        return [], 0
    values: list[tuple[Any, str]] = []
    characters, end = text.decode(errors="surrogateescape"), 0
    while end < len(characters):
        try:
            begin = end
            value, end = json_text.leading(characters, begin)
            values.append((value, characters[begin:end]))
        except JsonError as error:
            if len(values) > 1:
                raise YamlError(f"{_numbered(what, len(values) + 1)}: not valid JSON: {error}") from None
            break
    if end == len(characters):
        return values, len(text)
    return values, _after_line_end(text, len(characters[:end].rstrip(_JSON_BLANKS).encode(errors="surrogateescape")))


_JSON_BLANKS: Final = " \t\r\n"


def _after_line_end(text: bytes, begin: int) -> int:
    """Behind blanks, and behind the first line end among them: what else stands before YAML is its indentation."""
    while text[begin : begin + 1] in (b" ", b"\t", b"\r", b"\v", b"\f"):
        begin += 1
    return begin + (text[begin : begin + 1] == b"\n")


def _numbered(what: str, number: int) -> str:
    return f"{what}: document {number}" if what else f"document {number}"


_SEPARATOR: Final = re.compile(rb"^---([^\n]*)(?:\n|\Z)", re.MULTILINE)


def _pieces(text: bytes, begin: int, what: str) -> Iterator[slice]:
    """The documents from `begin` on."""
    for match in _SEPARATOR.finditer(text, begin):
        rest = match[1].decode(errors="replace").strip()
        if rest and not rest.startswith("#"):
            line = text.count(b"\n", 0, match.start()) + 1
            raise Source(what).refused(
                line,
                f"a line that begins with '---' ends a document, also within a text, and here {rest[:40]!r} follows it;"
                " begin that on the next line, or indent the text",
            )
        if match.start() > begin:
            yield slice(begin, match.start())
            begin = match.end()
    if begin < len(text):
        yield slice(begin, len(text))


def _ended(piece: bytes) -> bytes:
    return piece if piece.endswith(b"\n") else piece + b"\n"


def tag_of(text: bytes | str, *, what: str = "", most: int = MOST_BYTES) -> str | None:
    """The tag of the first document, as it is written but for `!!`; None without one."""
    found: str | None = from_events(_utf8(text, what, most), Source(what), _tag)
    return found


def _tag(events: Events) -> str | None:
    return getattr(events.take() if events.another() else None, "tag", None)


Path = tuple[str | int, ...]


def lines(text: bytes | str, *, what: str = "", most: int = MOST_BYTES) -> dict[Path, int]:
    """Path of each value of the first document -> the line it begins in, in mappings that of its key."""
    found: dict[Path, int] = from_events(_utf8(text, what, most), Source(what), _lines)
    return found


def _lines(events: Events) -> dict[Path, int]:
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


def _utf8(text: bytes | str, what: str, most: int, *, any_bytes: bool = False) -> bytes:
    """UTF-8 without a byte order mark. `any_bytes`: what is neither UTF-8 nor UTF-16 becomes U+FFFD, as where kubectl
    reads files."""
    if len(text) > most:
        raise YamlError(f"{what}: larger than {most} bytes".removeprefix(": "))
    try:
        if isinstance(text, str):
            text = text.encode()
        elif text.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            text = text.decode("utf-16", "replace" if any_bytes else "strict").encode()
        elif any_bytes and not text.startswith(codecs.BOM_UTF8) and not _is_utf8(text):
            text = text.decode(errors="replace").encode()
    except UnicodeError as error:
        raise Source(what).refused(None, str(error)) from None
    return text.removeprefix(codecs.BOM_UTF8)


def _is_utf8(text: bytes, piece: int = 1 << 20) -> bool:
    """Looked at in pieces: a file may be large, and as text it may be four times as large."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for begin in range(0, len(text), piece):
            decoder.decode(text[begin : begin + piece])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _read(
    content: bytes, source: Source, rules: Rules, *, strict: bool = False, most_careful: int | None = None
) -> Any:
    return from_events(content, source, lambda events: value_of(events, source, rules, strict=strict), most_careful)


def dumps(value: object, *, sort: bool = False, indent_lists: bool = False) -> str:
    """The YAML of a JSON value, as kubectl writes it and reads it back. Raises YamlError.

    `sort`: keys in order. `indent_lists`: lists stand further to the right than their keys, as OPA writes them.
    """
    from edged.yaml_text.writing import written

    return written(value, sort=sort, indent_lists=indent_lists)
