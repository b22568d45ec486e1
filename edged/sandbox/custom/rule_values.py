"""Values of custom resources as CEL sees them: by their schema. Pure.

Names that are no identifiers are escaped, numbers are doubles where the schema says `number`, texts of some formats are
timestamps, durations and bytes. Fields that the schema does not have are not there. Source: apiserver's cel/common.
"""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from edged.kube.cel.values import Duration, Timestamp
from edged.sandbox.custom.pruning import EMBEDDED, Schema
from edged.sandbox.custom.results import INT_OR_STRING

_RESERVED = frozenset((
    "true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import",
    "let", "loop", "package", "namespace", "return", "var", "void", "while",
))  # fmt: skip
SELECTABLE_WORDS = _RESERVED - {"true", "false", "null", "in"}
"""What may stand after a dot although it is reserved."""
_WORDS = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
_TEXT: Schema = {"type": "string"}
META: Schema = {
    "apiVersion": _TEXT, "kind": _TEXT,
    "metadata": {"type": "object", "properties": {"name": _TEXT, "generateName": _TEXT}},
}  # fmt: skip
"""What rules may read of every object, whatever its schema says."""


def escaped(name: str) -> str:
    """The name in CEL; "" if there is none."""
    if name in _RESERVED:
        return f"__{name}__"
    if not re.fullmatch(r"[A-Za-z_./-][A-Za-z0-9_./-]*", name):
        return ""
    return re.sub("__|[-./]", lambda found: _WORDS[found[0]], name)


def with_meta(schema: Schema, *, root: bool) -> Schema:
    """The schema of an object as rules see it."""
    if not root and not schema.get(EMBEDDED):
        return schema
    return {**schema, "properties": {**(schema.get("properties") or {}), **META}}


def cel_value(value: Any, schema: Schema, *, root: bool = False) -> Any:
    """The value as rules see it."""
    if value is None or schema.get(INT_OR_STRING):
        return value
    if isinstance(value, dict):
        return _object(value, with_meta(schema, root=root))
    if isinstance(value, list):
        items = schema.get("items") or {}
        return [cel_value(item, items) for item in value]
    if isinstance(value, str):
        return _text(value, schema.get("format") or "")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if schema.get("type") == "number" else int(value)
    return value


def _object(value: dict[str, Any], schema: Schema) -> dict[str, Any]:
    more = schema.get("additionalProperties")
    if isinstance(more, dict):
        return {key: cel_value(item, more) for key, item in value.items()}
    properties = schema.get("properties") or {}
    shown = {
        name: cel_value(item, properties[key])
        for key, item in value.items() if key in properties and (name := escaped(key))
    }  # fmt: skip
    return shown | {key: shown[escaped(key)] for key in value if key in SELECTABLE_WORDS and escaped(key) in shown}


_UNITS = {"h": 3600 * 10**9, "m": 60 * 10**9, "s": 10**9, "ms": 10**6, "us": 1000, "µs": 1000, "ns": 1}


def _text(value: str, form: str) -> Any:
    """What the text stands for; itself where it cannot be read."""
    try:
        if form == "byte":
            return base64.b64decode(value)
        if form == "date":
            return Timestamp(_nanos(datetime.fromisoformat(value).replace(tzinfo=UTC), ""))
        if form == "date-time":
            found = re.fullmatch(r"(.+?)(\.\d+)?([Zz]|[+-]\d\d:\d\d)", value)
            return Timestamp(_nanos(datetime.fromisoformat(f"{found[1]}{found[3]}".upper()), found[2] or "")
                             ) if found else value
        if form == "duration":
            parts = re.findall(r"(\d+\.?\d*|\.\d+)(ms|us|µs|ns|h|m|s)", value)
            nanos = sum(int(Decimal(number) * _UNITS[unit]) for number, unit in parts)
            return Duration(-nanos if value.startswith("-") else nanos)
    except (ValueError, OverflowError, AttributeError):
        pass
    return value


def _nanos(moment: datetime, fraction: str) -> int:
    return int(moment.timestamp()) * 10**9 + int(Decimal(f"0{fraction or '.0'}") * 10**9)
