"""Changes a module so that images can be taken of its instances, and says of which modules none can. Pure.

An image is what an instance's memory and mutable globals hold after its initialisation; a review that starts from it
needs no initialisation of its own. The host reaches only what a module exports, so what it keeps to itself is exported
under names of ours. The code decides whether an image holds all that initialisation can change (instructions.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from edged.wasm import binary
from edged.wasm.binary import Binary, Reader, leb
from edged.wasm.errors import BadModule
from edged.wasm.image_exports import GLOBAL_NAME, MEMORY_NAME, POSSIBLE, REFUSED, RESERVED
from edged.wasm.instructions import skip_constant, unsafe_instruction

MOST_GLOBALS = 1_000
"""Each mutable one is set in each review. Compilers make one to ten."""
NUMBERS = "iIfFv"
"""Types of globals that can be carried: i32, i64, f32, f64, v128."""
_IMPORTS, _FUNCTIONS, _MEMORIES, _GLOBALS, _EXPORTS, _CODE = 2, 3, 5, 6, 7, 10
_AFTER_EXPORTS = (8, 9, 12, 10, 11)
_FUNCTION, _TABLE, _MEMORY, _GLOBAL, _TAG = range(5)


@dataclass(slots=True)
class _Parts:
    """What of a module matters here, without its code. What comes after a reason was found is not looked at."""

    reason: str = ""  # why there can be no image
    functions: int = 0  # imported
    memories: int = 0
    own_memory: bool = False
    memory_name: str = ""  # under which it is exported already
    globals: int = 0
    own_globals: list[tuple[int, str]] = field(default_factory=list)  # the mutable ones: index and type letter


def reasons_against_image(module: Binary) -> str:
    """Why no image of an instance would hold all of it, as a clause such as "function 5 has table.grow"; "" where one
    does. Decodes all code: 30 to 60 ms for each MB. Raises BadModule."""
    parts = _parts(module)
    if parts.reason:
        return parts.reason
    for kind, start, end in binary.sections(module):
        if kind == _CODE and (found := unsafe_instruction(module[start:end], parts.functions)):
            return found
    return ""


def exposed_globals(module: Binary) -> tuple[tuple[str, str], ...]:
    """Name and type letter (NUMBERS) of each global that `exposed` exports. Reads no code. Raises BadModule."""
    return tuple((_name(index), letter) for index, letter in _parts(module).own_globals)


def exposed_memory(module: Binary) -> str:
    """The name under which `exposed` exports the memory, "" where the module has none of its own. Reads no code.
    Raises BadModule."""
    parts = _parts(module)
    return parts.memory_name or (MEMORY_NAME if parts.own_memory else "")


def exposed(module: bytes) -> bytes:
    """The module with its mutable globals and its memory exported, for one without reasons_against_image. It does what
    it did. Raises BadModule."""
    parts = _parts(module)
    if parts.reason:
        raise BadModule(f"no image of it is possible: {parts.reason}")
    added = [_export(_name(index), _GLOBAL, index) for index, _ in parts.own_globals]
    if parts.own_memory and not parts.memory_name:
        added.append(_export(MEMORY_NAME, _MEMORY, 0))
    return _with_exports(module, added) if added else module


def prepared(module: bytes) -> bytes:
    """What is compiled of a module: its exposed form, or itself where no image is possible. The name of one export more
    says which (image_exports.py). As it is where it has no function or is broken."""
    try:
        reason = reasons_against_image(module)
        form = module if reason else exposed(module)
        if not _has_functions(module):
            return form
        return _with_exports(form, [_export(f"{REFUSED}{reason}" if reason else POSSIBLE, _FUNCTION, 0)])
    except BadModule:
        return module


def _has_functions(module: Binary) -> bool:
    own = any(kind == _FUNCTIONS and module[start : start + 1] != b"\0" for kind, start, _ in binary.sections(module))
    return own or _parts(module).functions > 0


def _name(index: int) -> str:
    return f"{GLOBAL_NAME}{index}"


def _export(name: str, kind: int, index: int) -> bytes:
    encoded = name.encode()
    return leb(len(encoded)) + encoded + bytes([kind]) + leb(index)


def _with_exports(module: bytes, added: list[bytes]) -> bytes:
    out, begun, missing = [module[:8]], 8, True
    for kind, start, end in binary.sections(module):
        if missing and (kind == _EXPORTS or kind in _AFTER_EXPORTS):
            reader = Reader(module[start:end] if kind == _EXPORTS else b"\0")
            payload = leb(reader.number() + len(added)) + reader.data[reader.at :] + b"".join(added)
            out.append(bytes([_EXPORTS]) + leb(len(payload)) + payload)
            missing = False
            begun = end if kind == _EXPORTS else begun
        out.append(module[begun:end])
        begun = end
    if missing:
        payload = leb(len(added)) + b"".join(added)
        out.append(bytes([_EXPORTS]) + leb(len(payload)) + payload)
    return b"".join(out)


def _parts(module: Binary) -> _Parts:
    parts = _Parts()
    for kind, start, end in binary.sections(module):
        if kind not in _READ:
            continue
        if end - start > binary.MOST_SECTION_BYTES:
            parts.reason = f"its section {kind} has more than {binary.MOST_SECTION_BYTES} bytes"
        else:
            parts.reason = _READ[kind](parts, Reader(bytes(module[start:end])))
        if parts.reason:
            break
    return parts


def _read_imports(parts: _Parts, reader: Reader) -> str:
    for _ in range(reader.number()):
        name = f"{reader.name()}.{reader.name()}"
        kind, reason = reader.byte(), ""
        if kind == _FUNCTION:
            reader.number()
            parts.functions += 1
        elif kind == _MEMORY:
            reason = _memory(parts, reader)
        elif kind == _GLOBAL:
            _, mutable, reason = _global_type(reader)
            reason = reason or (f"it imports the mutable global {name}" if mutable else "")
            parts.globals += 1
        elif kind == _TAG:
            reader.byte()
            reader.number()
        else:
            reason = f"it imports the {'table' if kind == _TABLE else 'unknown thing'} {name}"
        if reason:
            return reason
    return ""


def _read_memories(parts: _Parts, reader: Reader) -> str:
    for _ in range(reader.number()):
        reason = _memory(parts, reader)
        if reason:
            return reason
        parts.own_memory = True
    return ""


def _memory(parts: _Parts, reader: Reader) -> str:
    parts.memories += 1
    if parts.memories > 1:
        return "it has several memories"
    return "" if reader.limits().plain else "its memory is shared, has 64-bit addresses or pages of another size"


def _read_globals(parts: _Parts, reader: Reader) -> str:
    count = reader.number()
    if count > MOST_GLOBALS:
        return f"it has {count} globals, more than {MOST_GLOBALS}"
    for index in range(parts.globals, parts.globals + count):
        letter, mutable, reason = _global_type(reader)
        reason = reason or skip_constant(reader)
        if reason:
            return f"global {index} has {reason}"
        if mutable and letter not in NUMBERS:
            return f"global {index} is a mutable reference"
        if mutable:
            parts.own_globals.append((index, letter))
    return ""


def _global_type(reader: Reader) -> tuple[str, bool, str]:
    """(type letter, whether it is mutable, what about it is not known)."""
    letter, mutable = reader.value_type(), reader.byte()
    known = letter != "?" and mutable in (0, 1)
    return letter, mutable == 1, "" if known else "a type that edged does not know"


def _read_exports(parts: _Parts, reader: Reader) -> str:
    for _ in range(reader.number()):
        name, kind, _ = reader.name(), reader.byte(), reader.number()
        if name.startswith(RESERVED):
            return f"it exports {name}, a name that is reserved for edged"
        if kind == _MEMORY and parts.own_memory:
            parts.memory_name = parts.memory_name or name
    return ""


_READ: dict[int, Callable[[_Parts, Reader], str]] = {
    _IMPORTS: _read_imports,
    _MEMORIES: _read_memories,
    _GLOBALS: _read_globals,
    _EXPORTS: _read_exports,
}
