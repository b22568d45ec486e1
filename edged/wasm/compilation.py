"""How code is compiled: the native engine's settings, and compiling in this process.

The compiling child (compile_child.py) runs this file and little else, since what it imports counts for each of them;
engine.py has the daemon's engine use the same settings, which are part of the cache's key.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import TYPE_CHECKING

from edged.errors import ConfigError
from edged.wasm import bindings
from edged.wasm.bindings import holding, releasing
from edged.wasm.errors import BadModule

if TYPE_CHECKING:
    from edged.wasm.config import Kind

# Where addresses are plenty, each memory reserves all that 32 bits can name: then no access needs a check (code is a
# quarter smaller and a tenth faster) and growing moves nothing. With 39 bits of addresses, as on small ARM boards, a
# few of these would use them up: there memories reserve the usual limit, and accesses are checked.
WIDE_RESERVATION, WIDE_GUARD = 4 << 30, 32 << 20
NARROW_RESERVATION, NARROW_GUARD = 64 << 20, 0
GROWTH_RESERVATION = 16 << 20
MAX_WASM_STACK = 512 << 10
ASYNC_STACK = 2 << 20
PIECE = 1 << 18


def configuration(kind: Kind, *, wide: bool) -> int:
    """A new `wasm_config_t`. Raises ConfigError where this wasmtime has no engine of that kind."""
    reservation, guard = (WIDE_RESERVATION, WIDE_GUARD) if wide else (NARROW_RESERVATION, NARROW_GUARD)
    config: int = holding.wasm_config_new()
    holding.wasmtime_config_epoch_interruption_set(config, True)
    holding.wasmtime_config_parallel_compilation_set(config, False)
    holding.wasmtime_config_wasm_function_references_set(config, True)
    holding.wasmtime_config_memory_reservation_set(config, reservation)
    holding.wasmtime_config_memory_reservation_for_growth_set(config, GROWTH_RESERVATION)
    holding.wasmtime_config_memory_guard_size_set(config, guard)
    holding.wasmtime_config_max_wasm_stack_set(config, MAX_WASM_STACK)
    holding.wasmtime_config_async_stack_size_set(config, ASYNC_STACK)
    if kind == "pulley":
        error = holding.wasmtime_config_target_set(config, b"pulley64")
        if error:
            raise ConfigError(f"this wasmtime has no interpreter: {bindings.take_error(error)}")
    return config


def new_engine(config: int) -> int:
    """A `wasm_engine_t` with these settings, which it takes."""
    native: int = holding.wasm_engine_new_with_config(config)
    return native


def compile_with(engine: int, binary: bytes, take: Callable[[memoryview], object]) -> None:
    """Hand the compiled form of a module to `take`, piece by piece: it is there once. Raises BadModule."""
    out = ctypes.c_void_p()
    error = releasing.wasmtime_module_new(engine, binary, len(binary), ctypes.addressof(out))
    if error:
        raise BadModule(bindings.take_error(error))
    vec = bindings.ByteVec()
    error = holding.wasmtime_module_serialize(out.value, ctypes.addressof(vec))
    holding.wasmtime_module_delete(out.value)
    if error:
        raise BadModule(bindings.take_error(error))
    try:
        whole = memoryview((ctypes.c_char * vec.size).from_address(vec.data)).cast("B")
        for start in range(0, vec.size, PIECE):
            take(whole[start : start + PIECE])
    finally:
        holding.wasm_byte_vec_delete(ctypes.addressof(vec))
