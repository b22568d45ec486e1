"""A native linker: host functions under the names by which guests import them."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

from edged.wasm import bindings
from edged.wasm.bindings import holding, releasing


class Linker:
    """Host functions of one table, linked once and shared by every module that imports from it."""

    def __init__(self, engine: int) -> None:
        """`engine` is the handle of the native engine."""
        self.handle: int = holding.wasmtime_linker_new(engine)
        self.defined: set[tuple[str, str]] = set()
        self._keep: list[object] = []  # callbacks and their types must outlive the linker (rule 5)

    def close(self) -> None:
        """No module can be linked afterwards; what is linked goes on."""
        handle, self.handle = self.handle, 0
        if handle:
            holding.wasmtime_linker_delete(handle)

    def define_unchecked(self, module: str, name: str, params: str, results: str, callback: object) -> None:
        """A host function that answers at once. `callback` is a bindings.UncheckedCallback."""
        self._define(holding.wasmtime_linker_define_func_unchecked, module, name, params, results, callback)

    def define_async(self, module: str, name: str, params: str, results: str, callback: object) -> None:
        """A host function that may wait. `callback` is a bindings.AsyncCallback."""
        self._define(holding.wasmtime_linker_define_async_func, module, name, params, results, callback)

    def _define(
        self, define: Callable[..., int], module: str, name: str, params: str, results: str, callback: object
    ) -> None:
        kind = bindings.function_type(params, results)
        module_bytes, name_bytes = module.encode(), name.encode()
        self._keep.append(callback)
        error = define(
            self.handle,
            module_bytes,
            len(module_bytes),
            name_bytes,
            len(name_bytes),
            kind,
            callback,
            None,
            bindings.NO_FINALIZER,
        )
        holding.wasm_functype_delete(kind)
        if error:
            raise RuntimeError(f"{module}.{name} cannot be linked: {bindings.take_error(error)}")
        self.defined.add((module, name))

    def prepare(self, module: int) -> tuple[int, str | None]:
        """(`wasmtime_instance_pre_t`, None) or (0, why not): imports resolved once for many instances."""
        out = ctypes.c_void_p()
        error = releasing.wasmtime_linker_instantiate_pre(self.handle, module, ctypes.addressof(out))
        return (0, bindings.take_error(error)) if error else (out.value or 0, None)
