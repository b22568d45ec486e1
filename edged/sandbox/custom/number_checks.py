"""Limits, multiples and sizes of numbers. Pure. Source: kube-openapi's numberValidator."""

from __future__ import annotations

from edged.sandbox.custom import causes
from edged.sandbox.custom.causes import number
from edged.sandbox.custom.pruning import Schema
from edged.sandbox.custom.results import INT_OR_STRING, Result, checked_format, field_of


def number_checks(value: float, schema: Schema, path: str) -> Result:
    """Of an integer or a float."""
    result = Result(matches=1)
    kind, form = ("", "") if schema.get(INT_OR_STRING) else (schema.get("type") or "", checked_format(schema))
    _range(value, kind, form, path, result)
    step, high, low = schema.get("multipleOf"), schema.get("maximum"), schema.get("minimum")
    if step is not None:
        _multiple(value, step, path, result)
    # The two bounds come after it, the lower one first.
    if low is not None:
        open_end = bool(schema.get("exclusiveMinimum"))
        bound = int(low) if isinstance(value, int) else low
        if value <= bound if open_end else value < bound:
            than = "greater than" if open_end else "greater than or equal to"
            result.bad(path, value, f"should be {than} {number(bound)}")
    if high is not None:
        open_end = bool(schema.get("exclusiveMaximum"))
        bound = int(high) if isinstance(value, int) else high
        if value >= bound if open_end else value > bound:
            than = "less than" if open_end else "less than or equal to"
            result.bad(path, value, f"should be {than} {number(bound)}")
    return result


def _range(value: float, kind: str, form: str, path: str, result: Result) -> None:
    """Numbers that their type cannot hold. This is said without a path."""
    if kind == "integer":
        bits = 32 if form == "int32" else 64
        whole = isinstance(value, int) or value.is_integer()
        fits = whole and -(1 << bits - 1) <= value < 1 << bits - 1
    else:
        fits = form != "float" or abs(value) <= 3.4028234663852886e38
    if not fits:
        shown = f"with format {form}" if form else "(default format)"
        result.plain(f"Checked value must be of type {kind} {shown} in {path}")


def _multiple(value: float, step: float, path: str, result: Result) -> None:
    if isinstance(value, int):
        step = int(step)
    if step <= 0:
        text = f"factor MultipleOf declared for {path} must be positive: {number(step)}"
        result.add(text, causes.invalid(field_of(path), step, text))
        return
    share = value / step if step >= 1 or isinstance(value, int) else 1 / step * value
    if value % step if isinstance(value, int) else not _is_whole(share):
        result.bad(path, value, f"should be a multiple of {number(step)}")


def _is_whole(share: float) -> bool:
    return abs(share - round(share)) < 1e-9 * max(1.0, abs(share))
