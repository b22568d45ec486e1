"""Builtins with regular expressions, by RE2: its matching takes linear time, so no pattern can run away. Pure.

RE2 is imported at the first use; it costs the daemon 3.4 MiB. Text and patterns are worked on as UTF-8, because
positions in str would be counted anew for each match.
"""

from __future__ import annotations

import re as python_re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Protocol

from edged.abi.rego.environment import Environment
from edged.abi.rego.signature import Builtin
from edged.abi.rego.values import BuiltinError

MAX_PATTERN = 8 << 10
MAX_PROGRAM = 2 << 20  # of a compiled pattern and what its matching remembers, bytes
PROGRAMS = 16  # compiled patterns that are kept
MOST_MATCHES = 100_000
QUICK = 4 << 10

_GROUP = python_re.compile(rb"\$(?:\$|\{([A-Za-z0-9_]+)\}|([A-Za-z0-9_]+))")


class _Match(Protocol):
    """A match of RE2, over bytes."""

    def __getitem__(self, group: int) -> bytes: ...
    def span(self) -> tuple[int, int]: ...
    def start(self) -> int: ...
    def end(self) -> int: ...


class _Pattern(Protocol):
    """A compiled pattern of RE2, which ships no types."""

    @property
    def groups(self) -> int: ...
    @property
    def groupindex(self) -> Mapping[bytes | str, int]: ...
    def search(self, text: bytes, at: int = ...) -> _Match | None: ...


@lru_cache(PROGRAMS)
def _compiled(pattern: bytes) -> _Pattern:
    if len(pattern) > MAX_PATTERN:
        raise BuiltinError(f"a pattern of {len(pattern)} bytes is too long (at most {MAX_PATTERN})")
    import re2  # type: ignore[import-not-found,import-untyped,unused-ignore]

    options = re2.Options()
    options.max_mem = MAX_PROGRAM
    options.log_errors = False
    try:
        found: _Pattern = re2.compile(pattern, options)
        re2.purge()  # its own cache, which keeps 128
        return found
    except re2.error as error:
        text = error.args[0] if error.args else ""
        shown = text.decode(errors="replace") if isinstance(text, bytes) else text
        raise BuiltinError(f"error parsing regexp: {shown}") from error


def _matches(pattern: _Pattern, text: bytes, limit: int = -1) -> Iterator[_Match]:
    """As Go's FindAll: an empty match right after another match does not count."""
    at, last_end, count = 0, -1, 0
    while at <= len(text) and count != limit:
        match = pattern.search(text, at)
        if match is None:
            return
        start, end = match.span()
        if end > start or start != last_end:
            count += 1
            if count > MOST_MATCHES:
                raise BuiltinError(f"more than {MOST_MATCHES} matches")
            yield match
        at, last_end = (end if end > start else _next_rune(text, end)), end


def _next_rune(text: bytes, at: int) -> int:
    at += 1
    while at < len(text) and text[at] & 0xC0 == 0x80:
        at += 1
    return at


def _find_n(_environment: Environment, pattern: str, text: str, count: int) -> list[str]:
    """At most `count` matches; all of them where it is negative."""
    source = text.encode()
    return [match[0].decode() for match in _matches(_compiled(pattern.encode()), source, count)]


def _split(_environment: Environment, pattern: str, text: str) -> list[str]:
    """An array, as OPA has it (Kubewarden's engine joins the pieces into one string)."""
    source, parts, begin, end = text.encode(), [], 0, 0
    if pattern and not source:
        return [""]
    for match in _matches(_compiled(pattern.encode()), source):
        if match.end() == 0:
            continue
        end = match.start()
        parts.append(source[begin:end].decode())
        begin = match.end()
    if end != len(source):
        parts.append(source[begin:].decode())
    return parts


def _replace(_environment: Environment, text: str, pattern: str, replacement: str) -> str:
    compiled, source, parts, at = _compiled(pattern.encode()), text.encode(), [], 0
    template, size = replacement.encode(), 0
    for match in _matches(compiled, source):
        parts += [source[at : match.start()], _expanded(template, match, compiled)]
        size += len(parts[-2]) + len(parts[-1])
        if size > 1 << 20:
            raise BuiltinError("the replaced text is longer than 1 MiB")
        at = match.end()
    return b"".join([*parts, source[at:]]).decode()


def _expanded(template: bytes, match: _Match, compiled: _Pattern) -> bytes:
    """`$1`, `${1}`, `$name` of a Go template; a name reaches as far as it can."""

    def group(reference: python_re.Match[bytes]) -> bytes:
        name = reference[1] or reference[2]
        if name is None:
            return b"$"
        index = int(name) if name.isdigit() and len(name) < 6 else _group_numbers(compiled).get(name, -1)
        return (match[index] or b"") if 0 <= index <= compiled.groups else b""

    return _GROUP.sub(group, template) if b"$" in template else template


def _group_numbers(compiled: _Pattern) -> dict[bytes, int]:
    found = compiled.groupindex
    return {name if isinstance(name, bytes) else name.encode(): number for name, number in found.items()}


def _template_match(_environment: Environment, template: str, text: str, start: str, end: str) -> bool:
    """Whether the whole text matches: what is between delimiters is a pattern, the rest is literal.

    Kubewarden's engine also accepts a match somewhere inside the text.
    """
    for what, delimiter in (("start", start), ("end", end)):
        if len(delimiter.encode()) != 1:
            raise BuiltinError(f"{what} delimiter has to be exactly one byte long")
    pattern = _template_pattern(template.encode(), start.encode()[0], end.encode()[0])
    return _compiled(pattern).search(text.encode()) is not None


def _template_pattern(template: bytes, start: int, end: int) -> bytes:
    parts, level, begin, at = [b"^"], 0, 0, 0
    for index, byte in enumerate(template):
        if byte == start:
            level += 1
            if level == 1:
                begin = index
        elif byte == end:
            level -= 1
            if level == 0:
                parts += [_quoted(template[at:begin]), b"(", template[begin + 1 : index], b")"]
                at = index + 1
                _compiled(b"^" + template[begin + 1 : index] + b"$")
        if level < 0:
            break
    if level != 0:
        raise BuiltinError("unbalanced delimiters in the template")
    return b"".join([*parts, _quoted(template[at:]), b"$"])


def _quoted(text: bytes) -> bytes:
    return python_re.sub(rb"[\\.+*?()|\[\]{}^$]", lambda match: b"\\" + match[0], text)


BUILTINS = (
    Builtin("regex.find_n", "ssi", _find_n, QUICK),
    Builtin("regex.split", "ss", _split, QUICK),
    Builtin("regex.replace", "sss", _replace, QUICK),
    Builtin("regex.template_match", "ssss", _template_match, QUICK),
)
