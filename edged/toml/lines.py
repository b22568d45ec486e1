"""Where every table, key and array element of a TOML document stands. Pure; called by edged/config.py.

`tomllib` gives values without positions, and an error in a configuration file has to name its line. This
scanner walks a document that tomllib has already accepted, so it checks nothing: it only has to find where
keys and values begin and end.
"""

from __future__ import annotations

import re

Path = tuple[str | int, ...]
"""Keys and array indices from the root: ("admission", "policy", 0, "rules", 1, "resources")."""

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]\}\n#]*")
_BASIC = re.compile(r'"(?:[^"\\]|\\.)*"')
_LITERAL = re.compile(r"'[^']*'")
_BASIC_LONG = re.compile(r'"""(?:[^\\]|\\.)*?"""(?:"{0,2})', re.DOTALL)
_LITERAL_LONG = re.compile(r"'''.*?'''(?:'{0,2})", re.DOTALL)
_STRINGS = (('"""', _BASIC_LONG), ("'''", _LITERAL_LONG), ('"', _BASIC), ("'", _LITERAL))


def find_lines(text: str) -> dict[Path, int]:
    """Path -> 1-based line. For a valid document; what a header opens is found at the header's line."""
    return _Scanner(text).scan()


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Path, int] = {}
        self.table: Path = ()
        self.lengths: dict[Path, int] = {}  # arrays of tables: elements seen so far
        self._line, self._line_at = 1, 0

    def scan(self) -> dict[Path, int]:
        while self._skip(_BLANK) < len(self.text):
            if self._peek("["):
                self._header()
            else:
                self._pair(self.table)
        return self.lines

    def _header(self) -> None:
        line, array = self._here(), self._peek("[[")
        self.at += 2 if array else 1
        keys = self._key()
        self.at += 2 if array else 1
        path: Path = ()
        for position, key in enumerate(keys, start=1):
            path = (*path, key)
            self.lines.setdefault(path, line)
            if array and position == len(keys):
                self.lengths[path] = self.lengths.get(path, 0) + 1
            if path in self.lengths:
                path = (*path, self.lengths[path] - 1)
                self.lines.setdefault(path, line)
        self.table = path
        if not array:
            self.lines[path] = line  # `[a]` after `[a.b]`: its own line wins

    def _pair(self, table: Path) -> None:
        line, path = self._here(), table
        for key in self._key():
            path = (*path, key)
            self.lines.setdefault(path, line)
        self.at += 1  # "="
        self._skip(_SPACE)
        self._value(path)

    def _value(self, path: Path) -> None:
        if self._peek("["):
            self._array(path)
        elif self._peek("{"):
            self._inline_table(path)
        else:
            self._scalar()

    def _array(self, path: Path) -> None:
        self.at += 1
        index = 0
        while self._skip(_BLANK) < len(self.text) and not self._peek("]"):
            self.lines[(*path, index)] = self._here()
            self._value((*path, index))
            index += 1
            self._skip_comma()
        self.at += 1

    def _inline_table(self, path: Path) -> None:
        self.at += 1
        while self._skip(_BLANK) < len(self.text) and not self._peek("}"):
            self._pair(path)
            self._skip_comma()
        self.at += 1

    def _skip_comma(self) -> None:
        self._skip(_BLANK)
        if self._peek(","):
            self.at += 1

    def _key(self) -> list[str]:
        parts = []
        while True:
            self._skip(_SPACE)
            start = self.at
            if self._peek('"'):
                self._skip(_BASIC)
                parts.append(_unescape(self.text[start : self.at]))
            elif self._peek("'"):
                self._skip(_LITERAL)
                parts.append(self.text[start + 1 : self.at - 1])
            else:
                self._skip(_BARE_KEY)
                parts.append(self.text[start : self.at])
            self._skip(_SPACE)
            if not self._peek("."):
                return parts
            self.at += 1

    def _scalar(self) -> None:
        for opening, pattern in _STRINGS:
            if self._peek(opening):
                self._skip(pattern)
                return
        self._skip(_SCALAR)

    def _skip(self, pattern: re.Pattern[str]) -> int:
        if found := pattern.match(self.text, self.at):
            self.at = found.end()
        return self.at

    def _peek(self, expected: str) -> bool:
        return self.text.startswith(expected, self.at)

    def _here(self) -> int:
        self._line += self.text.count("\n", self._line_at, self.at)
        self._line_at = self.at
        return self._line


def _unescape(quoted: str) -> str:
    """The key that a basic string spells; tomllib itself knows TOML's escapes best."""
    import tomllib

    return str(tomllib.loads(f"key = {quoted}")["key"])
