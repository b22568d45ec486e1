"""Optional values."""

from __future__ import annotations

from edged.kube.cel.errors import EvaluationError
from edged.kube.cel.registry import declare
from edged.kube.cel.values import NONE, Optional, Structure

declare("optional.of", object)(Optional)
declare("optional.none")(lambda: NONE)
declare("hasValue", Optional)(lambda value: value.present)


@declare("optional.ofNonZeroValue", object)
def _non_zero(value: object) -> Optional:
    empty = not value.fields if isinstance(value, Structure) else value is None or value in (0, "", b"", [], {}, False)
    return NONE if empty else Optional(value)


@declare("value", Optional)
def _value(value: Optional) -> object:
    if not value.present:
        raise EvaluationError("optional.none() dereference")
    return value.value


def _unwrapped(values: list[object]) -> list[object]:
    if not all(isinstance(each, Optional) for each in values):
        raise EvaluationError("no such overload")
    return [each.value for each in values if isinstance(each, Optional) and each.present]


declare("optional.unwrap", list)(_unwrapped)
declare("unwrapOpt", list)(_unwrapped)
