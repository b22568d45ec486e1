"""Whatever bytes a module has, its reader answers or raises BadModule, and what was written is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.wasm import binary, bindings
from edged.wasm.errors import BadModule
from tests.fuzzing import bounded, broken

MODULES = Path(__file__).parents[2] / "modules"
TEXTS = (
    "(module)",
    """(module (import "env" "f" (func (param i32 i64 f32 f64) (result i64)))
       (import "env" "m" (memory 1 2)) (import "env" "t" (table 1 funcref)) (import "env" "g" (global (mut i32)))
       (func (export "own") (param externref) (result i32 i32) (i32.const 1) (i32.const 2)) (export "again" (func 0))
       (export "memory" (memory 0)) (export "t" (table 0)) (export "g" (global 0)) (data (i32.const 0) "text"))""",
    """(module (import "env" "big" (memory i64 1 2)) (import "env" "tag" (tag (param i32)))
       (export "tag" (tag 0)))""",
)
SAMPLES = [
    *(binary.append_custom_section(bindings.wat2wasm(text), "edged.metadata", b"{}" * 9) for text in TEXTS),
    *(path.read_bytes()[:600] for path in sorted(MODULES.glob("admission/*/*.wasm"))[:2]),
]


@bounded
@given(broken(SAMPLES))
def test_every_reader_answers_or_says_what_is_wrong(data: bytes) -> None:
    for read in (
        lambda: binary.interface(data),
        lambda: binary.custom_section(data, "edged.metadata"),
        lambda: list(binary.data_strings(data)),
        lambda: binary.remove_custom_sections(data, "edged.metadata"),
        lambda: binary.rename_import_module(data, "env", "elsewhere"),
    ):
        try:
            read()
        except BadModule as error:
            assert str(error)


@bounded
@given(broken(SAMPLES[:3]), st.text(max_size=200), st.binary(max_size=200))
def test_what_was_put_in_comes_out_and_nothing_else_changes(data: bytes, name: str, payload: bytes) -> None:
    try:
        without = binary.remove_custom_sections(data, name)
    except BadModule:
        with pytest.raises(BadModule):
            binary.replace_custom_section(data, name, payload)
        return
    replaced = binary.replace_custom_section(data, name, payload)
    assert binary.custom_section(replaced, name) == payload
    assert binary.remove_custom_sections(replaced, name) == without
