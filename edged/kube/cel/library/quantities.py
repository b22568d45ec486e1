"""Quantities of Kubernetes."""

from __future__ import annotations

from edged.kube.cel.errors import EvaluationError
from edged.kube.cel.registry import declare
from edged.kube.cel.values import Opaque
from edged.kube.values.quantity import NANO, QuantityError, nano

_PATTERN = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"
_INT_MAX = 2**63 - 1


class Quantity(Opaque):
    """In nano-units."""

    type_name = "kubernetes.Quantity"
    __slots__ = ("nanos",)

    def __init__(self, nanos: int) -> None:
        self.nanos = nanos

    def identity(self) -> object:
        return self.nanos

    def whole(self) -> int | None:
        """Units, where it is a whole number of them that fits."""
        units, rest = divmod(self.nanos, NANO)
        return units if not rest and abs(units) <= _INT_MAX else None


@declare("quantity", str)
def _quantity(text: str) -> Quantity:
    try:
        return Quantity(nano(text))
    except QuantityError:
        raise EvaluationError(f"quantities must match the regular expression '{_PATTERN}'") from None


@declare("isQuantity", str)
def _is_quantity(text: str) -> bool:
    try:
        nano(text)
    except QuantityError:
        return False
    return True


@declare("asInteger", Quantity)
def _as_integer(value: Quantity) -> int:
    whole = value.whole()
    if whole is None:
        raise EvaluationError("cannot convert value to integer")
    return whole


def _sign(nanos: int) -> int:
    return (nanos > 0) - (nanos < 0)


declare("isInteger", Quantity)(lambda value: value.whole() is not None)
declare("asApproximateFloat", Quantity)(lambda value: value.nanos / NANO)
declare("sign", Quantity)(lambda value: _sign(value.nanos))
declare("add", Quantity, Quantity)(lambda one, other: Quantity(one.nanos + other.nanos))
declare("add", Quantity, int)(lambda one, other: Quantity(one.nanos + other * NANO))
declare("sub", Quantity, Quantity)(lambda one, other: Quantity(one.nanos - other.nanos))
declare("sub", Quantity, int)(lambda one, other: Quantity(one.nanos - other * NANO))
declare("compareTo", Quantity, Quantity)(lambda one, other: _sign(one.nanos - other.nanos))
declare("isLessThan", Quantity, Quantity)(lambda one, other: one.nanos < other.nanos)
declare("isGreaterThan", Quantity, Quantity)(lambda one, other: one.nanos > other.nanos)
