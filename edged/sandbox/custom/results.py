"""What the checks of a value found. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from edged.sandbox.custom import causes, formats
from edged.sandbox.custom.pruning import Schema
from edged.sandbox.protocol.api_status import Cause

INT_OR_STRING = "x-kubernetes-int-or-string"


@dataclass(slots=True)
class Result:
    """Findings by their text: each is there once. `matches` counts what was checked: of several schemas, of which one
    should fit, the one that matches best says what is wrong."""

    found: dict[str, Cause] = field(default_factory=dict)
    matches: int = 0

    def add(self, text: str, cause: Cause) -> None:
        self.found.setdefault(text, cause)

    def plain(self, text: str) -> None:
        """A finding without a path."""
        self.add(text, causes.invalid("", "", text))

    def bad(self, path: str, value: object, why: str) -> None:
        text = f"{path} in body {why}"
        self.add(text, causes.invalid(field_of(path), value, text))

    def merge(self, other: Result) -> None:
        for text, cause in other.found.items():
            self.found.setdefault(text, cause)
        self.matches += other.matches


def field_of(path: str) -> str:
    """The field of a path, which begins with a dot below the root's additional properties."""
    return path.removeprefix(".")


def checked_format(schema: Schema) -> str:
    """The format if it is one that is checked."""
    name = schema.get("format") or ""
    kind = "" if schema.get(INT_OR_STRING) else schema.get("type") or ""
    return name if name and formats.known(kind, name) else ""


def type_name(value: object) -> str:
    """The JSON type; whole floats are numbers."""
    names = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"}
    return names.get(type(value), "null")
