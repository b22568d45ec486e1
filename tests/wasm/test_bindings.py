"""edged's own declarations of wasmtime's C API against those of the installed package."""

import ctypes

import pytest

from edged.wasm import bindings


@pytest.fixture(scope="module")
def package():
    import wasmtime._bindings

    return wasmtime._bindings


def _shape(kind):
    """What matters for calling: size and class of a ctypes type (every pointer is one)."""
    if kind is None:
        return None
    code = getattr(kind, "_type_", None)
    if isinstance(code, str) and code not in "PzZ":
        return ctypes.sizeof(kind), "number"
    return ctypes.sizeof(kind), "pointer"


def test_every_function_is_declared_as_the_package_declares_it(package):
    for name, (result, arguments) in bindings.DECLARATIONS.items():
        theirs = getattr(package, f"_{name}")
        assert _shape(result) == _shape(theirs.restype), name
        assert [_shape(a) for a in arguments] == [_shape(a) for a in theirs.argtypes], name


def test_sizes_of_structures(package):
    assert ctypes.sizeof(package.wasmtime_val_t) == bindings.VAL_SIZE
    assert ctypes.sizeof(package.wasmtime_val_raw_t) == bindings.RAW_SIZE
    assert ctypes.sizeof(package.wasmtime_extern_t) == bindings.EXTERN_SIZE
    assert package.wasmtime_val_t.of.offset == package.wasmtime_extern_t.of.offset == 8
    assert ctypes.sizeof(package.wasmtime_async_continuation_t) == ctypes.sizeof(bindings.ContinuationStruct)
    assert ctypes.sizeof(package.wasmtime_instance_t) == 16
    assert ctypes.sizeof(package.wasmtime_memory_t) == 24
    assert ctypes.sizeof(package.wasmtime_func_t) == 16


def test_kinds(package):
    import wasmtime._ffi as ffi

    assert (ffi.WASMTIME_I32.value, ffi.WASMTIME_I64.value) == (bindings.KIND_I32, bindings.KIND_I64)
    assert ffi.WASMTIME_EXTERN_FUNC.value == bindings.EXTERN_FUNC
    assert ffi.WASMTIME_EXTERN_MEMORY.value == bindings.EXTERN_MEMORY


def test_wat2wasm_says_where_the_mistake_is():
    with pytest.raises(ValueError, match="1:9"):
        bindings.wat2wasm("(module nonsense)")
