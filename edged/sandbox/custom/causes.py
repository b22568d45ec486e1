"""Findings about values without a Go type, in the words of kube-apiserver. Pure.

validation/causes.py has the rest. Here an empty field is `<nil>`, numbers are int64 or float64, and keys are in order.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation import causes
from edged.sandbox.validation.causes import forbidden, internal, quoted, required, too_long, too_many

__all__ = [
    "OMITTED", "Written", "duplicate", "forbidden", "go_json", "internal", "invalid", "mistyped", "number", "quoted",
    "required", "shown", "too_long", "too_many", "unsupported",
]  # fmt: skip
OMITTED: Any = object()
"""A value that the text does not show."""


class Written(str):
    """JSON that is written already, shown as it is."""

    __slots__ = ()


def invalid(field: str, value: object, why: str) -> Cause:
    return Cause(field or "<nil>", f"Invalid value{_told(value)}: {why}")


def mistyped(field: str, value: object, why: str) -> Cause:
    return Cause(field or "<nil>", f"Invalid value{_told(value)}: {why}", "FieldValueTypeInvalid")


def duplicate(field: str, value: object) -> Cause:
    return Cause(field or "<nil>", f"Duplicate value{_told(value)}", "FieldValueDuplicate")


def unsupported(field: str, value: object, allowed: Iterable[str]) -> Cause:
    names = ", ".join(quoted(each) for each in allowed)
    text = f"Unsupported value{_told(value)}: supported values: {names}"
    return Cause(field or "<nil>", text, "FieldValueNotSupported")


def _told(value: object) -> str:
    return "" if value is OMITTED else f": {shown(value)}"


def shown(value: object) -> str:
    """As messages have it."""
    if isinstance(value, Written):
        return str(value)
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number(value)
    return go_json(value)


def number(value: float) -> str:
    """As Go's %v of an int64 or a float64: digits, or an exponent below 1e-4 and from 1e+21."""
    if isinstance(value, int):
        return str(value)
    digits = Decimal(repr(value)).normalize()
    exponent = digits.adjusted()
    if value and not -4 <= exponent < 21:
        mantissa = f"{digits.scaleb(-exponent):f}"
        return f"{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    return f"{digits:f}"


def go_json(value: object) -> str:
    """As Go's encoding/json writes what it read without a type."""
    return causes.go_json(_in_order(value))


def _in_order(value: Any) -> Any:
    """Keys in order; a float that is whole has no point in Go's JSON."""
    if isinstance(value, dict):
        return {key: _in_order(inner) for key, inner in sorted(value.items())}
    if isinstance(value, list):
        return [_in_order(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1 << 63 else value
