"""A compiled module: native code mapped from the cache, and what the binary says about itself."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field

from edged.wasm import bindings
from edged.wasm.binary import Export, Import
from edged.wasm.bindings import holding, releasing
from edged.wasm.companion import Companion
from edged.wasm.engine import Engine
from edged.wasm.errors import BadModule
from edged.wasm.image_exports import image_support


@dataclass(frozen=True, slots=True)
class Merged:
    """What a module was made of: a guest's exports, and the companion that it was compiled with."""

    exports: dict[str, Export]
    companion: Companion


@dataclass(slots=True, eq=False, weakref_slot=True)
class Module:
    """Shared by every policy or plugin that names the same bytes. Freed with its last user."""

    name: str  # for messages: the file or reference it came from
    digest: str  # SHA-256 of the .wasm, hexadecimal
    imports: tuple[Import, ...]
    exports: dict[str, Export]
    metadata: bytes | None  # payload of the custom section io.kubewarden.metadata
    engine: Engine
    handle: int = 0
    merged: Merged | None = None  # then imports and exports are the companion's
    linked: dict[int, int] = field(default_factory=dict)  # linker handle -> wasmtime_instance_pre_t
    usual_cpu_s: float = 0.0  # CPU of one call, a moving average: slices.py goes by it
    called: bool = False  # since idle.py looked last
    warm: bool = False  # its code may be mapped
    _image_support: tuple[str, tuple[str, ...]] | None = None

    def __post_init__(self) -> None:
        self.engine.idle.add(self)

    @property
    def image_support(self) -> tuple[str, tuple[str, ...]]:
        """(why no image of its instances is possible or "", the names of all its mutable globals)."""
        if self._image_support is None:
            self._image_support = image_support(export_names(self), self.exports)
        return self._image_support

    def note_call(self, cpu_s: float) -> None:
        """A call ended, in whatever way, after using this much CPU."""
        self.called = True
        self.usual_cpu_s += (cpu_s - self.usual_cpu_s) * 0.2

    def __del__(self) -> None:
        # Modules are reference-counted inside wasmtime; running instances keep theirs.
        for prepared in self.linked.values():
            holding.wasmtime_instance_pre_delete(prepared)
        if self.handle:
            holding.wasmtime_module_delete(self.handle)


def map_compiled(engine: Engine, path: str) -> int:
    """Handle of the compiled module in that file, mapped. Raises BadModule when it was made by other settings."""
    out = ctypes.c_void_p()
    error = releasing.wasmtime_module_deserialize_file(engine.handles.engine, path.encode(), ctypes.addressof(out))
    if error:
        raise BadModule(f"compiled module is not usable: {bindings.take_error(error)}")
    if out.value is None:
        raise RuntimeError("wasmtime gave neither a module nor an error")
    return out.value


def export_names(module: Module) -> list[str]:
    """What the compiled form exports: the module's exports, and what was added before it was compiled."""
    vec = bindings.ByteVec()  # a wasm_exporttype_vec_t has the same shape
    holding.wasmtime_module_exports(module.handle, ctypes.addressof(vec))
    names = []
    for number in range(vec.size):
        kind = ctypes.c_void_p.from_address(vec.data + 8 * number).value
        name = bindings.ByteVec.from_address(holding.wasm_exporttype_name(kind))
        names.append(ctypes.string_at(name.data, name.size).decode())
    holding.wasm_exporttype_vec_delete(ctypes.addressof(vec))
    return names
