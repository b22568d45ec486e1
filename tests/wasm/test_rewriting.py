"""Modules that images are taken of: what is exported, that they do what they did, and which have none and why."""

from __future__ import annotations

from pathlib import Path

import pytest
import wasmtime
from hypothesis import given

from edged.wasm import binary, bindings, rewriting
from edged.wasm.errors import BadModule
from edged.wasm.image_exports import image_support
from edged.wasm.rewriting import exposed, exposed_globals, exposed_memory, prepared, reasons_against_image
from tests.fuzzing import bounded, broken

ROOT = Path(__file__).parents[2]
SAMPLES = sorted(ROOT.glob("modules/*/*/*.wasm"))
FAULTS = sorted(ROOT.glob("modules/faults/*.wat"))
EVERY_TYPE = """(module (import "env" "f" (func)) (import "env" "base" (global i32)) (memory 1)
  (global (mut i32) (global.get 0)) (global i32 (i32.const 5)) (global (mut i64) (i64.const -1))
  (global (mut f32) (f32.const 0.5)) (global (mut f64) (f64.const -2)) (global (mut v128) (v128.const i64x2 1 2))
  (global funcref (ref.null func)) (func (export "count") (result i64)
    (global.set 3 (i64.add (global.get 3) (i64.const 2))) (global.get 3)))"""
UNSAFE = {
    "function 0 has table.set": "(table 1 funcref) (func (table.set (i32.const 0) (ref.null func)))",
    "function 1 has table.grow": """(import "env" "f" (func)) (table 1 funcref)
        (func (drop (table.grow (ref.null func) (i32.const 1))))""",
    "function 0 has table.fill": "(table 1 funcref) (func (table.fill (i32.const 0) (ref.null func) (i32.const 0)))",
    "function 0 has table.copy": "(table 1 funcref) (func (table.copy (i32.const 0) (i32.const 0) (i32.const 0)))",
    "function 0 has table.init": """(table 1 funcref) (elem $e func)
        (func (table.init $e (i32.const 0) (i32.const 0) (i32.const 0)))""",
    "function 0 has elem.drop": "(elem $e func) (func (elem.drop $e))",
    "function 0 has memory.init": """(memory 1) (data $d "")
        (func (memory.init $d (i32.const 0) (i32.const 0) (i32.const 0)))""",
    "function 0 has data.drop": '(data $d "") (func (data.drop $d))',
    "global 1 is a mutable reference": "(global i32 (i32.const 0)) (global (mut funcref) (ref.null func))",
    "global 0 is a mutable reference": "(global (mut externref) (ref.null extern))",
    "it imports the mutable global env.g": '(import "env" "g" (global (mut i32)))',
    "it imports the table env.t": '(import "env" "t" (table 1 funcref))',
    "its memory is shared, has 64-bit addresses or pages of another size": "(memory 1 2 shared)",
    "it has several memories": '(import "env" "m" (memory 1)) (memory 1)',
    "it exports edged.image.global.0, a name that is reserved for edged": '(func (export "edged.image.global.0"))',
    "it has 1001 globals, more than 1000": "(global i32 (i32.const 0))" * 1001,
}
ALSO_UNSAFE = {
    "(memory i64 1)": "its memory is shared",
    "(memory 1) (memory 1)": "it has several memories",
    "(type $t (func)) (global (mut (ref null $t)) (ref.null $t))": "global 0 is a mutable reference",
    "(global anyref (ref.null any))": "global 0 has a type that edged does not know",
    "(type $s (struct)) (global (ref null $s) (struct.new $s))": "global 0 has the instruction 0xfb",
}


def wasm(fields: str) -> bytes:
    return bindings.wat2wasm(fields if "(module" in fields else f"(module {fields})")


@pytest.fixture(scope="module")
def engine() -> wasmtime.Engine:
    return wasmtime.Engine()


@pytest.mark.parametrize("reason", UNSAFE)
def test_a_module_of_which_an_image_would_not_hold_all_is_told_why(reason: str) -> None:
    module = wasm(UNSAFE[reason])
    assert reasons_against_image(module) == reason


@pytest.mark.parametrize("fields", ALSO_UNSAFE)
def test_more_forms_of_the_same_reasons(fields: str) -> None:
    assert reasons_against_image(wasm(fields)).startswith(ALSO_UNSAFE[fields])


def test_what_is_not_reachable_is_not_exposed() -> None:
    for fields in (UNSAFE["global 0 is a mutable reference"], UNSAFE["it has several memories"]):
        with pytest.raises(BadModule, match="no image of it is possible: "):
            exposed(wasm(fields))


def test_every_mutable_number_is_exported_with_its_type(engine: wasmtime.Engine) -> None:
    module = wasm(EVERY_TYPE)
    names = [f"edged.image.global.{index}" for index in (1, 3, 4, 5, 6)]
    assert exposed_globals(module) == tuple(zip(names, "iIfFv", strict=True))
    assert exposed_memory(module) == "edged.image.memory"
    found = binary.interface(exposed(module)).exports
    assert [name for name, export in found.items() if export.kind == "global"] == names
    assert found["edged.image.memory"].kind == "memory"
    assert found["count"] == binary.Export("func", "", "I")


@pytest.fixture
def store(engine: wasmtime.Engine) -> wasmtime.Store:
    return wasmtime.Store(engine)


@pytest.fixture
def instance(engine: wasmtime.Engine, store: wasmtime.Store) -> wasmtime.Instance:
    """Of EVERY_TYPE, exposed."""
    base = wasmtime.Global(store, wasmtime.GlobalType(wasmtime.ValType.i32(), False), wasmtime.Val.i32(77))
    nothing = wasmtime.Func(store, wasmtime.FuncType([], []), lambda: None)
    return wasmtime.Instance(store, wasmtime.Module(engine, exposed(wasm(EVERY_TYPE))), [nothing, base])


def test_the_types_are_those_of_wasmtime(
    engine: wasmtime.Engine, store: wasmtime.Store, instance: wasmtime.Instance
) -> None:
    linker, types = wasmtime.Linker(engine), dict(zip("iIfFv", ("i32", "i64", "f32", "f64", "v128"), strict=True))
    linker.define_instance(store, "m", instance)
    globals_ = exposed_globals(wasm(EVERY_TYPE))
    wanted = " ".join(f'(import "m" "{name}" (global (mut {types[letter]})))' for name, letter in globals_)
    linker.instantiate(store, wasmtime.Module(engine, wasm(wanted)))


def test_what_is_exposed_is_what_the_code_uses(store: wasmtime.Store, instance: wasmtime.Instance) -> None:
    exports = instance.exports(store)
    assert exports["edged.image.global.1"].value(store) == 77  # type: ignore[union-attr]
    assert exports["count"](store) == 1  # type: ignore[operator]
    assert exports["edged.image.global.3"].value(store) == 1  # type: ignore[union-attr]
    exports["edged.image.global.3"].set_value(store, wasmtime.Val.i64(40))  # type: ignore[union-attr]
    assert exports["count"](store) == 42  # type: ignore[operator]


@pytest.mark.parametrize(
    ("fields", "memory"),
    [
        ('(memory (export "memory") 1)', "memory"),
        ('(memory (export "mem") (export "memory") 1)', "mem"),
        ("(memory 1)", "edged.image.memory"),
        ('(import "env" "memory" (memory 1))', ""),
        ('(import "env" "memory" (memory 1)) (export "memory" (memory 0))', ""),
        ("", ""),
    ],
)
def test_a_memory_is_exported_once(fields: str, memory: str, engine: wasmtime.Engine) -> None:
    module = wasm(fields)
    assert exposed_memory(module) == memory
    wasmtime.Module(engine, exposed(module))
    assert (exposed(module) == module) == (memory != "edged.image.memory")
    assert memory == "" or binary.interface(exposed(module)).exports[memory].kind == "memory"


@pytest.mark.parametrize(
    "after", ["(start $f)", "(table 1 funcref) (elem (i32.const 0) $f)", "(memory 1) (data (i32.const 8) \"x\")", ""]
)
@pytest.mark.parametrize("code", ["(func $f)", '(func $f (export "f"))'])
def test_exports_stand_where_their_section_must_stand(after: str, code: str, engine: wasmtime.Engine) -> None:
    module = wasm(f"(global (mut i32) (i32.const 1)) {code} {after}")
    for changed in (module, binary.append_custom_section(module, "edged.metadata", b"{}")):
        made = wasmtime.Module(engine, exposed(changed))
        assert "edged.image.global.0" in [export.name for export in made.exports]
        metadata = binary.custom_section(changed, "edged.metadata")
        assert binary.custom_section(exposed(changed), "edged.metadata") == metadata


def test_a_module_without_code_gets_exports_at_its_end(engine: wasmtime.Engine) -> None:
    wasmtime.Module(engine, exposed(wasm("(global (mut i32) (i32.const 1))")))


@pytest.mark.parametrize("path", [*SAMPLES, *FAULTS], ids=lambda path: path.stem)
def test_each_module_of_ours_is_valid_when_it_is_exposed(path: Path, engine: wasmtime.Engine) -> None:
    module = path.read_bytes() if path.suffix == ".wasm" else wasm(path.read_text())
    reason = reasons_against_image(module)
    assert not reason or path.stem == "table-bomb"
    if not reason:
        made = wasmtime.Module(engine, exposed(module))
        wanted = {name for name, _ in exposed_globals(module)} | ({exposed_memory(module)} - {""})
        assert {export.name for export in made.exports} >= wanted


@bounded
@given(broken([module for module in map(wasm, (EVERY_TYPE, *UNSAFE.values())) if len(module) < 1000]))
def test_broken_modules_are_read_or_refused_and_valid_ones_stay_valid(data: bytes) -> None:
    engine = _engine()
    try:
        reason = reasons_against_image(data)
        changed = data if reason else exposed(data)
        exposed_globals(data), exposed_memory(data)
    except BadModule:
        assert not _is_valid(engine, data)
        return
    if _is_valid(engine, data):
        assert _is_valid(engine, changed)
        if not reason:
            exports = {export.name for export in wasmtime.Module(engine, changed).exports}
            assert exports >= {name for name, _ in exposed_globals(data)}


_ENGINES: list[wasmtime.Engine] = []


def _engine() -> wasmtime.Engine:
    _ENGINES[:] = _ENGINES or [wasmtime.Engine()]
    return _ENGINES[0]


def _is_valid(engine: wasmtime.Engine, module: bytes) -> bool:
    try:
        wasmtime.Module.validate(engine, module)
    except wasmtime.WasmtimeError:
        return False
    return True


def test_the_names_are_those_that_are_reserved() -> None:
    assert exposed_memory(wasm("(memory 1)")) == rewriting.MEMORY_NAME
    assert rewriting.MEMORY_NAME.startswith(rewriting.RESERVED)


@pytest.mark.parametrize("path", [*SAMPLES, *FAULTS], ids=lambda path: path.stem)
def test_what_is_compiled_says_whether_an_image_is_possible(path: Path, engine: wasmtime.Engine) -> None:
    original = path.read_bytes() if path.suffix == ".wasm" else bindings.wat2wasm(path.read_text())
    compiled = wasmtime.Module(engine, prepared(original))
    reason, names = image_support([item.name or "" for item in compiled.exports], binary.interface(original).exports)
    if all(kind != 10 for kind, *_ in binary.sections(original)):
        assert reason == "it has no code that edged can decode"
        return
    assert reason == reasons_against_image(original)
    assert names == (() if reason else tuple(name for name, _ in exposed_globals(original)))


@pytest.mark.parametrize("fields", ["", "(memory 2)", "(global (mut i32) (i32.const 1))", "(memory 1) (memory 1)"])
def test_a_module_without_functions_stays_valid(fields: str, engine: wasmtime.Engine) -> None:
    wasmtime.Module(engine, prepared(bindings.wat2wasm(f"(module {fields})")))


def test_bytes_that_are_no_module_are_left_to_the_compiler() -> None:
    assert prepared(b"no module") == b"no module"
