"""Makes one module of a guest and its companion, which import each other's functions (companion.py). Pure.

The companion has functions and a memory, no tables, globals or segments, and names no types in its code. What it
exports is what the merged module exports. Indices of functions change wherever they stand, in all code of the guest;
nothing else of it changes. Called by the compiling child.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from edged.wasm import binary
from edged.wasm.binary import MAGIC, Reader, leb
from edged.wasm.companion import Companion
from edged.wasm.errors import BadModule
from edged.wasm.instructions import renumbered_body, skip_constant

_TYPES, _IMPORTS, _FUNCTIONS, _TABLES, _MEMORIES, _GLOBALS, _EXPORTS, _START, _ELEMENTS, _CODE, _DATA = range(1, 12)
_DATA_COUNT, _TAGS = 12, 13
_FUNCTION, _MEMORY = 0, 2
Renumber = Callable[[int], int]
"""Index of a function in one of the modules -> its index in the merged one."""


@dataclass(slots=True)
class _Sections:
    """A module's sections, and what of them is looked at."""

    payloads: dict[int, bytes]
    imports: list[tuple[str, str, int]] = field(default_factory=list)  # module, name, type; of functions
    exports: dict[str, tuple[int, int]] = field(default_factory=dict)  # kind, index

    def vector(self, kind: int) -> tuple[int, bytes]:
        """How many entries a section has, and their bytes."""
        reader = Reader(self.payloads.get(kind, b"\0"))
        count = reader.number()
        return count, reader.data[reader.at :]


def merged(guest: bytes, companion: Companion) -> bytes:
    """One module of both, whose signatures `check_imports` and the ABI checked. Raises BadModule."""
    its, ours = _read(guest), _read(companion.binary)
    hosts = [entry for entry in ours.imports if entry[0] != companion.functions_from]
    types, functions = its.vector(_TYPES), its.vector(_FUNCTIONS)
    our_types, our_functions = ours.vector(_TYPES), ours.vector(_FUNCTIONS)
    first_own, first_ours = len(hosts), len(hosts) + functions[0]

    def of_guest(index: int) -> int:
        if index >= len(its.imports):
            return first_own + index - len(its.imports)
        module, name, _ = its.imports[index]
        kind, found = ours.exports.get(name, (-1, 0)) if module == companion.imports_from else (-1, 0)
        if kind != _FUNCTION or found < len(ours.imports):
            raise BadModule(f"unknown import: function {module}.{name} is not offered to this module")
        return of_companion(found)

    def of_companion(index: int) -> int:
        if index >= len(ours.imports):
            return first_ours + index - len(ours.imports)
        entry = ours.imports[index]
        if entry[0] != companion.functions_from:
            return hosts.index(entry)
        kind, found = its.exports.get(entry[1], (-1, 0))
        if kind != _FUNCTION or found < len(its.imports):
            raise BadModule(f"the module does not export a function {entry[1]} of its own")
        return of_guest(found)

    sections = {
        _TYPES: _vector((types[0] + our_types[0], types[1] + our_types[1])),
        _IMPORTS: leb(len(hosts)) + b"".join(
            _name(module) + _name(name) + b"\0" + leb(types[0] + number) for module, name, number in hosts
        ),
        _FUNCTIONS: leb(functions[0] + our_functions[0]) + functions[1] + _shifted(our_functions, types[0]),
        _TABLES: _tables(its.payloads.get(_TABLES, b""), of_guest),
        _MEMORIES: ours.payloads[_MEMORIES],
        _TAGS: its.payloads.get(_TAGS, b""),
        _GLOBALS: _globals(its.payloads.get(_GLOBALS, b""), of_guest),
        _EXPORTS: leb(len(ours.exports)) + b"".join(
            _name(name) + bytes([kind]) + leb(of_companion(index) if kind == _FUNCTION else index)
            for name, (kind, index) in ours.exports.items()
        ),
        _START: leb(of_guest(Reader(its.payloads[_START]).number())) if _START in its.payloads else b"",
        _ELEMENTS: _elements(its.payloads.get(_ELEMENTS, b""), of_guest),
        _DATA_COUNT: its.payloads.get(_DATA_COUNT, b""),
        _CODE: _code(its, ours, of_guest, of_companion),
        _DATA: its.payloads.get(_DATA, b""),
    }  # fmt: skip
    return MAGIC + b"\x01\0\0\0" + b"".join(
        bytes([kind]) + leb(len(payload)) + payload for kind, payload in sections.items() if payload
    )


def _read(module: bytes) -> _Sections:
    found = _Sections({})
    for kind, start, end in binary.sections(module):
        if kind in found.payloads:
            raise BadModule(f"not a valid WebAssembly module: it has two sections {kind}")
        if kind:
            found.payloads[kind] = module[start:end]
    reader = Reader(found.payloads.get(_IMPORTS, b"\0"))
    for _ in range(reader.number()):
        module_name, name, kind = reader.name(), reader.name(), reader.byte()
        if kind == _FUNCTION:
            found.imports.append((module_name, name, reader.number()))
        elif kind == _MEMORY:
            reader.limits()
        else:
            raise BadModule(f"unknown import: {module_name}.{name} is not offered to this module")
    reader = Reader(found.payloads.get(_EXPORTS, b"\0"))
    for _ in range(reader.number()):
        name = reader.name()
        found.exports[name] = (reader.byte(), reader.number())
    return found


def _vector(entries: tuple[int, bytes]) -> bytes:
    return leb(entries[0]) + entries[1]


def _name(text: str) -> bytes:
    encoded = text.encode()
    return leb(len(encoded)) + encoded


def _shifted(types: tuple[int, bytes], by: int) -> bytes:
    reader = Reader(types[1])
    return b"".join(leb(reader.number() + by) for _ in range(types[0]))


def _code(its: _Sections, ours: _Sections, of_guest: Renumber, of_companion: Renumber) -> bytes:
    bodies = [renumbered_body(body, of_guest) for body in _bodies(its)]
    bodies += [renumbered_body(body, of_companion) for body in _bodies(ours)]
    return leb(len(bodies)) + b"".join(leb(len(body)) + body for body in bodies)


def _bodies(module: _Sections) -> Iterator[bytes]:
    reader = Reader(module.payloads.get(_CODE, b"\0"))
    for _ in range(reader.number()):
        yield reader.take(reader.number())


def _constant(reader: Reader, function: Renumber) -> bytes:
    """An expression with other indices of functions in it. It reads like a body without locals."""
    begun = reader.at
    found = skip_constant(reader)
    if found:
        raise BadModule(f"a constant has {found}")
    return renumbered_body(b"\0" + reader.data[begun : reader.at], function)[1:]


def _globals(payload: bytes, function: Renumber) -> bytes:
    reader, out = Reader(payload or b"\0"), []
    count = reader.number()
    for _ in range(count):
        begun = reader.at
        reader.value_type()
        reader.byte()
        out += [payload[begun : reader.at], _constant(reader, function)]
    return _vector((count, b"".join(out))) if payload else b""


def _tables(payload: bytes, function: Renumber) -> bytes:
    reader, out = Reader(payload or b"\0"), []
    count = reader.number()
    for _ in range(count):
        begun = reader.at
        has_value = reader.byte() == 0x40
        if has_value:
            reader.byte()
        else:
            reader.at = begun
        reader.value_type()
        reader.limits()
        out += [payload[begun : reader.at], _constant(reader, function) if has_value else b""]
    return _vector((count, b"".join(out))) if payload else b""


def _elements(payload: bytes, function: Renumber) -> bytes:
    reader, out = Reader(payload or b"\0"), []
    count = reader.number()
    for _ in range(count):
        begun, flags = reader.at, reader.number()
        if not flags & 1 and flags & 2:
            reader.number()  # which table
        out.append(payload[begun : reader.at])
        if not flags & 1:
            out.append(_constant(reader, function))
        begun = reader.at
        if flags & 3 and flags & 4:
            reader.value_type()
        elif flags & 3:
            reader.byte()
        out.append(payload[begun : reader.at])
        length = reader.number()
        out.append(leb(length))
        for _ in range(length):
            out.append(_constant(reader, function) if flags & 4 else leb(function(reader.number())))
    return _vector((count, b"".join(out))) if payload else b""
