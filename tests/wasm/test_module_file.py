"""What is read of a module's file, and what a file may cost that was made to cost much."""

from __future__ import annotations

import os
import resource
import tracemalloc
from pathlib import Path

import pytest

from edged.wasm import binary, bindings
from edged.wasm.errors import BadModule
from edged.wasm.module_file import (
    MAX_METADATA_BYTES,
    METADATA_SECTION,
    ModuleFile,
    describe,
    digest_of,
    is_whole,
    opened,
)

NAME = METADATA_SECTION.encode()
HEAD = b"\0asm\1\0\0\0"
TEXT = '(module (import "env" "f" (func (param i32))) (func (export "answer") (result i32) i32.const 42))'


def leb(value: int) -> bytes:
    return b"".join(
        bytes([value >> shift & 0x7F | (0x80 if value >> shift + 7 else 0)])
        for shift in range(0, max(1, value.bit_length()), 7)
    )


def section(kind: int, payload: bytes) -> bytes:
    return bytes([kind]) + leb(len(payload)) + payload


def test_it_is_described_as_its_bytes_are(tmp_path: Path) -> None:
    wasm = binary.append_custom_section(bindings.wat2wasm(TEXT), METADATA_SECTION, b"{}")
    path = tmp_path / "a.wasm"
    path.write_bytes(wasm)
    found = describe(path, "a")
    assert found.metadata == b"{}" and found.interface == binary.interface(wasm)
    with opened(path) as descriptor:
        assert digest_of(descriptor) == found.digest and is_whole(descriptor)
        view = ModuleFile(descriptor, len(wasm))
        assert (view[:4], view[4:], view[-5:-1], view[9:3], len(view)) == (
            wasm[:4], wasm[4:], wasm[-5:-1], b"", len(wasm),
        )  # fmt: skip
        os.truncate(path, len(wasm) - 1)
        assert not is_whole(descriptor)
        with pytest.raises(BadModule, match="shorter"):
            view[:]


@pytest.mark.parametrize(
    ("path", "said"),
    [("absent", "is missing"), (".", "not a regular file"), ("n" * 5000, "File name too long"), ("a\0b", "cannot read"),
     ("fifo", "not a regular file"), ("short", "has 4 bytes")],
)  # fmt: skip
def test_what_is_no_module_file(tmp_path: Path, path: str, said: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "short").write_bytes(HEAD[:4])
    with pytest.raises(BadModule, match=said):
        describe(tmp_path / path, "it")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (section(3, leb(9_000_000) + bytes(9_000_000)), "section 3 has 9000004 bytes"),
        (section(3, leb(2_000_000) + bytes(2_000_000)), "section 3 has 2000000 entries"),
        (section(1, leb(200_000) + b"\x60\0\0" * 200_000), "section 1 has 200000 entries"),
        (section(7, leb(20_000) + b"\0\0\0" * 20_000), "section 7 has 20000 entries"),
        (section(2, leb(1 << 62)), "section 2 has 4611686018427387904 entries"),
        (b"\5\1\0" * 2_000_000, "more than 10000 sections"),
        (section(0, leb(len(NAME)) + NAME + bytes(2 * MAX_METADATA_BYTES)), "larger than"),
    ],
    ids=["bytes", "functions", "types", "exports", "imports", "sections", "metadata"],
)  # fmt: skip
def test_what_costs_too_much_is_refused_before_it_costs_anything(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "a.wasm"
    path.write_bytes(HEAD + content)
    del content
    before = resource.getrusage(resource.RUSAGE_THREAD)
    tracemalloc.start()
    try:
        with pytest.raises(BadModule, match=said):
            describe(path, "it")
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()
    assert resource.getrusage(resource.RUSAGE_THREAD).ru_utime - before.ru_utime < 5


def test_as_many_functions_as_an_engine_takes_cost_little(tmp_path: Path) -> None:
    path = tmp_path / "a.wasm"
    path.write_bytes(HEAD + section(1, b"\1\x60\0\0") + section(3, leb(1_000_000) + bytes(1_000_000)))
    tracemalloc.start()
    try:
        assert describe(path, "it").interface.exports == {}
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()
