"""Decodes function bodies: says whether an instance can do to itself what no image of it would hold, and gives
functions other indices (merging.py). Pure.

An image is an instance's memory and its globals (rewriting.py). Tables, and which segments were dropped, are in none,
so an instruction that changes those stands against one. What is not in the tables here counts as such an instruction:
what cannot be decoded is not safe. Instructions: WebAssembly Core Specification 3.0, chapter 5.4, without those of
garbage collection; and the threads proposal.

A module has a million instructions, so a regular expression made of the tables steps over most of them (25 MB of code
per second); where it stops, the instruction is decoded by the same tables here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache

from edged.wasm.binary import Reader, leb
from edged.wasm.errors import BadModule

NUMBER, MEMORY, BLOCK, VECTOR, TYPES, CATCHES = "n", "m", "b", "v", "t", "c"
"""What follows an opcode is written as a string of these and of 1, 4, 8 (so many bytes) and x (sixteen): an index or an
integer constant, what a load or store has, the type of a block, indices, value types, the catches of a block."""


def _shapes(*groups: tuple[str, Iterable[int]]) -> dict[int, str]:
    return {opcode: shape for shape, opcodes in groups for opcode in opcodes}


OPCODES = _shapes(
    (NUMBER, (*range(0x20, 0x26), *range(0x3F, 0x43), 0x08, 0x0C, 0x0D, 0x10, 0x12, 0x14, 0x15)),
    (NUMBER, (0xD0, 0xD2, 0xD5, 0xD6)),
    ("", (0x00, 0x01, 0x05, 0x0A, 0x0B, 0x0F, 0x1A, 0x1B, *range(0x45, 0xC5), 0xD1, 0xD4)),
    (MEMORY, range(0x28, 0x3F)),
    (NUMBER + NUMBER, (0x11, 0x13)),
    (VECTOR + NUMBER, (0x0E,)),
    (TYPES, (0x1C,)),
    (BLOCK, (0x02, 0x03, 0x04)),
    (BLOCK + CATCHES, (0x1F,)),
    ("4", (0x43,)),
    ("8", (0x44,)),
)
"""Control (exceptions, tail calls and function references included), variables, memory, numbers."""
_NO_VECTORS = {154, 162, 165, 166, 175, 176, 178, 179, 180, 187, 194, 197, 198, 207, 208, 210, 211, 212, 226, 238}
PREFIXED = {
    0xFC: _shapes(("", range(8)), (NUMBER + NUMBER, (10,)), (NUMBER, (11, 16))),
    0xFD: _shapes(
        ("", (*range(14, 21), *range(35, 84), *sorted({*range(94, 0x114)} - _NO_VECTORS))),
        (MEMORY, (*range(12), 92, 93)),
        (MEMORY + "1", range(84, 92)),
        ("x", (12, 13)),
        ("1", range(21, 35)),
    ),
    0xFE: _shapes((MEMORY, (0, 1, 2, *range(0x10, 0x4F))), ("1", (3,))),
}
"""Conversions and copies, vectors, atomics."""
REFUSED = {
    (0x26, None): ("table.set", NUMBER),
    (0xFC, 8): ("memory.init", NUMBER + NUMBER),
    (0xFC, 9): ("data.drop", NUMBER),
    (0xFC, 12): ("table.init", NUMBER + NUMBER),
    (0xFC, 13): ("elem.drop", NUMBER),
    (0xFC, 14): ("table.copy", NUMBER + NUMBER),
    (0xFC, 15): ("table.grow", NUMBER),
    (0xFC, 17): ("table.fill", NUMBER),
}
"""What changes more of an instance than its memory and its globals. Whatever else is missing above counts like it."""

_MEMORY_INDEX = 0x40  # a bit beside the alignment: the index of a memory follows
_END = 0x0B
_NAME_FUNCTIONS = frozenset({0x10, 0x12, 0xD2})
"""call, return_call, ref.func."""
_FUNCTION_OPCODES = (b"\x10", b"\x12", b"\xd2")
_LOCAL_TYPES = range(0x69, 0x80)  # of one byte


class _Unsafe(Exception):
    """An instruction that stands against an image."""


def unsafe_instruction(section: bytes, first: int) -> str:
    """What the first instruction is that stands against an image in the payload of a code section, and in which
    function; "" where there is none. `first`: the index of its first function. Raises BadModule."""
    reader = Reader(section)
    for index in range(first, first + reader.number()):
        try:
            _body(reader, reader.number())
        except _Unsafe as found:
            return f"function {index} has {found}"
    return ""


def skip_constant(reader: Reader) -> str:
    """Over the expression that initialises a global; what it has that is not known, "" when it was read. Raises
    BadModule."""
    try:
        while reader.byte() != _END:
            reader.at -= 1
            _instruction(reader)
    except _Unsafe as found:
        return str(found)
    return ""


def _body(reader: Reader, size: int) -> None:
    end = reader.at + size
    if end > len(reader.data):
        raise BadModule("not a valid WebAssembly module: a function is longer than its section")
    _locals(reader)
    data, step = reader.data, _most_instructions().match
    while reader.at < end:
        stepped = step(data, reader.at, end)
        reader.at = stepped.end() if stepped is not None else reader.at
        if reader.at < end:
            _instruction(reader)
    if reader.at > end:
        raise BadModule("not a valid WebAssembly module: a function ends within an instruction")


def renumbered_body(body: bytes, function: Callable[[int], int]) -> bytes:
    """A function's body, without its length, with other indices of functions in it. Raises BadModule, also where an
    instruction is not known."""
    reader = Reader(body)
    parts, kept, end = [], 0, len(body)
    step = _most_instructions(without=_NAME_FUNCTIONS).match
    try:
        _locals(reader)
        while reader.at < end:
            stepped = step(body, reader.at)
            reader.at = stepped.end() if stepped is not None else reader.at
            if body[reader.at : reader.at + 1] in _FUNCTION_OPCODES:
                parts.append(body[kept : reader.at + 1])
                reader.at += 1
                parts.append(leb(function(reader.number())))
                kept = reader.at
            elif reader.at < end:
                _instruction(reader, refuse=False)
    except _Unsafe as found:
        raise BadModule(f"a function has {found}") from found
    return b"".join((*parts, body[kept:]))


def _locals(reader: Reader) -> None:
    """So many of one type, several times."""
    for _ in range(reader.number()):
        reader.number()
        _value_type(reader)


def _instruction(reader: Reader, *, refuse: bool = True) -> None:
    """Over one instruction. `refuse`: those that stand against an image; others are refused in any case."""
    opcode, number = reader.byte(), None
    shapes = OPCODES
    if opcode in PREFIXED:
        shapes, number = PREFIXED[opcode], reader.number()
    shape = shapes.get(opcode if number is None else number)
    if shape is None:
        code = f"0x{opcode:02x}" if number is None else f"0x{opcode:02x} {number}"
        name, shape = REFUSED.get((opcode, number), (f"the instruction {code}, which edged does not know", None))
        if refuse or shape is None:
            raise _Unsafe(name)
    for part in shape:
        _SKIP[part](reader)


def _memory(reader: Reader) -> None:
    if reader.number() & _MEMORY_INDEX:
        reader.number()
    reader.number()


def _reference(reader: Reader) -> bool:
    """Over the first byte of (ref null? heaptype), if there is one: the heap type follows."""
    found = reader.data[reader.at : reader.at + 1] in (b"\x63", b"\x64")
    reader.at += found
    return found


def _block(reader: Reader) -> None:
    _reference(reader)
    reader.number()


def _vector(reader: Reader) -> None:
    for _ in range(reader.number()):
        reader.number()


def _value_type(reader: Reader) -> None:
    if _reference(reader):
        reader.number()
    elif (code := reader.byte()) not in _LOCAL_TYPES:
        raise _Unsafe(f"the type 0x{code:02x}, which edged does not know")


def _types(reader: Reader) -> None:
    for _ in range(reader.number()):
        _value_type(reader)


def _catches(reader: Reader) -> None:
    for _ in range(reader.number()):
        if reader.byte() in (0, 1):  # for a tag; else for all
            reader.number()
        reader.number()


_SKIP: dict[str, Callable[[Reader], object]] = {
    NUMBER: Reader.number,
    MEMORY: _memory,
    BLOCK: _block,
    VECTOR: _vector,
    TYPES: _types,
    CATCHES: _catches,
    "1": lambda reader: reader.take(1),
    "4": lambda reader: reader.take(4),
    "8": lambda reader: reader.take(8),
    "x": lambda reader: reader.take(16),
}

_NUMBER = rb"[\x80-\xff]*+[\x00-\x7f]"
_PATTERNS = {
    NUMBER: _NUMBER,
    MEMORY: rb"[\x00-\x3f]" + _NUMBER,
    BLOCK: rb"[\x63\x64]?+" + _NUMBER,
    "1": rb"[\x00-\xff]",
    "4": rb"[\x00-\xff]{4}",
    "8": rb"[\x00-\xff]{8}",
    "x": rb"[\x00-\xff]{16}",
}
"""For parts of usual form: what has another, and parts that are not here, are left to `_instruction`."""


@cache
def _most_instructions(without: frozenset[int] = frozenset()) -> re.Pattern[bytes]:
    """Matches as many whole instructions as it can. Made when it is first needed: the daemon decodes no code."""
    opcodes = {opcode: shape for opcode, shape in OPCODES.items() if opcode not in without}
    choices = [_class(group) + after for group, after in _by_pattern(opcodes)]
    for prefix, shapes in PREFIXED.items():
        for numbers, after in _by_pattern(shapes):
            encoded = [leb(number) for number in numbers]
            tails = dict.fromkeys(code[1:] for code in encoded)
            codes = [_class(code[0] for code in encoded if code[1:] == tail) + re.escape(tail) for tail in tails]
            choices.append(re.escape(bytes([prefix])) + b"(?:" + b"|".join(codes) + b")" + after)
    # The last choice is nothing: with it no round ever fails, after which Python before 3.11.5 would go on from within.
    return re.compile(b"(?:" + b"|".join(choices) + b"|)*+")


def _by_pattern(shapes: dict[int, str]) -> list[tuple[list[int], bytes]]:
    """Opcodes, and what matches all that follows one of them; without those that have no such pattern."""
    return [
        ([opcode for opcode, one in shapes.items() if one == shape], b"".join(_PATTERNS[part] for part in shape))
        for shape in dict.fromkeys(shapes.values())
        if _PATTERNS.keys() >= set(shape)
    ]


def _class(codes: Iterable[int]) -> bytes:
    return b"[" + b"".join(re.escape(bytes([code])) for code in codes) + b"]"
