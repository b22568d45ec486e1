"""Semantic versions, as blang/semver reads them."""

from __future__ import annotations

import re

from edged.kube.cel.errors import EvaluationError
from edged.kube.cel.registry import declare
from edged.kube.cel.values import Opaque

_LONGEST = 1000
_IDENTIFIER = re.compile(r"[0-9A-Za-z-]+")
_PARTS = ("Major", "Minor", "Patch")


class Semver(Opaque):
    """`before`: the identifiers of a pre-release; numbers are numbers."""

    type_name = "kubernetes.Semver"
    __slots__ = ("before", "numbers")

    def __init__(self, numbers: tuple[int, int, int], before: tuple[int | str, ...]) -> None:
        self.numbers = numbers
        self.before = before

    def identity(self) -> object:
        return self.numbers, self.before

    def compared(self, other: Semver) -> int:
        if self.numbers != other.numbers:
            return 1 if self.numbers > other.numbers else -1
        if not self.before or not other.before:
            return bool(other.before) - bool(self.before)
        one, two = map(_ordered, (self.before, other.before))
        return (one > two) - (one < two)


def _ordered(parts: tuple[int | str, ...]) -> tuple[tuple[int, int, str], ...]:
    return tuple((0, each, "") if isinstance(each, int) else (1, 0, each) for each in parts)


@declare("semver", str)
def _semver(text: str) -> Semver:
    return _read(text)


@declare("semver", str, bool)
def _normalized(text: str, normalize: bool) -> Semver:
    return _read(_normal(text) if normalize else text)


declare("isSemver", str)(lambda text: _is_semver(text, normalize=False))
declare("isSemver", str, bool)(lambda text, normalize: _is_semver(text, normalize=normalize))


def _is_semver(text: str, *, normalize: bool) -> bool:
    try:
        _normalized(text, normalize)
    except EvaluationError:
        return False
    return True


def _normal(text: str) -> str:
    text = text.strip().removeprefix("v")
    cut = min((index for index in (text.find("-"), text.find("+")) if index >= 0), default=len(text))
    parts = text[:cut].split(".")
    parts = [part.lstrip("0") or "0" if part else part for part in parts]
    return ".".join([*parts, *["0"] * (3 - len(parts))]) + text[cut:]


def _read(text: str) -> Semver:
    if not text:
        raise EvaluationError("Version string empty")
    parts = text[:_LONGEST].split(".", 2)
    if len(parts) != 3:
        raise EvaluationError("No Major.Minor.Patch elements found")
    patch, plus, build = parts[2].partition("+")
    patch, dash, before = patch.partition("-")
    numbers = [_number(name, part) for name, part in zip(_PARTS, (parts[0], parts[1], patch), strict=True)]
    identifiers = tuple(_before(each) for each in before.split(".")) if dash else ()
    for each in build.split(".") if plus else ():
        if not each:
            raise EvaluationError("Build meta data is empty")
        if not _IDENTIFIER.fullmatch(each):
            raise EvaluationError(f'Invalid character(s) found in build meta data "{each}"')
    return Semver((numbers[0], numbers[1], numbers[2]), identifiers)


def _number(name: str, text: str) -> int:
    if not text.isascii() or (text and not text.isdigit()):
        raise EvaluationError(f'Invalid character(s) found in {name.lower()} number "{text}"')
    if len(text) > 1 and text[0] == "0":
        raise EvaluationError(f'{name} number must not contain leading zeroes "{text}"')
    if not text:
        raise EvaluationError('strconv.ParseUint: parsing "": invalid syntax')
    return int(text[:30])


def _before(text: str) -> int | str:
    if not text:
        raise EvaluationError("Prerelease is empty")
    if text.isascii() and text.isdigit():
        if len(text) > 1 and text[0] == "0":
            raise EvaluationError(f'Numeric PreRelease version must not contain leading zeroes "{text}"')
        return int(text)
    if not _IDENTIFIER.fullmatch(text):
        raise EvaluationError(f'Invalid character(s) found in prerelease "{text}"')
    return text


for _index, _name in enumerate(("major", "minor", "patch")):
    declare(_name, Semver)(lambda value, index=_index: value.numbers[index])
declare("compareTo", Semver, Semver)(lambda one, other: one.compared(other))
declare("isLessThan", Semver, Semver)(lambda one, other: one.compared(other) < 0)
declare("isGreaterThan", Semver, Semver)(lambda one, other: one.compared(other) > 0)
