"""Which objects of a watch concern a module: the conditions of `where`. All of them have to hold."""

from __future__ import annotations

from typing import Literal, NamedTuple

from edged.controllers.core.fields import Fields
from edged.controllers.core.pointers import MISSING, Pointer, read

MOST_ALTERNATIVES = 16
Test = Literal["eq", "ne", "exists", "any"]
_TESTS: tuple[Test, ...] = ("eq", "ne", "exists")
Scalar = str | int | float | bool | None


class Condition(NamedTuple):
    """`eq`, `ne`: what stands at the pointer is, or is not, this value and of its type; nothing there is null.
    `exists`: whether there is something that is not null and not an empty text, list or object. `any`: one of the
    alternatives holds."""

    test: Test
    pointer: Pointer = Pointer("", ())
    type: str = ""
    value: Scalar = None
    alternatives: tuple[Condition, ...] = ()

    @property
    def pointers(self) -> tuple[Pointer, ...]:
        """Everything that it reads."""
        if self.test == "any":
            return tuple(pointer for each in self.alternatives for pointer in each.pointers)
        return (self.pointer,)

    def holds(self, obj: object) -> bool:
        if self.test == "any":
            return any(each.holds(obj) for each in self.alternatives)
        found = read(obj, self.pointer)
        if found is MISSING:
            found = None
        if self.test == "exists":
            return (found is not None and found not in ("", [], {})) is self.value
        same = _type_of(found) == self.type and found == self.value
        return same is (self.test == "eq")


def all_hold(conditions: tuple[Condition, ...], obj: object) -> bool:
    return all(each.holds(obj) for each in conditions)


def condition_of(fields: Fields) -> Condition:
    """`{"pointer", "eq" | "ne" | "exists"}` or `{"any": [...]}`."""
    if fields.has("any"):
        return Condition("any", alternatives=tuple(_plain(each) for each in fields.each("any", most=MOST_ALTERNATIVES)))
    return _plain(fields)


def _plain(fields: Fields) -> Condition:
    given = [test for test in _TESTS if fields.given(test)]
    if len(given) != 1:
        raise fields.wrong("", "needs one of eq, ne and exists beside its pointer")
    test = given[0]
    pointer = fields.pointer("pointer")
    if test == "exists":
        return Condition(test, pointer, "boolean", fields.flag("exists"))
    value = fields.value(test)
    if not isinstance(value, str | int | float | bool | None):
        raise fields.wrong(test, "must be a string, a number, a boolean or null")
    return Condition(test, pointer, _type_of(value), value)


def _type_of(value: object) -> str:
    """So that true is not 1."""
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float) else type(value).__name__
