"""Arithmetic, comparison, membership, negation."""

from __future__ import annotations

import math
from collections.abc import Callable

from edged.kube.cel.errors import EvaluationError
from edged.kube.cel.registry import declare
from edged.kube.cel.values import Duration, Timestamp, UInt, compare, equal

_INT_MAX, _UINT_MAX = 2**63 - 1, 2**64 - 1
_LONGEST = 10_000_000
"""Characters of a text that an expression makes; costs end it before."""


def fitting(number: int) -> int:
    """Raises EvaluationError for what does not fit into 64 bits."""
    if not -_INT_MAX - 1 <= number <= _INT_MAX:
        raise EvaluationError("integer overflow")
    return number


def fitting_uint(number: int) -> UInt:
    if not 0 <= number <= _UINT_MAX:
        raise EvaluationError("unsigned integer overflow")
    return UInt(number)


def duration(nanos: int) -> Duration:
    if not -_INT_MAX - 1 <= nanos <= _INT_MAX:
        raise EvaluationError("duration overflow")
    return Duration(nanos)


def timestamp(nanos: int, offset: int = 0) -> Timestamp:
    """From year 1 to 9999."""
    if not -62135596800 * 10**9 <= nanos < 253402300800 * 10**9:
        raise EvaluationError("timestamp overflow")
    return Timestamp(nanos, offset)


def _divided(one: int, other: int) -> int:
    if other == 0:
        raise EvaluationError("division by zero")
    whole = abs(one) // abs(other)
    return whole if (one < 0) == (other < 0) else -whole


def _rest(one: int, other: int) -> int:
    if other == 0:
        raise EvaluationError("modulus by zero")
    return one - other * _divided(one, other)


def _divided_double(one: float, other: float) -> float:
    if other == 0:
        sign = math.copysign(1, one) * math.copysign(1, other)
        return math.nan if one == 0 or math.isnan(one) else sign * math.inf
    return one / other


_WHOLE: dict[str, Callable[[int, int], int]] = {
    "_+_": lambda one, other: one + other, "_-_": lambda one, other: one - other, "_*_": lambda one, other: one * other,
    "_/_": _divided, "_%_": _rest,
}  # fmt: skip
_DOUBLES: dict[str, Callable[[float, float], float]] = {
    "_+_": lambda one, other: one + other, "_-_": lambda one, other: one - other, "_*_": lambda one, other: one * other,
    "_/_": _divided_double,
}  # fmt: skip


def _numbers(name: str) -> None:
    whole = _WHOLE[name]
    declare(name, int, int)(lambda one, other: fitting(whole(one, other)))
    declare(name, UInt, UInt)(lambda one, other: fitting_uint(whole(int(one), int(other))))
    if name in _DOUBLES:
        declare(name, float, float)(_DOUBLES[name])


for _name in _WHOLE:
    _numbers(_name)


@declare("_+_", str, str)
def _joined(one: str, other: str) -> str:
    if len(one) + len(other) > _LONGEST:
        raise EvaluationError("operation cancelled: actual cost limit exceeded")
    return one + other


declare("_+_", bytes, bytes)(lambda one, other: one + other)
declare("_+_", list, list)(lambda one, other: one + other)
declare("_+_", Duration, Duration)(lambda one, other: duration(one.nanos + other.nanos))
declare("_+_", Timestamp, Duration)(lambda one, other: timestamp(one.nanos + other.nanos, one.offset))
declare("_+_", Duration, Timestamp)(lambda one, other: timestamp(one.nanos + other.nanos, other.offset))
declare("_-_", Duration, Duration)(lambda one, other: duration(one.nanos - other.nanos))
declare("_-_", Timestamp, Duration)(lambda one, other: timestamp(one.nanos - other.nanos, one.offset))
declare("_-_", Timestamp, Timestamp)(lambda one, other: duration(one.nanos - other.nanos))
declare("-_", int)(lambda value: fitting(-value))
declare("-_", float)(lambda value: -value)
declare("!_", bool)(lambda value: not value)
declare("_==_", object, object)(equal)
declare("_!=_", object, object)(lambda one, other: not equal(one, other))
declare("_<_", object, object)(lambda one, other: compare(one, other) < 0)
declare("_<=_", object, object)(lambda one, other: compare(one, other) <= 0)
declare("_>_", object, object)(lambda one, other: compare(one, other) > 0)
declare("_>=_", object, object)(lambda one, other: compare(one, other) >= 0)
declare("@in", object, list)(lambda value, within: any(equal(value, each) for each in within))


@declare("@in", object, dict)
def _in_map(value: object, within: dict[object, object]) -> bool:
    if isinstance(value, list | dict) or value is None:
        return False
    return any(type(each) is type(value) or not isinstance(value, bool) for each in within) and value in within


declare("dyn", object)(lambda value: value)
declare("size", str)(len)
declare("size", bytes)(len)
declare("size", list)(len)
declare("size", dict)(len)
