"""What a module says about itself, against wasmtime's own reading; broken bytes never read outside themselves."""

import random

import pytest

from edged.wasm import bindings
from edged.wasm.binary import append_custom_section, custom_section, interface
from edged.wasm.errors import BadModule

WAT = """(module
  (import "env" "f" (func (param i32 i64 f32 f64) (result i64)))
  (import "env" "m" (memory 1 2)) (import "env" "t" (table 1 funcref)) (import "env" "g" (global (mut i32)))
  (func $own (export "own") (param externref) (result i32 i32) (i32.const 1) (i32.const 2))
  (export "again" (func 0)) (export "memory" (memory 0)) (export "t" (table 0)) (export "g" (global 0)))"""


def test_imports_and_exports():
    found = interface(bindings.wat2wasm(WAT))
    assert [(i.module, i.name, i.kind, i.params, i.results) for i in found.imports] == [
        ("env", "f", "func", "iIfF", "I"),
        ("env", "m", "memory", "", ""),
        ("env", "t", "table", "", ""),
        ("env", "g", "global", "", ""),
    ]
    assert {name: (e.kind, e.params, e.results) for name, e in found.exports.items()} == {
        "own": ("func", "e", "ii"),
        "again": ("func", "iIfF", "I"),
        "memory": ("memory", "", ""),
        "t": ("table", "", ""),
        "g": ("global", "", ""),
    }


def test_the_first_custom_section_of_a_name_counts():
    wasm = append_custom_section(append_custom_section(bindings.wat2wasm("(module)"), "a", b"1"), "a", b"2" * 300)
    assert custom_section(wasm, "a") == b"1"
    assert custom_section(wasm, "b") is None


@pytest.mark.parametrize("seed", range(40))
def test_broken_bytes_give_clean_errors(seed):
    rng = random.Random(seed)
    wasm = bytearray(append_custom_section(bindings.wat2wasm(WAT), "x", b"y" * 40))
    for _ in range(50):
        broken = bytearray(wasm)
        for _ in range(rng.randrange(1, 4)):
            broken[rng.randrange(8, len(broken))] = rng.randrange(256)
        del broken[rng.randrange(9, len(broken) + 1) :]
        try:
            interface(bytes(broken))
            custom_section(bytes(broken), "x")
        except BadModule as error:
            assert str(error)
