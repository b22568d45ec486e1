"""What plain and tagged scalars are, by the rules of the programs that read YAML; the errors of reading. Pure."""

from __future__ import annotations

import binascii
import math
import re
import struct
from collections.abc import Mapping
from typing import Any, Final

from edged.errors import EdgedError
from edged.records import dataclass


class YamlError(EdgedError, ValueError):
    """A text that is not YAML, or that has no JSON form."""


class DuplicateKeys(YamlError):
    """A strictly read document has keys twice: `found` has (line, key as Go writes it) of each further one, `value` is
    what is read without strictness."""

    def __init__(self, message: str, found: tuple[tuple[int, str], ...], value: Any) -> None:
        super().__init__(message)
        self.found, self.value = found, value


@dataclass(frozen=True, slots=True)
class Rules:
    """Where readers of YAML differ."""

    words: Mapping[str, bool | float | None]
    """Plain scalars that stand for themselves."""
    signed: Mapping[str, int]
    """Prefixes after which a sign may stand, with their base."""
    merges_override: bool
    """Whether `<<` replaces keys that stand before it; otherwise a mapping's own keys win."""
    unsigned_keys: bool
    """Whether integers of more than 63 bits can be keys."""
    whole_stream: bool
    """Whether what follows the first document must be YAML, too."""
    lone_tag_is_text: bool = True
    """Whether the tag `!` makes text of a plain scalar; otherwise it says nothing."""
    replaced_may_be_wrong: bool = False
    """Whether a value that a later key replaces may have tags and merges that do not fit."""
    times_in_full: bool = False
    """Whether the tag `!!timestamp` makes a time of RFC 3339 of a day or a time without zone."""
    only_text: bool = False
    """Whether every scalar is its text, as for readers that know which fields are text."""


_WORDS: Final[dict[str, bool | float | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
_WORDS_OF_YAML_1_1: Final = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "off", "Off", "OFF"), False),
}
KUBERNETES: Final = Rules(
    _WORDS | _WORDS_OF_YAML_1_1, {"0b": 2}, merges_override=True, unsigned_keys=False, whole_stream=False
)
"""Those of sigs.k8s.io/yaml, which stands on version 2 of Go's YAML library."""
OPA: Final = Rules(
    _WORDS, {"0b": 2, "0o": 8}, merges_override=False, unsigned_keys=True, whole_stream=True, lone_tag_is_text=False,
    replaced_may_be_wrong=True, times_in_full=True,
)  # fmt: skip
"""Those of `yaml.unmarshal` in OPA, which stands on version 3."""
TEXT: Final = Rules({}, {}, merges_override=True, unsigned_keys=False, whole_stream=False, only_text=True)
"""For fields that hold text: `1.10` is no number there, and nothing is empty text."""


PREFIX: Final = "tag:yaml.org,2002:"
_FIRST_OF_NUMBERS: Final = frozenset("+-0123456789")
_INTEGER: Final = re.compile(r"([-+]?)(?:0[bB]([01]+)|0[oO]([0-7]+)|0[xX]([0-9a-fA-F]+)|0([0-7]+)|(0|[1-9][0-9]*))")
_BASES: Final = (2, 8, 16, 8, 10)
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_FRACTION: Final = re.compile(r"\.[0-9](?:_?[0-9])*(?:[eE][-+]?[0-9](?:_?[0-9])*)?")
_DAY: Final = r"([0-9]{4})-(0?[1-9]|1[0-2])-([0-9]{1,2})"
_TIME: Final = r"(?:[01]?[0-9]|2[0-3]):[0-5]?[0-9]:[0-5]?[0-9](?:[.,][0-9]+)?"
_ZONE: Final = r"(?:Z|[-+](?:[01][0-9]|2[0-4]):(?:[0-5][0-9]|60))"
_TIMESTAMP: Final = f"{_DAY}(?:[Tt]{_TIME}{_ZONE}| +{_TIME})?"


def plain(text: str, rules: Rules) -> Any:
    """What a scalar without quotes and tag is; floats may be infinite or NaN."""
    if rules.only_text:
        return text
    if text in rules.words:
        return rules.words[text]
    if text[0] in _FIRST_OF_NUMBERS:
        return _number(text, rules)
    if text[0] == "." and _FRACTION.fullmatch(text):
        value = float(text)
        return text if math.isinf(value) else value
    return text


def _number(text: str, rules: Rules) -> int | float | str:
    plain = text.replace("_", "")
    if match := _INTEGER.fullmatch(plain):
        base, digits = next((base, digits) for base, digits in zip(_BASES, match.groups()[1:], strict=True) if digits)
        if (value := _integer(match[1], digits, base)) is not None:
            return value
    if _FLOAT.fullmatch(plain):
        number = float(plain)
        return text if math.isinf(number) else number
    for prefix, base in rules.signed.items():
        if plain.startswith(prefix) and (match := re.fullmatch(_SIGNED[base], plain[len(prefix) :])):
            value = _integer(match[1], match[2], base)
            return text if value is None else value
    return text


_SIGNED: Final = {2: "([-+])([01]+)", 8: "([-+])([0-7]+)"}


def _integer(sign: str, digits: str, base: int) -> int | None:
    """None beyond 64 bits: an integer with a sign has 63."""
    if len(digits) > 4000:
        return None
    value = int(digits, base)
    if sign == "-":
        return -value if value <= 1 << 63 else None
    return value if value >> 64 == 0 and not (sign and value >> 63) else None


def tagged(tag: str, text: str, rules: Rules) -> Any:
    """Raises ValueError for a text that is not what its tag says. Tags that nobody knows stand for text."""
    if not tag.startswith(PREFIX):
        return text
    name = tag.removeprefix(PREFIX)
    if name == "binary":
        return _binary(text)
    if rules.only_text or name not in ("null", "bool", "int", "float", "timestamp"):
        return text
    if name == "timestamp":
        kind, value = ("timestamp" if _is_timestamp(text) else "str"), text
    else:
        value = plain(text, rules)
        kind = _KINDS[type(value)]
    if name == "float" and isinstance(value, int) and kind == "int" and value >> 63 <= 0:
        return float(value)
    if kind != name:
        raise ValueError(f"cannot decode !!{kind} `{text}` as a !!{name}")
    return _in_full(text) if kind == "timestamp" and rules.times_in_full else value


_KINDS: Final[dict[type, str]] = {type(None): "null", bool: "bool", int: "int", float: "float", str: "str"}


def _is_timestamp(text: str) -> bool:
    match = re.fullmatch(_TIMESTAMP, text)
    return match is not None and 1 <= int(match[3]) <= _days(int(match[1]), int(match[2]))


def _in_full(timestamp: str) -> str:
    day, clock, zone = re.fullmatch(r"([0-9-]+)(?:[Tt ] *([0-9:.,]+)(.*))?", timestamp).groups("")  # type: ignore[union-attr]
    year, month, of_month = day.split("-")
    hour, minute, second = (clock or "0:0:0").replace(",", ".").split(":")
    whole, _, fraction = second.partition(".")
    fraction = fraction[:9].rstrip("0")
    moment = f"{year}-{month:>02}-{of_month:>02}T{hour:>02}:{minute:>02}:{whole:>02}"
    return moment + (f".{fraction}" if fraction else "") + ("Z" if zone[1:] in ("", "00:00") else zone)


def _days(year: int, month: int) -> int:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


_BASE64: Final = "[A-Za-z0-9+/]*={0,2}"


def _binary(text: str) -> str:
    """What Go makes a JSON text of: U+FFFD for each byte that is not UTF-8. Raises ValueError."""
    digits = text.replace("\r", "").replace("\n", "")
    if len(digits) % 4 or not re.fullmatch(_BASE64, digits):
        raise ValueError("!!binary value contains invalid base64 data")
    return re.sub("[\udc80-\udcff]", "\ufffd", binascii.a2b_base64(digits).decode("utf-8", "surrogateescape"))


def number_of_json(value: float) -> int | float:
    """What is read of the JSON that Go writes: whole numbers have no point there."""
    if value.is_integer() and abs(value) < 1e21:
        from decimal import Decimal

        whole = int(Decimal(repr(value)))
        if -(1 << 63) <= whole < 1 << 64:
            return whole
    return value


def text_of_key(value: bool | int | float) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else _short(value)


def _short(value: float) -> str:
    """As Go writes a number of 32 bits ("%g")."""
    from decimal import Decimal

    single = _single(value)
    if not math.isfinite(single):
        return ".nan" if math.isnan(single) else ".inf" if single > 0 else "-.inf"
    shown = (f"{single:.{places}e}" for places in range(9))
    shortest = next(text for text in shown if _single(float(text)) == single)
    exponent = int(shortest.partition("e")[2])
    return f"{Decimal(shortest):f}" if -4 <= exponent < 6 else shortest


def _single(value: float) -> float:
    """The nearest number of 32 bits."""
    try:
        (single,) = struct.unpack("f", struct.pack("f", value))
    except OverflowError:
        return math.copysign(math.inf, value)
    return float(single)
