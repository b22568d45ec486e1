"""The raw C API of wasmtime 50.0.1: the only file that knows its pointers.

wasmtime's Python package declares the whole C API when it is imported, which costs 6 MB of memory and 0.15 s; this
file loads the same shared library and declares only what edged calls. tests/wasm/test_bindings.py compares every
declaration with the package's own, so that an upgrade cannot drift silently.

All handles are plain integers (addresses). Two views of one library: calls in which a guest may run go through
`releasing` (they release the GIL, so that the epoch ticker's thread runs beside the guest); every other call
goes through `holding` and does not pay for that.

The rules that keep this safe are in ARCHITECTURE.md, "Twelve rules". Those that live here: a callback returns an
integer whatever happens (rule 4), callbacks and function types outlive the linker (rule 5).
"""

from __future__ import annotations

import ctypes
import importlib.util
import platform
from collections.abc import Callable
from pathlib import Path
from struct import Struct

WASMTIME_VERSION = "50.0.1"

# enum wasmtime_trap_code (wasmtime/trap.h), in the words of the WebAssembly specification and of wazero, whose
# words the scheduler ABI shows to users.
TRAP_KINDS = {
    0: "stack overflow",
    1: "out of bounds memory access",
    2: "misaligned memory access",
    3: "invalid table access",
    4: "invalid table access",
    5: "indirect call type mismatch",
    6: "integer overflow",
    7: "integer divide by zero",
    8: "invalid conversion to integer",
    9: "unreachable",
    10: "interrupt",
    11: "out of fuel",
}

VAL_SIZE = 32  # wasmtime_val_t: kind (1 byte), 7 bytes of padding, 24 bytes of union
RAW_SIZE = 16  # wasmtime_val_raw_t
EXTERN_SIZE = 32  # wasmtime_extern_t: kind, padding, union at offset 8
KIND_I32, KIND_I64 = 0, 1
KIND_V128 = 4  # the last of the kinds that are numbers
KIND_FUNCREF = 5
VAL = Struct("<B7xQ16x")  # a wasmtime_val_t that holds an integer
EXTERN_FUNC, EXTERN_GLOBAL, EXTERN_TABLE, EXTERN_MEMORY = 0, 1, 2, 3

UncheckedCallback = ctypes.CFUNCTYPE(
    ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t
)
AsyncCallback = ctypes.CFUNCTYPE(
    None,
    ctypes.c_void_p,  # env
    ctypes.c_void_p,  # caller
    ctypes.c_void_p,  # args: wasmtime_val_t[]
    ctypes.c_size_t,
    ctypes.c_void_p,  # results: wasmtime_val_t[]
    ctypes.c_size_t,
    ctypes.c_void_p,  # wasm_trap_t** to fill on failure
    ctypes.c_void_p,  # wasmtime_async_continuation_t* to fill
)
Continuation = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p)
Finalizer = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
NO_FINALIZER = Finalizer()


class ContinuationStruct(ctypes.Structure):
    """`wasmtime_async_continuation_t`."""

    _fields_ = [("callback", Continuation), ("env", ctypes.c_void_p), ("finalizer", Finalizer)]


class ByteVec(ctypes.Structure):
    """`wasm_byte_vec_t`, owned by whoever received it."""

    _fields_ = [("size", ctypes.c_size_t), ("data", ctypes.c_void_p)]


class ValTypeVec(ctypes.Structure):
    """`wasm_valtype_vec_t`."""

    _fields_ = [("size", ctypes.c_size_t), ("data", ctypes.c_void_p)]


_P, _Z, _U32, _I64, _U64, _B, _S = (
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_uint32,
    ctypes.c_int64,
    ctypes.c_uint64,
    ctypes.c_bool,
    ctypes.c_char_p,
)

# name -> (result, arguments); the order of the C headers.
DECLARATIONS: dict[str, tuple[object, list[object]]] = {
    "wasm_byte_vec_delete": (None, [_P]),
    "wasm_config_new": (_P, []),
    "wasm_engine_delete": (None, [_P]),
    "wasm_engine_new_with_config": (_P, [_P]),
    "wasm_exporttype_name": (_P, [_P]),
    "wasm_exporttype_vec_delete": (None, [_P]),
    "wasm_functype_delete": (None, [_P]),
    "wasm_functype_new": (_P, [_P, _P]),
    "wasm_trap_delete": (None, [_P]),
    "wasm_trap_message": (None, [_P, _P]),
    "wasm_valtype_new": (_P, [ctypes.c_uint8]),
    "wasm_valtype_vec_new": (None, [_P, _Z, _P]),
    "wasmtime_call_future_delete": (None, [_P]),
    "wasmtime_call_future_poll": (_B, [_P]),
    "wasmtime_config_async_stack_size_set": (None, [_P, _Z]),
    "wasmtime_config_epoch_interruption_set": (None, [_P, _B]),
    "wasmtime_config_max_wasm_stack_set": (None, [_P, _Z]),
    "wasmtime_config_memory_guard_size_set": (None, [_P, _U64]),
    "wasmtime_config_memory_reservation_for_growth_set": (None, [_P, _U64]),
    "wasmtime_config_memory_reservation_set": (None, [_P, _U64]),
    "wasmtime_config_parallel_compilation_set": (None, [_P, _B]),
    "wasmtime_config_target_set": (_P, [_P, _S]),
    "wasmtime_config_wasm_function_references_set": (None, [_P, _B]),
    "wasmtime_context_epoch_deadline_async_yield_and_update": (_P, [_P, _U64]),
    "wasmtime_context_set_epoch_deadline": (None, [_P, _U64]),
    "wasmtime_engine_increment_epoch": (None, [_P]),
    "wasmtime_error_delete": (None, [_P]),
    "wasmtime_error_message": (None, [_P, _P]),
    "wasmtime_func_call_async": (_P, [_P, _P, _P, _Z, _P, _Z, _P, _P]),
    "wasmtime_global_get": (None, [_P, _P, _P]),
    "wasmtime_global_set": (_P, [_P, _P, _P]),
    "wasmtime_instance_export_get": (_B, [_P, _P, _S, _Z, _P]),
    "wasmtime_instance_pre_delete": (None, [_P]),
    "wasmtime_instance_pre_instantiate_async": (_P, [_P, _P, _P, _P, _P]),
    "wasmtime_linker_define_async_func": (_P, [_P, _S, _Z, _S, _Z, _P, AsyncCallback, _P, Finalizer]),
    "wasmtime_linker_define_func_unchecked": (
        _P,
        [_P, _S, _Z, _S, _Z, _P, UncheckedCallback, _P, Finalizer],
    ),
    "wasmtime_linker_define_instance": (_P, [_P, _P, _S, _Z, _P]),
    "wasmtime_linker_delete": (None, [_P]),
    "wasmtime_linker_instantiate_async": (_P, [_P, _P, _P, _P, _P, _P]),
    "wasmtime_linker_instantiate_pre": (_P, [_P, _P, _P]),
    "wasmtime_linker_new": (_P, [_P]),
    "wasmtime_memory_data": (_P, [_P, _P]),
    "wasmtime_memory_data_size": (_Z, [_P, _P]),
    "wasmtime_memory_grow": (_P, [_P, _P, _U64, _P]),
    "wasmtime_module_delete": (None, [_P]),
    "wasmtime_module_deserialize_file": (_P, [_P, _S, _P]),
    "wasmtime_module_exports": (None, [_P, _P]),
    "wasmtime_module_image_range": (None, [_P, _P, _P]),
    "wasmtime_module_new": (_P, [_P, _P, _Z, _P]),
    "wasmtime_module_serialize": (_P, [_P, _P]),
    "wasmtime_pooling_allocation_config_delete": (None, [_P]),
    "wasmtime_pooling_allocation_config_max_core_instance_size_set": (None, [_P, _Z]),
    "wasmtime_pooling_allocation_config_max_memories_per_module_set": (None, [_P, _U32]),
    "wasmtime_pooling_allocation_config_max_memory_size_set": (None, [_P, _Z]),
    "wasmtime_pooling_allocation_config_max_tables_per_module_set": (None, [_P, _U32]),
    "wasmtime_pooling_allocation_config_max_unused_warm_slots_set": (None, [_P, _U32]),
    "wasmtime_pooling_allocation_config_new": (_P, []),
    "wasmtime_pooling_allocation_config_table_elements_set": (None, [_P, _Z]),
    "wasmtime_pooling_allocation_config_table_keep_resident_set": (None, [_P, _Z]),
    "wasmtime_pooling_allocation_config_total_component_instances_set": (None, [_P, _U32]),
    "wasmtime_pooling_allocation_config_total_core_instances_set": (None, [_P, _U32]),
    "wasmtime_pooling_allocation_config_total_memories_set": (None, [_P, _U32]),
    "wasmtime_pooling_allocation_config_total_stacks_set": (None, [_P, _U32]),
    "wasmtime_pooling_allocation_config_total_tables_set": (None, [_P, _U32]),
    "wasmtime_pooling_allocation_strategy_set": (None, [_P, _P]),
    "wasmtime_store_context": (_P, [_P]),
    "wasmtime_store_delete": (None, [_P]),
    "wasmtime_store_limiter": (None, [_P, _I64, _I64, _I64, _I64, _I64]),
    "wasmtime_store_new": (_P, [_P, _P, Finalizer]),
    "wasmtime_table_set": (_P, [_P, _P, _U64, _P]),
    "wasmtime_trap_code": (_B, [_P, _P]),
    "wasmtime_trap_new": (_P, [_S, _Z]),
    "wasmtime_wat2wasm": (_P, [_S, _Z, _P]),
}


def library_path() -> Path:
    """Where the installed wasmtime package keeps its shared library. Raises ImportError when it has none."""
    spec = importlib.util.find_spec("wasmtime")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("the wasmtime package is not installed")
    folder = Path(next(iter(spec.submodule_search_locations)))
    machine = {"AMD64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())
    path = folder / f"linux-{machine}" / "_libwasmtime.so"
    if not path.exists():
        raise ImportError(f"the installed wasmtime package has no library for this machine: {path}")
    if not (folder.parent / f"wasmtime-{WASMTIME_VERSION}.dist-info").is_dir():
        _check_version()
    return path


def _check_version() -> None:
    """Asks the package's metadata. Raises ImportError if it is another version."""
    import importlib.metadata  # takes as long as all of this file

    installed = importlib.metadata.version("wasmtime")
    if installed != WASMTIME_VERSION:
        raise ImportError(f"wasmtime {installed} is installed, edged needs exactly {WASMTIME_VERSION}")


def _declare(library: ctypes.CDLL) -> ctypes.CDLL:
    for name, (result, arguments) in DECLARATIONS.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library


_PATH = str(library_path())
releasing = _declare(ctypes.CDLL(_PATH))
holding = _declare(ctypes.PyDLL(_PATH))


def take_text(fill: Callable[[int, int], None], handle: int) -> str:
    """Text of an error or trap: `fill(handle, out)` is one of the C API's `*_message` functions."""
    vec = ByteVec()
    fill(handle, ctypes.addressof(vec))
    text = ctypes.string_at(vec.data, vec.size).rstrip(b"\0").decode(errors="replace")
    holding.wasm_byte_vec_delete(ctypes.addressof(vec))
    return text


def take_error(error: int) -> str:
    """Message of a `wasmtime_error_t`, which is freed."""
    text = take_text(holding.wasmtime_error_message, error)
    holding.wasmtime_error_delete(error)
    return text


def take_trap(trap: int) -> tuple[str | None, str]:
    """(kind or None where the host made the trap, message) of a `wasm_trap_t`, which is freed."""
    code = ctypes.c_uint8()
    has_code = holding.wasmtime_trap_code(trap, ctypes.addressof(code))
    text = take_text(holding.wasm_trap_message, trap)
    holding.wasm_trap_delete(trap)
    return (TRAP_KINDS.get(code.value, f"trap {code.value}") if has_code else None), text


def new_trap() -> int:
    """A host-made trap; its owner is whoever receives it. The real error travels on the Python side."""
    trap: int = holding.wasmtime_trap_new(b"host function failed", 20)
    return trap


def put_value(address: int, letter: str, value: int) -> None:
    """Write an integer of the type i (i32) or I (i64) into the `wasmtime_val_t` at that address."""
    kind = KIND_I64 if letter == "I" else KIND_I32
    ctypes.memmove(address, VAL.pack(kind, value & 0xFFFFFFFFFFFFFFFF), 16)


def function_type(params: str, results: str) -> int:
    """A `wasm_functype_t` for letters i (i32) and I (i64)."""

    def vector(letters: str) -> ValTypeVec:
        vec = ValTypeVec()
        types = (ctypes.c_void_p * max(1, len(letters)))(
            *(holding.wasm_valtype_new({"i": KIND_I32, "I": KIND_I64}[letter]) for letter in letters)
        )
        holding.wasm_valtype_vec_new(ctypes.addressof(vec), len(letters), ctypes.addressof(types))
        return vec

    parameters, returned = vector(params), vector(results)
    handle: int = holding.wasm_functype_new(ctypes.addressof(parameters), ctypes.addressof(returned))
    return handle


def wat2wasm(text: str) -> bytes:
    """Binary form of a module in the text format. Raises ValueError with the position of the mistake."""
    source = text.encode()
    vec = ByteVec()
    error = holding.wasmtime_wat2wasm(source, len(source), ctypes.addressof(vec))
    if error:
        raise ValueError(take_error(error))
    binary = ctypes.string_at(vec.data, vec.size)
    holding.wasm_byte_vec_delete(ctypes.addressof(vec))
    return binary
