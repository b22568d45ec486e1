"""The findings of a validation in the words of kube-apiserver: one function for each kind of finding. Pure.

Facts from apimachinery's util/validation/field/errors.go. `field` is the path: `spec.containers[0].name`; a key of a
map stands in brackets as an index does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from edged.json_text import dumps
from edged.kube.values.go_texts import quoted as quoted
from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause

IMMUTABLE = "field is immutable"
NEGATIVE = "must be greater than or equal to 0"


def required(field: str, why: str = "") -> Cause:
    """Something has to be there, and is missing or empty."""
    return Cause(field, _told("Required value", why), "FieldValueRequired")


def invalid(field: str, value: object, why: str) -> Cause:
    """A value that is there and wrong."""
    return Cause(field, _told(f"Invalid value: {shown(value)}", why), "FieldValueInvalid")


def invalid_text(field: str, shown_value: str, why: str) -> Cause:
    """As `invalid`, of a value that is text already."""
    return Cause(field, _told(f"Invalid value: {shown_value}", why), "FieldValueInvalid")


def type_invalid(field: str, value: object, why: str) -> Cause:
    """A value of another type than the field's."""
    return Cause(field, _told(f"Invalid value: {shown(value)}", why), "FieldValueTypeInvalid")


def not_supported(field: str, value: object, allowed: Iterable[str]) -> Cause:
    """None of the values that are known, which are listed as given."""
    names = ", ".join(quoted(name) for name in allowed)
    why = f"supported values: {names}" if names else ""
    return Cause(field, _told(f"Unsupported value: {shown(value)}", why), "FieldValueNotSupported")


def duplicate(field: str, value: object) -> Cause:
    return Cause(field, f"Duplicate value: {shown(value)}", "FieldValueDuplicate")


def forbidden(field: str, why: str) -> Cause:
    """Something that is well-formed and may not be here, or may not change."""
    return Cause(field, _told("Forbidden", why), "FieldValueForbidden")


def not_found(field: str, value: object) -> Cause:
    return Cause(field, f"Not found: {shown(value)}", "FieldValueNotFound")


def internal(field: str, why: str) -> Cause:
    return Cause(field, f"Internal error: {why}", "InternalError")


def too_long(field: str, most: int, unit: str = "bytes") -> Cause:
    """A text of more than `most` bytes, or `unit` "characters"."""
    return Cause(field, f"Too long: may not be more than {most} {_units(most, unit)}", "FieldValueTooLong")


def too_short(field: str, least: int) -> Cause:
    return Cause(field, f"Too short: must be at least {least} {_units(least, 'characters')}", "FieldValueTooShort")


def too_many(field: str, count: int, most: int) -> Cause:
    """A list of `count` items."""
    return Cause(field, f"Too many: {count}: must have at most {most} {_units(most, 'items')}", "FieldValueTooMany")


def too_few(field: str, count: int, least: int) -> Cause:
    return Cause(field, f"Too few: {count}: must have at least {least} {_units(least, 'items')}", "FieldValueTooFew")


def immutable(field: str, value: object) -> Cause:
    """`value` is the new one."""
    return invalid(field, value, IMMUTABLE)


def fixed(field: str) -> Cause:
    """A field that may not change, of those whose finding shows no value: kube-apiserver has them from tags."""
    return invalid(field, None, IMMUTABLE)


def each_invalid(field: str, value: object, reasons: Iterable[str]) -> Iterator[Cause]:
    """One finding for each text that a function of formats.py gave about `value`."""
    return (invalid(field, value, why) for why in reasons)


def unchanged(field: str, old: object, new: object) -> Iterator[Cause]:
    """That the value of a field stayed. What is empty and what is missing is the same."""
    if (old or None) != (new or None):
        yield immutable(field, new)


def not_negative(field: str, value: object) -> Iterator[Cause]:
    if isinstance(value, int) and value < 0:
        yield invalid(field, value, NEGATIVE)


def one_of(field: str, value: object, allowed: Sequence[str]) -> Iterator[Cause]:
    """That a value is one of an enumeration; `allowed` in the order in which the text lists them."""
    if value not in allowed:
        yield not_supported(field, "" if value is None else value, allowed)


def shown(value: object) -> str:
    """A value as messages have it: texts quoted as Go quotes, everything else as JSON of Go."""
    if isinstance(value, str):
        return quoted(value)
    return go_json(value)


def go_json(value: object) -> str:
    """JSON as encoding/json writes it: without blanks, with `<`, `>` and `&` escaped, the keys of maps as they are."""
    return go_escaped(dumps(value).decode())


def go_escaped(text: str) -> str:
    """JSON with the characters escaped that encoding/json escapes, too."""
    for letter, code in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026"), ("\u2028", "\\u2028"),
                         ("\u2029", "\\u2029")):  # fmt: skip
        text = text.replace(letter, code)
    return text


def part(obj: Object, *names: str) -> Object:
    """The object at a path of fields; an empty one where there is none."""
    for name in names:
        obj = obj.get(name) or {}
    return obj


def _told(what: str, why: str) -> str:
    return f"{what}: {why}" if why else what


def _units(count: int, plural: str) -> str:
    return plural[:-1] if count == 1 else plural
