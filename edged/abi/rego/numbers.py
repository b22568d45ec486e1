"""Builtins about numbers and names made of numbers: units.*, semver.*, uuid.*, rand.intn, numbers.range_step. Pure but
for randomness."""

from __future__ import annotations

import random
import re
import uuid
from fractions import Fraction
from typing import Any

from edged.abi.rego.environment import Environment
from edged.abi.rego.signature import Builtin
from edged.abi.rego.values import BuiltinError, Value, dump

MOST_NUMBERS = 100_000
_AMOUNT = re.compile(r"[0-9.]*(?:[eE][+-]?[0-9]+)?")
_NUMBER = re.compile(r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,6})?")
_POWERS = "kmgtpe"
_VERSION = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?"
    r"(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?",
    re.ASCII,
)


def _amount(text: str, name: str) -> tuple[Fraction, str]:
    """(number, unit) of a quantity."""
    text = text.replace('"', "")
    if " " in text:
        raise BuiltinError(f"{name}: spaces not allowed in resource strings")
    if len(text) > 100:
        raise BuiltinError(f"{name}: amount too long")
    sign = text[:1] if text[:1] in ("+", "-") else ""
    match = _AMOUNT.match(text, len(sign))
    assert match is not None
    if not match[0]:
        raise BuiltinError(f"{name}: no amount provided")
    number = match[0]
    if not _NUMBER.fullmatch(number) or abs(int(number.lower().partition("e")[2] or 0)) > 400:
        raise BuiltinError(f"{name}: could not parse amount to a number")
    return Fraction(sign + number.rstrip(".")), text[match.end() :]


def _units_parse(_environment: Environment, text: str) -> int | float:
    """`m` is a thousandth, `M` a million; `Mi` counts by 1024. Ten decimals."""
    amount, unit = _amount(text, "units.parse")
    unit = unit[:1] + unit[1:].lower()
    if unit == "m":
        amount /= 1000
    elif unit:
        power = _POWERS.find(unit[0].lower()) + 1
        if not power or unit[1:] not in ("", "i"):
            raise BuiltinError(f"units.parse: unit {unit} not recognized")
        amount *= (1024 if unit[1:] else 1000) ** power
    return amount.numerator if amount.denominator == 1 else float(round(amount, 10))


def _parse_bytes(_environment: Environment, text: str) -> int:
    amount, unit = _amount(text.lower(), "units.parse_bytes")
    if unit:
        power = _POWERS.find(unit[0]) + 1
        if not power or unit[1:] not in ("", "b", "i", "ib"):
            raise BuiltinError(f"units.parse_bytes: byte unit {unit} not recognized")
        amount *= (1024 if unit[1:2] == "i" else 1000) ** power
    return int(amount)


def _version(text: str, number: int) -> tuple[Any, ...]:
    """Something that sorts as SemVer 2.0 says."""
    match = _VERSION.fullmatch(text) if len(text) < 1000 else None
    if match is None:
        raise BuiltinError(f"operand {number}: string {text} is not a valid SemVer")
    core = tuple(int(part) for part in match.groups()[:3])
    if match[4] is None:
        return (*core, 1, ())
    parts = tuple(
        (0, int(part), "") if part.isascii() and part.isdigit() else (1, 0, part) for part in match[4].split(".")
    )
    return (*core, 0, parts)


def _compare(_environment: Environment, one: str, other: str) -> int:
    first, second = _version(one, 1), _version(other, 2)
    return (first > second) - (first < second)


def _is_valid(_environment: Environment, text: object) -> bool:
    return isinstance(text, str) and len(text) < 1000 and _VERSION.fullmatch(text) is not None


def _random(environment: Environment, key: str, most: int) -> int:
    """The same for the same arguments, throughout one evaluation."""
    most = abs(most)
    if not most:
        return 0
    if most >= 1 << 63:
        raise BuiltinError("the number is too large")
    return int(environment.remembered.setdefault(("rand.intn", key, most), random.SystemRandom().randrange(most)))


def _uuid(environment: Environment, key: Value) -> str:
    return str(environment.remembered.setdefault(("uuid", dump(key)), str(uuid.uuid4())))


_FIVE = "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
_UUID = re.compile(rf"(?:(?i:urn:uuid:))?({_FIVE})|.({_FIVE}).|([0-9A-Fa-f]{{32}})", re.DOTALL)
"""As Go's parser has it: between braces, or between any two characters."""


def _uuid_parse(_environment: Environment, text: str) -> dict[str, Value]:
    match = _UUID.fullmatch(text) if text.isascii() else None
    if match is None:
        raise BuiltinError(f"not a UUID: {text[:64]}")
    parsed = uuid.UUID(match[1] or match[2] or match[3])
    variants = {uuid.RFC_4122: "RFC4122", uuid.RESERVED_NCS: "Reserved", uuid.RESERVED_MICROSOFT: "Microsoft"}
    parts: dict[str, Value] = {
        "version": parsed.bytes[6] >> 4,
        "variant": variants.get(parsed.variant, "Future"),
    }
    if parts["version"] in (1, 2):
        node = parsed.node.to_bytes(6, "big")
        kinds = ("global:unicast", "global:multicast", "local:unicast", "local:multicast")
        parts |= {
            "time": (parsed.time - 0x01B21DD213814000) * 100,
            "nodeid": node.hex("-"),
            "macvariables": kinds[node[0] & 3],
            "clocksequence": parsed.clock_seq,
        }
    if parts["version"] == 2:
        domain = parsed.clock_seq_low
        parts |= {"id": parsed.time_low, "domain": {0: "Person", 1: "Group", 2: "Org"}.get(domain, f"Domain{domain}")}
    return parts


def _range_step(_environment: Environment, first: int, last: int, step: int) -> list[int]:
    if step <= 0:
        raise BuiltinError("numbers.range_step: step must be a positive integer")
    numbers = range(first, last + 1, step) if first <= last else range(first, last - 1, -step)
    if (abs(last - first) // step) >= MOST_NUMBERS:
        raise BuiltinError(f"numbers.range_step: more than {MOST_NUMBERS} numbers")
    return list(numbers)


BUILTINS = (
    Builtin("units.parse", "s", _units_parse),
    Builtin("units.parse_bytes", "s", _parse_bytes),
    Builtin("semver.compare", "ss", _compare),
    Builtin("semver.is_valid", "x", _is_valid),
    Builtin("rand.intn", "si", _random),
    Builtin("uuid.rfc4122", "x", _uuid),
    Builtin("uuid.parse", "s", _uuid_parse),
    Builtin("numbers.range_step", "iii", _range_step, 0),
)
