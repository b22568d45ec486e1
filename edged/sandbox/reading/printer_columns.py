"""The columns of custom resources: what additionalPrinterColumns say of an object. Pure.

As the convertor of apiextensions-apiserver: a column takes the first value at its path; a path that cannot be read ends
the columns before it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from edged.json_text import dumps
from edged.sandbox.reading import ages
from edged.sandbox.reading.json_paths import JsonPathError, find, parse

Object = dict[str, Any]
_HTML = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def definitions(columns: tuple[Object, ...]) -> list[Object]:
    """The columns that can be read, as a Table defines them."""
    return [
        {
            "name": column.get("name") or "",
            "type": column.get("type") or "",
            "format": column.get("format") or "",
            "description": column.get("description")
            or f"Custom resource definition column (in JSONPath format): {column.get('jsonPath')}",
            "priority": column.get("priority") or 0,
        }
        for column in readable(columns)
    ]


def readable(columns: tuple[Object, ...]) -> list[Object]:
    """The columns before the first whose path cannot be read."""
    found = []
    for column in columns:
        try:
            parse(str(column.get("jsonPath")))
        except JsonPathError:
            break
        found.append(column)
    return found


def cell(column: Object, obj: Object, now: float) -> Any:
    """What a column shows of an object; None for nothing. `now`: seconds since the epoch."""
    try:
        values = find(obj, parse(str(column.get("jsonPath"))))
    except JsonPathError:
        return None
    if not values:
        return None
    kind = column.get("type") or ""
    return as_text(values[0]) if kind == "string" else _typed(kind, values[0], now)


def _typed(kind: str, value: Any, now: float) -> Any:
    if kind == "date":
        return _date(value, now) if isinstance(value, str) else None
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if kind == "integer":
        return int(value) if abs(value) < 2**63 else None
    return _json_number(value) if kind == "number" else None


def _json_number(value: float) -> float:
    """As Go writes a float64: 3, not 3.0."""
    return int(value) if value == int(value) and abs(value) < 1e21 else value


def _date(value: str, now: float) -> str:
    if value in ("", "null"):
        return ages.UNKNOWN
    return "<invalid>" if ages.seconds(value) is None else ages.age(value, now)


def as_text(value: Any) -> str:
    """A value as Go prints it; maps and lists as JSON."""
    if value is None:
        return "<no value>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _go_float(value)
    if isinstance(value, dict | list):
        return "".join(_HTML.get(letter, letter) for letter in dumps(value, sort=True).decode())
    return str(value)


def _go_float(value: float) -> str:
    """A float64 in the form %v of Go: 1.5, 1e+06."""
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    assert isinstance(exponent, int)
    scale = len(digits) + exponent - 1
    if -4 <= scale < 6:
        return format(Decimal(repr(value)).normalize(), "f")
    mantissa = "".join(map(str, digits))
    point = f".{mantissa[1:]}" if len(mantissa) > 1 else ""
    return f"{'-' if sign else ''}{mantissa[0]}{point}e{'-' if scale < 0 else '+'}{abs(scale):02d}"
