"""The types of CEL that a schema stands for, with the bounds that costs are estimated by. Pure.

Source: SchemaDeclType of apiserver's cel/common, and the names of cel/types.go.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from edged.kube.cel.declarations import Environment
from edged.kube.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    STRING,
    TIMESTAMP,
    Type,
    list_of,
    map_of,
    optional_of,
    struct,
)
from edged.sandbox.custom.pruning import EMBEDDED, Schema
from edged.sandbox.custom.results import INT_OR_STRING
from edged.sandbox.custom.rule_values import SELECTABLE_WORDS, escaped, with_meta

MOST_BYTES = 3 * 1024 * 1024
"""Of a request: MaxRequestSizeBytes."""
_SCALARS: dict[str, tuple[Type, int]] = {"boolean": (BOOL, 4), "number": (DOUBLE, 1), "integer": (INT, 1)}
_FORMATS: dict[str, tuple[Type, int, int]] = {
    "duration": (DURATION, 3, 32), "date": (TIMESTAMP, 12, 12), "date-time": (TIMESTAMP, 21, 32),
}  # fmt: skip
"""Format of a text -> type, fewest bytes, most bytes."""


@dataclass(slots=True)
class Declared:
    """`type` in CEL; `smallest`: bytes that a value takes at least; `most`: elements of a list or map, bytes of a text;
    None for what has no size. `key`, `element`, `fields`: the types within."""

    type: Type
    smallest: int
    most: int | None = None
    key: Declared | None = None
    element: Declared | None = None
    fields: dict[str, Declared] = field(default_factory=dict)


def declared(schema: Schema, name: str, *, root: bool = False) -> Declared | None:
    """What CEL knows of a schema; None for what it does not show. `name` begins the names of its types."""
    most_text = schema.get("maxLength")
    if schema.get(INT_OR_STRING):
        return Declared(DYN, 1, MOST_BYTES - 2 if most_text is None else max(most_text, 0) * 4)
    schema = with_meta(schema, root=root)
    match schema.get("type"):
        case "array":
            return _list(schema, name)
        case "object":
            return _object(schema, name)
        case "string":
            return _text(schema)
    found = _SCALARS.get(schema.get("type") or "")
    return Declared(*found) if found else None


def _text(schema: Schema) -> Declared:
    form, most = schema.get("format") or "", schema.get("maxLength")
    if form in _FORMATS:
        return Declared(*_FORMATS[form])
    if form == "byte":
        return Declared(BYTES, 2, MOST_BYTES - 2 if most is None else max(most, 0))
    if most is not None:
        return Declared(STRING, 2, max(most, 0) * 4)
    if schema.get("enum"):
        return Declared(STRING, 2, max((len(e.encode()) for e in schema["enum"] if isinstance(e, str)), default=0))
    return Declared(STRING, 2, MOST_BYTES - 2)


def _list(schema: Schema, name: str) -> Declared | None:
    items = schema.get("items")
    element = declared(items, f"{name}.@idx") if isinstance(items, dict) else None
    if element is None:
        return None
    most = schema.get("maxItems")
    most = (MOST_BYTES - 2) // (element.smallest + 1) if most is None else max(most, 0)
    return Declared(list_of(element.type), 2, most, element=element)


def _object(schema: Schema, name: str) -> Declared | None:
    more = schema.get("additionalProperties")
    if isinstance(more, dict):
        element = declared(more, f"{name}.@elem")
        if element is None:
            return None
        most = schema.get("maxProperties")
        most = (MOST_BYTES - 2) // (element.smallest + 6) if most is None else max(most, 0)
        key = Declared(STRING, 2)  # keys have no bound of their own: their size counts as none
        return Declared(map_of(STRING, element.type), 2, most, key, element)
    found = Declared(struct(name), 2)
    needed = schema.get("required") or ()
    for key_name, inner in (schema.get("properties") or {}).items():
        below = declared(inner, f"{name}.{key_name}", root=bool(inner.get(EMBEDDED)))
        if below is None:
            continue
        if shown := escaped(key_name):
            found.fields[shown] = below
        if key_name in needed and "default" not in inner:
            found.smallest += len(key_name) + below.smallest + 4
    return found


def environment(of: Declared, *, optional: bool = False) -> Environment:
    """What a rule on such a value may read; `optional`: oldSelf may be absent."""
    messages: dict[str, dict[str, Type]] = {}
    _collect(of, messages)
    old = optional_of(of.type) if optional else of.type
    return Environment({"self": of.type, "oldSelf": old}, messages)


def _collect(of: Declared, into: dict[str, dict[str, Type]]) -> None:
    if of.type.kind == "struct":
        shown = {name: inner.type for name, inner in of.fields.items()}
        # `self.namespace` is read, too: the word is reserved as the name of a variable only.
        plain = {word: shown[f"__{word}__"] for word in SELECTABLE_WORDS if f"__{word}__" in shown}
        into[of.type.name] = {**plain, **shown}
    for inner in (*of.fields.values(), *(each for each in (of.element, of.key) if each is not None)):
        _collect(inner, into)
