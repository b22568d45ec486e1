"""What a module says about itself, against wasmtime's own reading; broken bytes never read outside themselves."""

import random

import pytest

from edged.wasm import bindings
from edged.wasm.binary import (
    append_custom_section,
    custom_section,
    data_strings,
    interface,
    remove_custom_sections,
    rename_import_module,
    replace_custom_section,
)
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


def modules(seed: int) -> bytes:
    """A module with imports and custom sections at random."""
    rng = random.Random(seed)
    names = ["env", "host", "kubewarden:javy/host", "", "é" * 70]
    kinds = ["(func (param i32))", "(memory 1 2)", "(table 1 funcref)", "(global (mut i32))"]
    chosen = [(rng.choice(names), f"n{index}", rng.choice(kinds)) for index in range(rng.randrange(8))]
    if sum("memory" in kind for _, _, kind in chosen) > 1:
        chosen = [each for each in chosen if "memory" not in each[2]]
    wasm = bindings.wat2wasm(
        "(module " + " ".join(f'(import "{module}" "{name}" {kind})' for module, name, kind in chosen)
        + ' (func (export "f")) (data "abc"))'
    )  # fmt: skip
    for index in range(rng.randrange(4)):
        wasm = append_custom_section(
            wasm, rng.choice(["a", "b", "meta"]), rng.randbytes(rng.randrange(300)) + bytes([index])
        )
    return wasm


@pytest.mark.parametrize("seed", range(60))
def test_sections_are_replaced_and_nothing_else_changes(seed: int):
    wasm = modules(seed)
    payload = random.Random(seed).randbytes(seed * 5)
    replaced = replace_custom_section(wasm, "meta", payload)
    assert custom_section(replaced, "meta") == payload
    assert remove_custom_sections(replaced, "meta") == remove_custom_sections(wasm, "meta")
    assert replace_custom_section(replaced, "meta", payload) == replaced
    kept = remove_custom_sections(wasm, "meta")
    assert custom_section(kept, "meta") is None
    assert [custom_section(kept, name) for name in "ab"] == [custom_section(wasm, name) for name in "ab"]
    assert interface(replaced) == interface(wasm)
    assert remove_custom_sections(wasm, "no such name") == wasm


@pytest.mark.parametrize("seed", range(60))
def test_import_modules_are_renamed_and_nothing_else_changes(seed: int):
    wasm = modules(seed)
    renamed = rename_import_module(wasm, "kubewarden:javy/host", "to")
    wanted = [
        ("to" if each.module == "kubewarden:javy/host" else each.module, each.name, each.kind, each.limits)
        for each in interface(wasm).imports
    ]
    assert [(each.module, each.name, each.kind, each.limits) for each in interface(renamed).imports] == wanted
    assert interface(renamed).exports == interface(wasm).exports
    if all(each.module != "kubewarden:javy/host" for each in interface(wasm).imports):
        assert renamed == wasm
    else:
        assert rename_import_module(renamed, "to", "kubewarden:javy/host") == wasm


@pytest.mark.parametrize("seed", range(20))
def test_changing_broken_bytes_gives_clean_errors(seed: int):
    rng = random.Random(seed)
    wasm = modules(seed)
    for _ in range(40):
        broken = bytearray(wasm)
        broken[rng.randrange(8, len(broken))] = rng.randrange(256)
        del broken[rng.randrange(9, len(broken) + 1) :]
        for change in (
            lambda b: replace_custom_section(b, "meta", b"x"),
            lambda b: rename_import_module(b, "env", "to"),
            lambda b: list(data_strings(b)),
        ):
            try:
                change(bytes(broken))
            except BadModule as error:
                assert str(error)


def test_data_is_found():
    assert [b"abc" in found for found in data_strings(modules(0))] == [True]
