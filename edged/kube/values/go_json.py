"""JSON as a program in Go reads it into its types (encoding/json), for answers that people write for such a program.
Pure.

A field is found whatever its capitals are; where it is there several times, each is read over what the one before left:
scalars and lists are replaced, maps and objects get further entries, and null leaves a scalar as it is. Fields that the
type does not have are skipped. Everything else of another kind is an error, and so are numbers that are not whole.

`read` gives the value of a type: dict, list, str, int, or None for a pointer to nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from edged.errors import EdgedError, shown
from edged.json_text import Members, first_with_members

_FOLDED: Final = {"\u212a": "K", "\u017f": "S"}
"""The two characters beyond ASCII that Go takes for a letter of it: the Kelvin sign and the long s."""


class GoTypeError(EdgedError):
    """A value is of another kind than the type."""


class Type:
    """What a place may hold."""

    def zero(self) -> Any:
        raise NotImplementedError

    def over(self, old: Any, value: Any, path: str) -> Any:
        """What is there once the value was read over `old`. Raises GoTypeError."""
        raise NotImplementedError

    def plain(self, found: Any) -> Any:
        """Without what only reading needs."""
        return found


class _Text(Type):
    def zero(self) -> str:
        return ""

    def over(self, old: Any, value: Any, path: str) -> Any:
        if value is None:
            return old
        if not isinstance(value, str):
            raise _wrong(path, "text", value)
        return _utf8(value)


class _Whole(Type):
    """int64."""

    def zero(self) -> int:
        return 0

    def over(self, old: Any, value: Any, path: str) -> Any:
        if value is None:
            return old
        if type(value) is not int or not -(1 << 63) <= value < 1 << 63:
            raise _wrong(path, "a whole number of 64 bits", value)
        return value


class _Any(Type):
    """Any object: nothing of it is read."""

    def zero(self) -> None:
        return None

    def over(self, old: Any, value: Any, path: str) -> Any:
        if value is not None and not isinstance(value, Members):
            raise _wrong(path, "an object", value)
        return old


TEXT: Final = _Text()
WHOLE: Final = _Whole()
AN_OBJECT: Final = _Any()


@dataclass(frozen=True, slots=True)
class Pointer(Type):
    to: Type

    def zero(self) -> None:
        return None

    def over(self, old: Any, value: Any, path: str) -> Any:
        if value is None:
            return None
        return self.to.over(self.to.zero() if old is None else old, value, path)

    def plain(self, found: Any) -> Any:
        return None if found is None else self.to.plain(found)


@dataclass(slots=True)
class _Slice:
    """A list with what lies behind its end: a list that is read over it begins with that."""

    items: list[Any] = field(default_factory=list)
    length: int = 0


@dataclass(frozen=True, slots=True)
class ListOf(Type):
    of: Type

    def zero(self) -> None:
        return None

    def over(self, old: Any, value: Any, path: str) -> Any:
        if value is None:
            return None
        if not isinstance(value, list) or isinstance(value, Members):
            raise _wrong(path, "a list", value)
        items = [] if old is None or not value else old.items
        for i, item in enumerate(value):
            if i == len(items):
                items.append(self.of.zero())
            items[i] = self.of.over(items[i], item, f"{path}[{i}]")
        return _Slice(items, len(value))

    def plain(self, found: Any) -> list[Any]:
        return [] if found is None else [self.of.plain(item) for item in found.items[: found.length]]


@dataclass(frozen=True, slots=True)
class MapOf(Type):
    of: Type

    def zero(self) -> None:
        return None

    def over(self, old: Any, value: Any, path: str) -> Any:
        if value is None:
            return None
        if not isinstance(value, Members):
            raise _wrong(path, "an object", value)
        found = {} if old is None else old
        for key, item in value:
            name = _utf8(key)
            found[name] = self.of.over(self.of.zero(), item, f"{path}.{name}")
        return found

    def plain(self, found: Any) -> dict[str, Any]:
        return {} if found is None else {key: self.of.plain(item) for key, item in found.items()}


@dataclass(frozen=True, slots=True)
class Struct(Type):
    fields: Mapping[str, Type]

    def zero(self) -> dict[str, Any]:
        return {name: kind.zero() for name, kind in self.fields.items()}

    def over(self, old: Any, value: Any, path: str) -> Any:
        if value is None:
            return old
        if not isinstance(value, Members):
            raise _wrong(path, "an object", value)
        for key, item in value:
            name = key if key in self.fields else self._folded(key)
            if name is not None:
                old[name] = self.fields[name].over(old[name], item, f"{path}.{name}" if path else name)
        return old

    def _folded(self, key: str) -> str | None:
        folded = _fold(key)
        return next((name for name in self.fields if _fold(name) == folded), None)

    def plain(self, found: Any) -> dict[str, Any]:
        return {name: kind.plain(found[name]) for name, kind in self.fields.items()}


def read(kind: Type, text: bytes, *, alone: bool = False) -> Any:
    """The first value of a text; `alone`: nothing may follow. Raises GoTypeError with the path of what is wrong, and
    JsonError."""
    return kind.plain(kind.over(kind.zero(), first_with_members(text, alone=alone), ""))


def _fold(name: str) -> str:
    if name.isascii():
        return name.upper()
    letters = (_FOLDED.get(letter, letter.upper() if letter.isascii() else letter) for letter in name)
    return "".join(letters)


def _utf8(text: str) -> str:
    """Half of a surrogate pair, and a byte that is no UTF-8, is U+FFFD."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _wrong(path: str, wanted: str, value: object) -> GoTypeError:
    given = "an object" if isinstance(value, Members) else shown(value)
    return GoTypeError(f"{path or 'the answer'}: must be {wanted}, not {given}")
