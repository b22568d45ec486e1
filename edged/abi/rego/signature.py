"""What a builtin takes: kinds of arguments, checked before it runs, so that each can trust its own. Pure.

Wrong kinds and numbers of arguments are errors that end the evaluation, never "undefined".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edged.abi.rego.environment import Environment
from edged.abi.rego.values import BuiltinError, Value, dump, dump_json, parse

MAX_TEXT = 4 << 20  # of a result, bytes

KINDS: dict[str, tuple[str, type | tuple[type, ...]]] = {
    "s": ("a string", str),
    "n": ("a number", (int, float)),
    "i": ("an integer", int),
    "b": ("a boolean", bool),
    "a": ("an array", list),
    "o": ("an object", dict),
    "x": ("anything", object),
    "t": ("a string or an array or set of strings", (str, list)),
}
"""Letters of signatures. `a` takes sets, too; of `t` the elements are strings."""


@dataclass(frozen=True, slots=True)
class Builtin:
    """`function(environment, *arguments)`. `quick`: with no more bytes of arguments than this it takes a millisecond or
    two at most; with more it is worked on beside the event loop."""

    name: str
    signature: str
    function: Callable[..., Any]
    quick: int = 32 << 10

    def call(self, environment: Environment, arguments: list[bytes], *, values: bool) -> bytes:
        """From texts to text; `values`: the text may hold sets. Raises BuiltinError."""
        if len(arguments) != len(self.signature):
            raise BuiltinError(f"takes {len(self.signature)} arguments, not {len(arguments)}")
        found = [
            _checked(letter, parse(text), index)
            for index, (letter, text) in enumerate(zip(self.signature, arguments, strict=True), 1)
        ]
        try:
            answer = self.function(environment, *found)
            text = dump(answer) if values else dump_json(answer)
        except RecursionError as error:
            raise BuiltinError("a value is nested too deeply") from error
        if len(text) > MAX_TEXT:
            raise BuiltinError(f"the result of {len(text)} bytes is too long (at most {MAX_TEXT})")
        return text


def _checked(letter: str, value: Value, index: int) -> Value:
    name, kind = KINDS[letter]
    if letter == "i" and isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and letter in "ni"):
        raise BuiltinError(f"argument {index} is not {name}")
    if letter == "t" and isinstance(value, list) and not all(isinstance(item, str) for item in value):
        raise BuiltinError(f"argument {index} holds something that is not a string")
    return value
