"""Values as programs in Go print them, for texts and comparisons that have to be equal to theirs. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

_INT64 = range(-(2**63), 2**63)
_ESCAPES = {
    "\a": r"\a", "\b": r"\b", "\f": r"\f", "\n": r"\n", "\r": r"\r", "\t": r"\t", "\v": r"\v", '"': r"\"", "\\": r"\\",
}  # fmt: skip


def quoted(text: str) -> str:
    """A text as %q prints it."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(letter: str) -> str:
    if letter in _ESCAPES:
        return _ESCAPES[letter]
    if letter.isprintable():
        return letter
    code = ord(letter)
    if 0xD800 <= code <= 0xDFFF:  # no text in Go has half of a pair
        return "\ufffd"
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def printed(value: object) -> str:
    """A value that was read from JSON as fmt.Sprint prints it, which is %v."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if value in _INT64 else _float(float(value))
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, Mapping):
        return f"map[{' '.join(f'{key}:{printed(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(printed, value))}]"
    return str(value)


def _float(value: float) -> str:
    """The fewest digits that tell it, with an exponent below 1e-4 and from 1e+06."""
    digits = Decimal(repr(value)).normalize()
    exponent = digits.adjusted()
    if value and not -4 <= exponent < 6:
        mantissa = f"{digits.scaleb(-exponent):f}"
        return f"{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    return f"{digits:f}"
