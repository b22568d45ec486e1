"""Reads the fields of an object that a guest wrote: each is what it should be, or an error names it.

null is as good as absent. Fields that nobody asks for are ignored, as the ABI says.
"""

from __future__ import annotations

from collections.abc import Callable

from edged.controllers.core.pointers import Pointer, pointer_of
from edged.errors import shown

Complaint = Callable[[str], Exception]


class Fields:
    """One object. `place` is what it is called in messages, `complaint` makes the error of one."""

    def __init__(self, value: object, place: str, complaint: Complaint) -> None:
        self.place = place
        self._complaint = complaint
        if not isinstance(value, dict):
            raise complaint(f"{place or 'it'} must be an object, not {shown(value)}")
        self._values = value

    def wrong(self, name: str, problem: str) -> Exception:
        """The error of one field, to be raised."""
        return self._complaint(f"{self.named(name)}: {problem}")

    def named(self, name: str) -> str:
        """The field with its place; "" is the object itself."""
        return f"{self.place}.{name}" if self.place and name else self.place or name

    def has(self, name: str) -> bool:
        return self._values.get(name) is not None

    def given(self, name: str) -> bool:
        """Whether it is there, be it null."""
        return name in self._values

    def value(self, name: str) -> object:
        return self._values.get(name)

    def text(self, name: str, default: str | None = None, *, most: int = 4096) -> str:
        """A string; without a default it has to be there, and not be empty."""
        value = self._values.get(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or (default is None and not value):
            raise self.wrong(name, f"must be a string, not {shown(value)}" if value is not None else "is missing")
        if len(value) > most:
            raise self.wrong(name, f"has {len(value)} characters, at most {most} are possible")
        return value

    def choice(self, name: str, known: tuple[str, ...], default: str | None = None) -> str:
        value = self.text(name, default)
        if value not in known:
            raise self.wrong(name, f"must be one of {', '.join(known)}, not {shown(value)}")
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        value = self._values.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.wrong(name, f"must be true or false, not {shown(value)}")
        return value

    def whole(self, name: str, default: int, *, least: int = 0, most: int = 2**53) -> int:
        """An integer. A float that is one is accepted: some languages have no other numbers."""
        value = self._values.get(name)
        if value is None:
            return default
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.wrong(name, f"must be an integer, not {shown(value)}")
        if not least <= value <= most:
            raise self.wrong(name, f"must be from {least} to {most}, not {shown(value)}")
        return value

    def number(self, name: str, default: float | None = None) -> float:
        value = self._values.get(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self.wrong(name, f"must be a number, not {shown(value)}" if value is not None else "is missing")
        return float(value)

    def inner(self, name: str) -> Fields:
        """An object that has to be there."""
        return Fields(self._values.get(name), self.named(name), self._complaint)

    def dictionary(self, name: str) -> dict[str, object]:
        """An object as it is."""
        value = self._values.get(name)
        if not isinstance(value, dict):
            raise self.wrong(name, f"must be an object, not {shown(value)}" if value is not None else "is missing")
        return value

    def dictionary_of(self, item: object, name: str) -> dict[str, object]:
        """An element of a list, which has to be an object."""
        if not isinstance(item, dict):
            raise self.wrong(name, f"each element must be an object, not {shown(item)}")
        return item

    def items(self, name: str, *, most: int = 1024) -> list[object]:
        """A list as it is, empty where it is absent."""
        value = self._values.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.wrong(name, f"must be a list, not {shown(value)}")
        if len(value) > most:
            raise self.wrong(name, f"has {len(value)} elements, at most {most} are possible")
        return value

    def each(self, name: str, *, most: int = 1024) -> list[Fields]:
        """A list of objects."""
        place = self.named(name)
        items = self.items(name, most=most)
        return [Fields(item, f"{place}[{n}]", self._complaint) for n, item in enumerate(items)]

    def texts(self, name: str, *, most: int = 1024) -> tuple[str, ...]:
        items = self.items(name, most=most)
        for number, item in enumerate(items):
            if not isinstance(item, str):
                raise self.wrong(f"{name}[{number}]", f"must be a string, not {shown(item)}")
        return tuple(str(item) for item in items)

    def string_map(self, name: str) -> dict[str, str]:
        """An object whose values are strings, empty where it is absent."""
        if not self.has(name):
            return {}
        values = self.dictionary(name)
        for key, value in values.items():
            if not isinstance(value, str):
                raise self.wrong(f"{name}.{key}", f"must be a string, not {shown(value)}")
        return {key: str(value) for key, value in values.items()}

    def pointer(self, name: str) -> Pointer:
        return self._pointer(name, self.text(name))

    def pointers(self, name: str, *, most: int = 64) -> tuple[Pointer, ...]:
        texts = self.texts(name, most=most)
        return tuple(self._pointer(f"{name}[{number}]", text) for number, text in enumerate(texts))

    def _pointer(self, name: str, text: str) -> Pointer:
        try:
            return pointer_of(text)
        except ValueError as error:
            raise self.wrong(name, str(error)) from None
