"""What stands in function bodies, decoded, against wasmtime's own reading of them."""

from __future__ import annotations

import re

import pytest
import wasmtime
from hypothesis import given

from edged.wasm import binary, bindings
from edged.wasm.binary import Reader, leb
from edged.wasm.errors import BadModule
from edged.wasm.instructions import OPCODES, PREFIXED, REFUSED, renumbered_body, skip_constant, unsafe_instruction
from tests.fuzzing import bounded, broken

FIELDS = """(type $t (func)) (type $m (func (param i32) (result i32)))
  (import "env" "f" (func $f (param i32) (result i32))) (memory 1) (table $table 2 funcref) (table $other 2 funcref)
  (tag $tag (param i32)) (global $g (mut i64) (i64.const 1)) (elem $elem func $f)
  (data $data "text") (elem declare func $f)"""
"""What the instructions below name."""

SAFE = {
    "control": """(block $a (result i32) (loop $b (result i32) (br_if 2 (i32.const 0))
        (br_table $a $a $a (i32.const 1) (i32.const 2)))) (drop (if (result i32) (i32.const 1)
        (then (i32.const 3)) (else (i32.const 4)))) (drop) (nop) (return)""",
    "long numbers": """(drop (i32.const -2147483648)) (drop (i64.const -9223372036854775808))
        (drop (f32.const -0x1.fffffep+127)) (drop (f64.const nan:0xfffffffffffff))""",
    "types of values": """(local i32) (local i64 i64) (local f32 v128 funcref externref exnref) (local (ref null $m))
        (drop (select (result i32) (i32.const 1) (i32.const 2) (i32.const 3)))
        (drop (select (result (ref null $m)) (ref.null $m) (ref.null $m) (i32.const 3)))
        (drop (select (i32.const 1) (i32.const 2) (i32.const 3)))""",
    "calls": """(drop (call $f (i32.const 1))) (drop (call_indirect $other (type $m) (i32.const 1) (i32.const 0)))
        (drop (call_ref $m (i32.const 1) (ref.func $f)))""",
    "tail calls": "(return_call_indirect (type $t) (i32.const 1))",
    "tail calls by reference": "(return_call_ref $t (ref.null $t))",
    "references": """(block $a (br_on_null $a (ref.null $m)) (drop)) (drop (ref.as_non_null (ref.func $f)))
        (block $b (result (ref $m)) (br_on_non_null $b (ref.func $f)) (ref.func $f)) (drop)
        (drop (ref.is_null (ref.null extern)))
        (drop (table.get $other (i32.const 1))) (drop (table.size $other))""",
    "exceptions": """(block $a (result i32) (try_table (catch $tag $a) (throw $tag (i32.const 1))) (unreachable)) (drop)
        (block $b (result exnref) (try_table (catch_all_ref $b)) (unreachable)) (throw_ref)""",
    "exceptions with their values": """(block $a (result i32 exnref) (try_table (result i32) (catch_ref $tag $a)
        (i32.const 1)) (unreachable)) (drop) (drop) (block $b (try_table (catch_all $b)))""",
    "memory": """(i64.store offset=4294967295 align=4 (i32.const 0) (i64.load8_u (i32.const 1))) (drop (memory.size))
        (drop (memory.grow (i32.const 0))) (memory.copy (i32.const 1) (i32.const 2) (i32.const 3))
        (memory.fill (i32.const 1) (i32.const 2) (i32.const 3))""",
    "numbers": "(drop (i32.trunc_sat_f64_s (f64.sqrt (f64.const 1)))) (drop (i64.extend8_s (i64.const 255)))",
    "globals": "(global.set $g (i64.add (global.get $g) (i64.const 1)))",
    "vectors": """(local $v v128) (local.set $v (v128.const i8x16 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15))
        (local.set $v (i8x16.shuffle 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 38 (local.get $v) (local.get $v)))
        (drop (i8x16.extract_lane_u 15 (local.get $v))) (v128.store16_lane offset=300 2 (i32.const 0) (local.get $v))
        (drop (f64x2.convert_low_i32x4_u (local.get $v))) (drop (i32x4.relaxed_trunc_f32x4_s (local.get $v)))
        (drop (v128.load32_zero offset=38 (i32.const 0)))""",
    "atomics": """(drop (i64.atomic.rmw32.cmpxchg_u offset=38 (i32.const 0) (i64.const 1) (i64.const 2))) (atomic.fence)
        (drop (memory.atomic.notify (i32.const 0) (i32.const 1)))""",
}
UNSAFE = {
    "table.set": "(table.set $other (i32.const 1) (ref.null func))",
    "table.grow": "(drop (table.grow $other (ref.null func) (i32.const 1)))",
    "table.fill": "(table.fill $other (i32.const 1) (ref.null func) (i32.const 1))",
    "table.copy": "(table.copy $other $table (i32.const 0) (i32.const 0) (i32.const 1))",
    "table.init": "(table.init $other $elem (i32.const 0) (i32.const 0) (i32.const 1))",
    "elem.drop": "(elem.drop $elem)",
    "memory.init": "(memory.init $data (i32.const 0) (i32.const 0) (i32.const 1))",
    "data.drop": "(data.drop $data)",
}


def code(text: str) -> bytes:
    """The code section of a module whose second function has this body."""
    return section(bindings.wat2wasm(f"(module {FIELDS} (func) (func {text}))"))


def section(module: bytes) -> bytes:
    return next((module[start:end] for kind, start, end in binary.sections(module) if kind == 10), b"\0")


def body(text: bytes) -> bytes:
    """A code section with one function."""
    return b"\x01" + leb(len(text)) + text


def test_what_is_refused_is_what_is_tried() -> None:
    assert set(UNSAFE) == {name for name, _ in REFUSED.values()}


@pytest.mark.parametrize("family", SAFE)
def test_instructions_of_a_family_are_read_to_their_end(family: str) -> None:
    assert unsafe_instruction(code(SAFE[family]), 7) == ""
    assert unsafe_instruction(code(f"{SAFE[family]} {UNSAFE['elem.drop']}"), 7) == "function 8 has elem.drop"


@pytest.mark.parametrize("name", UNSAFE)
def test_an_instruction_that_an_image_cannot_hold_is_named_with_its_function(name: str) -> None:
    assert unsafe_instruction(code(UNSAFE[name]), 7) == f"function 8 has {name}"
    nested = f"(block (loop {UNSAFE[name]} (drop (i32.const 38))))"
    assert unsafe_instruction(code(nested), 0) == f"function 1 has {name}"


@pytest.mark.parametrize("text", ["(i64.const 0x26_fc08_fc09)", "(i32.const -38)", "(f64.const 38)"])
def test_bytes_of_constants_are_no_instructions(text: str) -> None:
    assert unsafe_instruction(code(f"(drop {text})"), 0) == ""


def _everything() -> wasmtime.Engine:
    config = wasmtime.Config()
    for name in dir(config):
        if name.startswith("wasm_"):
            setattr(config, name, True)
    return wasmtime.Engine(config)


def _problem(engine: wasmtime.Engine, wasm: bytes) -> str:
    try:
        wasmtime.Module.validate(engine, wasm)
    except wasmtime.WasmtimeError as error:
        return str(error)
    return ""


def _module(text: bytes) -> bytes:
    parts = {1: b"\1\x60\0\0", 3: b"\1\0", 10: body(b"\0" + text + b"\0" * 40 + b"\x0b")}
    return b"\0asm\1\0\0\0" + b"".join(bytes([kind]) + leb(len(part)) + part for kind, part in parts.items())


def test_the_opcodes_are_those_of_wasmtime() -> None:
    """Whatever wasmtime knows and the tables do not is listed here, and refused: it is for a human to look at."""
    engine, known = _everything(), re.compile("illegal opcode|unknown 0x.. subopcode")
    codes = [(bytes([code]), (code, None)) for code in range(256) if code not in (0xFB, *PREFIXED)]
    codes += [(bytes([prefix]) + leb(number), (prefix, number)) for prefix in PREFIXED for number in range(0x140)]
    theirs = {key for encoded, key in codes if not known.search(_problem(engine, _module(encoded)))}
    ours = {(opcode, None) for opcode in OPCODES} | {(prefix, n) for prefix, shapes in PREFIXED.items() for n in shapes}
    old_exceptions = {(code, None) for code in (0x06, 0x07, 0x09, 0x18, 0x19)}
    collected_objects, continuations = {(0xD3, None)}, {(code, None) for code in range(0xE0, 0xE7)}
    discard, wide_numbers = {(0xFC, 18)}, {(0xFC, number) for number in range(19, 23)}
    shared_everything = {(0xFE, number) for number in range(0x4F, 0x73)}
    unknown = old_exceptions | collected_objects | continuations | discard | wide_numbers | shared_everything
    assert theirs == ours | set(REFUSED) | unknown


@pytest.mark.parametrize("text", [b"\xd3", b"\xfb\x01", b"\xe0", b"\xfc\x13", b"\xff", b"\xfd\xff\xff\x03"])
def test_what_is_not_known_is_not_safe(text: bytes) -> None:
    assert "which edged does not know" in unsafe_instruction(body(b"\0" + text + b"\x0b"), 0)


def test_numbers_with_needless_bytes_are_read_like_others() -> None:
    """A memory's index, an opcode and a length in more bytes than they need, which are rare but allowed."""
    loads = b"\x41\x00\x28\xc2\x00\x00\x84\x00\x1a", b"\x41\x00\x28\x42\x00\x04\x1a"
    for text in (*loads, b"\x41\x80\x80\x80\x80\x00\xfc\x80\x00\x1a"):
        assert unsafe_instruction(body(b"\0" + text + b"\x0b"), 0) == ""
        assert unsafe_instruction(body(b"\0" + text + b"\xfc\x89\x00\x00\x0b"), 0) == "function 0 has data.drop"


@pytest.mark.parametrize("cut", range(1, 43))
def test_a_body_that_ends_within_an_instruction_is_no_module(cut: int) -> None:
    constants = b"\x44" + b"\x26" * 8 + b"\x1a\xfd\x0c" + b"\x26" * 16 + b"\x1a"
    text = b"\0" + constants + b"\x0e\x03\x80\x00\x81\x00\x00\x00\x28\x02\xff\x01\x0b"
    whole = {1, 10, 11, 29, 30, 38, 42}
    found = body(text[:cut]) + b"\0" * 20  # there is something to read after it
    if cut in whole:
        assert unsafe_instruction(found, 0) == ""
    else:
        with pytest.raises(BadModule):
            unsafe_instruction(found, 0)


@pytest.mark.parametrize("text", [*SAFE.values(), *UNSAFE.values()], ids=[*SAFE, *UNSAFE])
def test_a_body_with_other_indices_of_functions_differs_in_them_alone(text: str) -> None:
    reader = Reader(code(text))
    bodies = [reader.take(reader.number()) for _ in range(reader.number())]
    names = 2 * text.count("$f)") + text.count("call $f")
    assert [renumbered_body(body, lambda index: index) for body in bodies] == bodies
    longer = [renumbered_body(body, lambda index: index + 200) for body in bodies]
    assert (longer == bodies) == (names == 0)
    assert [renumbered_body(body, lambda index: index - 200) for body in longer] == bodies


def test_constants_are_read_to_their_end() -> None:
    reader = Reader(b"\x41\x80\x0b\x0b\x44" + b"\x0b" * 8 + b"\x0b\xd2\x05\x0b\xfb\x00\x0b")
    assert [skip_constant(reader) for _ in range(3)] == ["", "", ""]
    assert "0xfb" in skip_constant(reader)


USUAL = wasmtime.Engine()
LAST = b"\xfc\x0d\x00\x0b"  # elem.drop $elem, end
MODULES = [bindings.wat2wasm(f"(module {FIELDS} (func {text} (elem.drop $elem)))") for text in SAFE.values()]


@bounded
@given(broken([module[: module.index(LAST) + len(LAST)] for module in MODULES]))
def test_code_that_wasmtime_can_read_is_read_to_its_end(data: bytes) -> None:
    """What wasmtime refuses has an answer, or BadModule and nothing else."""
    data += b"\x0b\x07\x01\x01\x04text"  # the data section
    valid = not _problem(USUAL, data)
    try:
        found = unsafe_instruction(section(data), 0)
    except BadModule:
        assert not valid
        return
    if valid and section(data).endswith(LAST):
        assert found
