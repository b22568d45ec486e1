"""int(), uint(), double(), string(), bytes(), bool(), type()."""

from __future__ import annotations

import math
import re

from edged.kube.cel.errors import EvaluationError
from edged.kube.cel.library.operators import fitting, fitting_uint
from edged.kube.cel.registry import declare
from edged.kube.cel.values import Duration, Timestamp, TypeValue, UInt, type_name

_WHOLE = re.compile(r"[+-]?[0-9]{1,20}")
_DOUBLE = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?(?:inf|infinity)|nan", re.IGNORECASE)
_BOOLS = {"1": True, "t": True, "T": True, "TRUE": True, "true": True, "True": True,
          "0": False, "f": False, "F": False, "FALSE": False, "false": False, "False": False}  # fmt: skip


def failed(value: object, wanted: str) -> EvaluationError:
    return EvaluationError(f"type conversion error from '{type_name(value)}' to '{wanted}'")


_KINDS = (("int", int), ("uint", UInt), ("double", float), ("string", str), ("bytes", bytes), ("bool", bool))
for _name, _kind in _KINDS:
    declare(_name, _kind)(lambda value: value)

declare("int", UInt)(lambda value: fitting(int(value)))
declare("int", Timestamp)(lambda value: value.nanos // 10**9)
declare("int", Duration)(lambda value: value.nanos)
declare("uint", int)(fitting_uint)
declare("bytes", str)(lambda value: value.encode())
declare("type", object)(lambda value: TypeValue(type_name(value)))


@declare("int", str)
def _int(text: str) -> int:
    if not _WHOLE.fullmatch(text) or not -(2**63) <= int(text) < 2**63:
        raise failed(text, "int")
    return int(text)


@declare("int", float)
def _truncated(value: float) -> int:
    if not math.isfinite(value) or not -(2**63) < value < 2**63:
        raise EvaluationError("integer overflow")
    return int(value)


@declare("uint", str)
def _uint(text: str) -> UInt:
    if not _WHOLE.fullmatch(text) or not 0 <= int(text) < 2**64:
        raise failed(text, "uint")
    return UInt(text)


@declare("uint", float)
def _truncated_uint(value: float) -> UInt:
    if not math.isfinite(value) or not 0 <= value < 2**64:
        raise EvaluationError("unsigned integer overflow")
    return UInt(int(value))


@declare("double", int)
@declare("double", UInt)
def _whole_double(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        raise failed(value, "double") from None


@declare("double", str)
def _double(text: str) -> float:
    if not _DOUBLE.fullmatch(text):
        raise failed(text, "double")
    return float(text)


@declare("bool", str)
def _bool(text: str) -> bool:
    if text not in _BOOLS:
        raise failed(text, "bool")
    return _BOOLS[text]


@declare("string", bytes)
def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise EvaluationError("invalid UTF-8 in bytes, cannot convert to string") from None


declare("string", bool)(lambda value: "true" if value else "false")
declare("string", int)(str)
declare("string", UInt)(lambda value: str(int(value)))


@declare("string", float)
def double_text(value: float) -> str:
    """As Go writes it: the shortest that reads the same, with an exponent below -4 and from 21 on."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    digits, _, exponent = repr(value).partition("e")
    if not value:
        return "-0" if math.copysign(1, value) < 0 else "0"
    mantissa = f"{value:.17e}" if not exponent else digits
    power = int(exponent) if exponent else int(mantissa.partition("e")[2])
    if -5 < power < (16 if exponent else 21):
        return digits.removesuffix(".0") if not exponent else f"{value:.0f}"
    if not exponent:
        whole = digits.replace(".", "").lstrip("-").strip("0")
        digits = f"{'-' if value < 0 else ''}{whole[0]}{'.' + whole[1:] if whole[1:] else ''}"
    return f"{digits.removesuffix('.0')}e{'-' if power < 0 else '+'}{abs(power):02d}"
