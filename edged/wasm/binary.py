"""Reads imports, exports and custom sections of a WebAssembly binary, and changes custom sections. Pure.

Only the sections that are needed are decoded; the code section, nearly all of a module, is skipped. The engine
validates modules when it compiles them, so this reader only makes sure that it never reads outside the bytes.
Binary format: WebAssembly Core Specification, chapter 5.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Protocol

from edged.records import dataclass
from edged.wasm.errors import BadModule

MAGIC = b"\0asm"
MOST_SECTION_BYTES = 8 << 20
"""Of a section that is decoded. What becomes of it in memory is many times larger."""
MOST_ENTRIES = {1: 100_000, 2: 10_000, 3: 1_000_000, 7: 10_000}
"""By section: types, imports, functions (as many as engines take), exports."""
MOST_SECTIONS = 10_000
_NO_TYPE = 0xFFFFFFFF
_KINDS = ("func", "table", "memory", "global", "tag")
_VALUE_TYPES = {0x7F: "i", 0x7E: "I", 0x7D: "f", 0x7C: "F", 0x7B: "v", 0x70: "r", 0x6F: "e"}


class Binary(Protocol):
    """bytes or an mmap."""

    def __getitem__(self, index: slice, /) -> bytes: ...
    def __len__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """Of an imported memory or table: pages or elements. `plain` is False where it is shared or 64-bit, or where
    its pages have another size than 64 KiB."""

    minimum: int
    maximum: int | None = None
    plain: bool = True


@dataclass(frozen=True, slots=True)
class Import:
    """`kind` is func, table, memory, global or tag; params and results are type letters of a func."""

    module: str
    name: str
    kind: str
    params: str = ""
    results: str = ""
    limits: Limits | None = None  # of a memory or a table


@dataclass(frozen=True, slots=True)
class Export:
    """`kind` as in Import; params and results are type letters of a func."""

    kind: str
    params: str = ""
    results: str = ""


@dataclass(frozen=True, slots=True)
class Interface:
    """What a module imports and exports."""

    imports: tuple[Import, ...]
    exports: dict[str, Export]


class Reader:
    """A cursor over one section. Everything raises BadModule where the section ends too early."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def byte(self) -> int:
        if self.at >= len(self.data):
            raise BadModule("not a valid WebAssembly module: a section ends too early")
        self.at += 1
        return self.data[self.at - 1]

    def number(self) -> int:
        """Unsigned LEB128. Signed numbers, which stand in a few places, have the same length."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if not byte & 0x80:
                return value
            shift += 7
            if shift > 63:
                raise BadModule("not a valid WebAssembly module: a number is too long")

    def take(self, length: int) -> bytes:
        """The next bytes."""
        if length > len(self.data) - self.at:
            raise BadModule("not a valid WebAssembly module: a section ends too early")
        self.at += length
        return self.data[self.at - length : self.at]

    def name(self) -> str:
        """A length and so much UTF-8."""
        try:
            return self.take(self.number()).decode()
        except UnicodeDecodeError as error:
            raise BadModule("not a valid WebAssembly module: a name is not UTF-8") from error

    def value_type(self) -> str:
        """Its letter: i, I, f, F, v (v128), r and e for references, ? for others."""
        code = self.byte()
        if code in (0x63, 0x64):  # (ref null? heaptype): function references
            self.number()
            return "r"
        return _VALUE_TYPES.get(code, "?")

    def limits(self) -> Limits:
        """Of a memory or a table."""
        flags = self.byte()
        minimum = self.number()
        maximum = self.number() if flags & 1 else None
        if flags & 8:  # custom page sizes
            self.number()
        return Limits(minimum, maximum, not flags & ~1)


def sections(binary: Binary) -> Iterator[tuple[int, int, int]]:
    """(section id, start, end) of each section's payload. Raises BadModule where the framing is broken."""
    if binary[:4] != MAGIC:
        raise BadModule("not a WebAssembly module: the file does not begin with \\0asm")
    if binary[4:8] != b"\x01\0\0\0":
        raise BadModule(
            "not a core WebAssembly module of version 1 (components are not supported): "
            f"version bytes {binary[4:8].hex()}"
        )
    at, end, count = 8, len(binary), 0
    while at < end:
        count += 1
        if count > MOST_SECTIONS:
            raise BadModule(f"not a valid WebAssembly module: more than {MOST_SECTIONS} sections")
        header = Reader(bytes(binary[at : at + 11]))
        kind, size = header.byte(), header.number()
        at += header.at
        if size > end - at:
            raise BadModule(
                f"not a valid WebAssembly module: section {kind} is longer than the file (truncated?)"
            )
        yield kind, at, at + size
        at += size


def custom_section(binary: Binary, name: str, most_bytes: int | None = None) -> bytes | None:
    """Payload of the first custom section of that name, None where there is none. Raises BadModule."""
    for kind, start, end in sections(binary):
        if kind == 0:
            reader = Reader(bytes(binary[start : min(end, start + 4096)]))
            if reader.name() == name:
                if most_bytes is not None and end - start - reader.at > most_bytes:
                    raise BadModule(f"its custom section {name} is larger than {most_bytes} bytes")
                return bytes(binary[start + reader.at : end])
    return None


def _function_types(reader: Reader) -> list[tuple[str, str]]:
    types: list[tuple[str, str]] = []
    for _ in range(_count(reader, 1)):
        if reader.byte() != 0x60:
            # Types of the garbage-collection proposal: what follows cannot be numbered reliably.
            raise BadModule("the module defines a type that is not a function type")
        params = "".join(reader.value_type() for _ in range(reader.number()))
        types.append((params, "".join(reader.value_type() for _ in range(reader.number()))))
    return types


def _import(reader: Reader, types: list[tuple[str, str]]) -> Import:
    module, name, kind = reader.name(), reader.name(), reader.byte()
    if kind == 0 or kind == 4:
        if kind == 4:
            reader.byte()
        index = reader.number()
        if index >= len(types):
            raise BadModule(f"not a valid WebAssembly module: import {module}.{name} has an unknown type")
        return Import(module, name, _KINDS[kind], *types[index])
    limits = None
    if kind == 1:
        reader.value_type()
        limits = reader.limits()
    elif kind == 2:
        limits = reader.limits()
    elif kind == 3:
        reader.value_type()
        reader.byte()
    else:
        raise BadModule(f"not a valid WebAssembly module: import {module}.{name} has an unknown kind {kind}")
    return Import(module, name, _KINDS[kind], limits=limits)


def _count(reader: Reader, section: int) -> int:
    """How many entries a section says it has."""
    count, most = reader.number(), MOST_ENTRIES[section]
    if count > most:
        raise BadModule(f"its section {section} has {count} entries, more than {most}")
    return count


def interface(binary: Binary) -> Interface:
    """Imports and exports with their types. Raises BadModule."""
    types: list[tuple[str, str]] = []
    imports: list[Import] = []
    exported: list[tuple[str, int, int]] = []
    functions = array("I")
    for kind, start, end in sections(binary):
        if kind not in MOST_ENTRIES:
            continue
        if end - start > MOST_SECTION_BYTES:
            raise BadModule(f"its section {kind} has {end - start} bytes, more than {MOST_SECTION_BYTES}")
        reader = Reader(bytes(binary[start:end]))
        if kind == 1:
            types = _function_types(reader)
        elif kind == 2:
            imports = [_import(reader, types) for _ in range(_count(reader, kind))]
        elif kind == 3:
            functions = array("I", (min(reader.number(), _NO_TYPE) for _ in range(_count(reader, kind))))
        else:
            exported = [(reader.name(), reader.byte(), reader.number()) for _ in range(_count(reader, kind))]
    imported = [(entry.params, entry.results) for entry in imports if entry.kind == "func"]

    def signature(index: int) -> tuple[str, str]:
        if index < len(imported):
            return imported[index]
        if index - len(imported) >= len(functions) or functions[index - len(imported)] >= len(types):
            raise BadModule("not a valid WebAssembly module: an export names a function that is not there")
        return types[functions[index - len(imported)]]

    exports = {
        name: Export(
            _KINDS[kind] if kind < len(_KINDS) else "?", *(signature(index) if kind == 0 else ("", ""))
        )
        for name, kind, index in exported
    }
    return Interface(tuple(imports), exports)


def append_custom_section(binary: bytes, name: str, payload: bytes) -> bytes:
    """The module with one more custom section at its end."""
    encoded = leb(len(name.encode())) + name.encode() + payload
    return binary + b"\0" + leb(len(encoded)) + encoded


def remove_custom_sections(binary: bytes, name: str) -> bytes:
    """The module without the custom sections of that name; every other byte stays as it is. Raises BadModule."""
    kept, begun = [binary[:8]], 8
    for kind, start, end in sections(binary):
        if kind != 0 or Reader(binary[start:end]).name() != name:
            kept.append(binary[begun:end])
        begun = end
    return b"".join(kept)


def replace_custom_section(binary: bytes, name: str, payload: bytes) -> bytes:
    """The module with exactly one custom section of that name, at its end. Raises BadModule."""
    return append_custom_section(remove_custom_sections(binary, name), name, payload)


def rename_import_module(binary: bytes, old: str, new: str) -> bytes:
    """The module with its imports from `old` taken from `new`; every other byte stays as it is. Raises BadModule."""
    parts, begun = [binary[:8]], 8
    for kind, start, end in sections(binary):
        section = binary[begun:end]
        if kind == 2:
            payload = _renamed_imports(binary[start:end], old.encode(), new.encode())
            section = b"\x02" + leb(len(payload)) + payload if payload != binary[start:end] else section
        parts.append(section)
        begun = end
    return b"".join(parts)


def _renamed_imports(payload: bytes, old: bytes, new: bytes) -> bytes:
    reader = Reader(payload)
    count = reader.number()
    out = [payload[: reader.at]]
    for _ in range(count):
        begun = reader.at
        module = reader.take(reader.number())
        after_module = reader.at
        _skip_import(reader)
        name = leb(len(new)) + new if module == old else payload[begun:after_module]
        out += [name, payload[after_module : reader.at]]
    return b"".join([*out, payload[reader.at :]])


def _skip_import(reader: Reader) -> None:
    """From an import's name to its end."""
    reader.take(reader.number())
    kind = reader.byte()
    if kind == 4:
        reader.byte()
    if kind in (0, 4):
        reader.number()
        return
    if kind in (1, 3):
        reader.value_type()
    if kind in (1, 2):
        reader.limits()
    elif kind == 3:
        reader.byte()
    else:
        raise BadModule(f"not a valid WebAssembly module: an import has an unknown kind {kind}")


def data_strings(binary: Binary) -> Iterator[bytes]:
    """The payload of each data section: what a module's memory holds at its start. Raises BadModule."""
    for kind, start, end in sections(binary):
        if kind == 11:
            yield bytes(binary[start:end])


def leb(value: int) -> bytes:
    """Unsigned LEB128."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
