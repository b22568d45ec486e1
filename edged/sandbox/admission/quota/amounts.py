"""Lists of amounts by resource name that are added and compared, and keep the form they were written in. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import NamedTuple

from edged.kube.values.quantity import NANO, QuantityError, parsed, written
from edged.sandbox.cluster import Object


class Amount(NamedTuple):
    """Nano-units, and the form: binary, decimal or exponent."""

    nanos: int
    form: str = "decimal"

    def __str__(self) -> str:
        return written(self.nanos, self.form)


Amounts = dict[str, Amount]


def read(values: Mapping[str, object]) -> Amounts:
    """Quantities of an object; what is none is passed over."""
    found: Amounts = {}
    for name, value in values.items():
        with suppress(QuantityError):
            found[name] = Amount(*parsed(value))
    return found


def texts(amounts: Amounts) -> Object:
    return {name: str(amount) for name, amount in amounts.items()}


def count(number: int) -> Amount:
    return Amount(number * NANO)


def plus(one: Amounts, other: Amounts) -> Amounts:
    """The sum; 0 takes the form of what is added to it."""
    result = dict(one)
    for name, amount in other.items():
        before = result.get(name)
        form = amount.form if before is None or not before.nanos else before.form
        result[name] = Amount((before.nanos if before else 0) + amount.nanos, form)
    return result


def minus(one: Amounts, other: Amounts) -> Amounts:
    """The difference, nowhere below 0; names of `one` only."""
    return {
        name: Amount(max(0, amount.nanos - (other[name].nanos if name in other else 0)), amount.form)
        for name, amount in one.items()
    }


def only(amounts: Amounts, names: Iterable[str]) -> Amounts:
    chosen = set(names)
    return {name: amount for name, amount in amounts.items() if name in chosen}


def shown(amounts: Amounts) -> str:
    """`cpu=1,memory=1Gi`"""
    return ",".join(f"{name}={amount}" for name, amount in sorted(amounts.items()))
