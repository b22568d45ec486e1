"""Writing YAML: values of JSON in block style, quoted so that every reader takes text for text. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from edged.yaml_text.scalars import KUBERNETES, YamlError


def written(value: object, *, sort: bool = False, indent_lists: bool = False) -> str:
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
    r"[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9_]+)?|[-+]?0[xXoObB][-+0-9a-fA-F_]+"
    r"|[-+]?[0-9][0-9_]*(?::[0-9]{1,2})+(?:\.[0-9_]*)?|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*"
)
"""For readers of YAML 1.1 or 1.2: numbers, those of base 60, times."""
_PLAIN: Final = re.compile(r"(?:[^-?:,\[\]{}#&*!|>'\"%@` ]|--?[A-Za-z0-9])(?:[^:# ]|:(?=[^ ])|(?<! )#| +(?=[^ #]))*")
_ESCAPES: Final = {
    '"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0", "\a": "\\a", "\b": "\\b", "\v": "\\v",
    "\f": "\\f", "\x1b": "\\e", "\x85": "\\N", "\u2028": "\\L", "\u2029": "\\P",
}  # fmt: skip


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
    if not _is_printable(text) or _WORD.fullmatch(text) or _LIKE_A_NUMBER.fullmatch(text):
        return f'"{"".join(map(_escaped, text))}"'
    if _PLAIN.fullmatch(text) and not text.startswith(("---", "...")):
        return text
    return "'" + text.replace("'", "''") + "'"


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if _is_printable(character):
        return character
    code = ord(character)
    if 0xD800 <= code < 0xE000:
        raise YamlError(f"no YAML for text with half a surrogate pair: {character!r}")
    return f"\\x{code:02X}" if code < 0x100 else f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"


def _is_printable(text: str) -> bool:
    """Go's library escapes what is beyond the basic plane, such as emoji, too."""
    return text.isprintable() and (text.isascii() or max(text) <= "\uffff")


def _can_be_block(text: str) -> bool:
    """Lines of what can be printed; the first one has no blanks at its begin, which would count as indentation."""
    return (
        "\n" in text
        and text[0] not in " \t\n"
        and all(_is_printable(part) for part in text.replace("\t", " ").split("\n"))
    )


def _block(text: str, indent: str) -> str:
    body = text.rstrip("\n")
    chomping = {0: "-", 1: ""}.get(len(text) - len(body), "+")
    lines = [indent + line if line else "" for line in body.split("\n")]
    return f"|{chomping}\n" + "\n".join(lines) + "\n" * max(0, len(text) - len(body) - 1)
