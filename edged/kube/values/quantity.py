"""Kubernetes quantities (`100m`, `1Gi`, `1e3`), exact. Pure functions, no classes.

A quantity is an int count of nano-units here, the finest step that Kubernetes keeps (finer text is rounded
away from zero, magnitudes above 2^63-1 units are cut there, as apimachinery does). Called by requests.py,
nodes.py and whoever compares or prints quantities.
"""

from __future__ import annotations

import re
from typing import Final

from edged.errors import EdgedError, shown

NANO: Final = 10**9
_MAX: Final = (2**63 - 1) * NANO
_INT64_MAX: Final = 2**63 - 1
_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_DECIMAL_SUFFIX: Final = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_BINARY: Final = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_BINARY_SUFFIX: Final = {0: "", **{shift: suffix for suffix, shift in _BINARY.items()}}
_MOST_CHARACTERS: Final = 1000
"""API servers write at most some twenty. Reading digits takes time that grows with their square."""
_TEXT: Final = re.compile(
    r"([+-]?)(?:([0-9]+)(?:\.([0-9]*))?|\.([0-9]+))(?:([KMGTPE]i)|([eE])([+-]?[0-9]{1,9})|([numkMGTPE]?))",
    re.ASCII,
)


class QuantityError(EdgedError):
    """Text that is no quantity."""

    def __init__(self, text: object) -> None:
        super().__init__(f"{shown(text)} is not a quantity, such as 500m, 2 or 1.5Gi")


def _scaled(digits: int, exponent: int) -> int:
    """digits x 10^exponent nano-units, rounded up (digits is not negative)."""
    exponent += 9
    if exponent >= 0:
        return digits * 10**exponent if exponent <= 64 else (_MAX if digits else 0)
    return -(-digits // 10**-exponent) if exponent >= -4096 else int(digits > 0)


def _parse(text: object) -> tuple[int, str]:
    """(nano-units, format): format is "binary", "exponent" or "decimal"."""
    match = _TEXT.fullmatch(_text(text))
    if match is None:
        raise QuantityError(text)
    sign, whole, fraction, bare, binary, exponent_mark, exponent, decimal = match.groups()
    fraction = fraction or bare or ""
    digits = int((whole or "") + fraction)
    if binary:
        value, form = _scaled(digits << _BINARY[binary], -len(fraction)), "binary"
    elif exponent_mark:
        value, form = _scaled(digits, int(exponent) - len(fraction)), "exponent"
    else:
        value, form = _scaled(digits, _DECIMAL[decimal or ""] - len(fraction)), "decimal"
    value = min(value, _MAX)
    return (-value if sign == "-" else value), form


def _text(given: object) -> str:
    """What to read as a quantity; "", which is none, for what cannot be one."""
    if isinstance(given, str):
        return given if len(given) <= _MOST_CHARACTERS else ""
    if isinstance(given, bool) or not isinstance(given, int | float):
        return ""
    return str(given) if isinstance(given, float) or given.bit_length() <= _MOST_CHARACTERS else ""


def nano(text: object) -> int:
    """Nano-units of a quantity given as text (JSON numbers are taken too). Raises QuantityError."""
    return _parse(text)[0]


def parsed(text: object) -> tuple[int, str]:
    """(nano-units, the form it is written in: "binary", "exponent" or "decimal"). Raises QuantityError."""
    return _parse(text)


def written(nanos: int, form: str) -> str:
    """Nano-units as Kubernetes prints them in that form."""
    if form == "binary" and abs(nanos) >= 1024 * NANO and nanos % NANO == 0:
        return _binary_text(nanos // NANO)
    return _decimal_text(nanos, form)


def to_units(nanos: int) -> int:
    """Whole units, rounded up."""
    return -(-nanos // NANO)


def to_milli(nanos: int) -> int:
    """Thousandths, rounded up; cut at int64 as upstream's MilliValue is."""
    return min(-(-nanos // 1_000_000), _INT64_MAX)


def units(text: object) -> int:
    """Whole units of a quantity, rounded up: `1500m` is 2. Raises QuantityError."""
    return to_units(nano(text))


def milli(text: object) -> int:
    """Thousandths of a quantity, rounded up: `0.1` is 100. Raises QuantityError."""
    return to_milli(nano(text))


def canonical(text: object) -> str:
    """The text that Kubernetes prints for a quantity: `0.5` is `500m`, `1.5Gi` is `1536Mi`, `1000m` is
    `1`."""
    return written(*_parse(text))


def text_of(nanos: int, *, binary: bool = False) -> str:
    """Nano-units as Kubernetes prints them. `binary`: with Ki, Mi ... where it is a whole number of units."""
    if binary and abs(nanos) >= 1024 * NANO and nanos % NANO == 0:
        return _binary_text(nanos // NANO)
    return _decimal_text(nanos, "decimal")


def _binary_text(value: int) -> str:
    shift = 0
    while shift < 60 and value % 1024 == 0:
        value //= 1024
        shift += 10
    return f"{value}{_BINARY_SUFFIX[shift]}"


def _decimal_text(value: int, form: str) -> str:
    if value == 0:
        return "0"
    exponent = -9
    while exponent < 18 and value % 1000 == 0:
        value //= 1000
        exponent += 3
    if form == "exponent":
        return f"{value}e{exponent}" if exponent else str(value)
    return f"{value}{_DECIMAL_SUFFIX[exponent]}"
