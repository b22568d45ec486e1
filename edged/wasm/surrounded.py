"""A guest between two modules of ours in one store: one that it imports from, and one that imports from both.

What the first is for and what the second does is said where their text is (scheduling/guests/loop_modules.py). The
guest stays the instance that `Instance.call` and its memory are about; functions of the last module are called by
`Instance.call_beside`.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from typing import Any

from edged.wasm import bindings
from edged.wasm.account import Budget
from edged.wasm.bindings import holding
from edged.wasm.engine import Engine
from edged.wasm.guest_store import ERROR, EXTERN, INSTANCE, TRAP, OtherInstance
from edged.wasm.hostcalls import HostTable, check_offered
from edged.wasm.instance import Instance, Template
from edged.wasm.module import Module
from edged.wasm.wasi import Wasi
from edged.wasm.window import Memory, Window


class SurroundedTemplate(Template):
    """A guest, what it imports from (`gate`, which imports from the table), and a module that imports from `gate` and
    `guest`. `hosts` is what the guest may import, `beneath` what the gate does. Raises BadModule."""

    def __init__(
        self,
        engine: Engine,
        guest: Module,
        gate: Module,
        last: Module,
        hosts: HostTable,
        beneath: HostTable,
    ) -> None:
        check_offered(guest.imports, hosts)
        super().__init__(engine, gate, beneath)
        self.module = guest
        self.digest = guest.digest
        self.hosts = hosts
        self.gate = gate
        self.last = last
        self._imports_from = tuple({item.module for item in guest.imports})

    async def instantiate(
        self,
        state: Any,
        budget: Budget,
        wasi: Wasi | None = None,
        deadline: float = math.inf,
        seconds: float = math.inf,
    ) -> Instance:
        """All three. The guest's start section has run, none of its exports."""
        instance = await super().instantiate(state, budget, wasi, deadline, seconds)
        try:
            await self._surround(instance)
        except BaseException:
            instance.close()
            raise
        return instance

    async def _surround(self, instance: Instance) -> None:
        instance.driver.counts_memory = False  # until the guest's is there
        gate = OtherInstance.from_buffer_copy(instance.scratch.raw[INSTANCE : INSTANCE + 16])
        instance.window = Window(instance.context, _exported_memory(instance, b"window"), instance.account)
        guest = await _instantiate_beside(instance, self.module, [(name, gate) for name in self._imports_from])
        last = await _instantiate_beside(instance, self.last, [("gate", gate), ("guest", guest)])
        for name, item in self.last.exports.items():
            if item.kind == "func":
                instance.beside[name] = _exported_function(instance, last, name)
        ctypes.memmove(instance.address + INSTANCE, guest, 16)
        instance.driver.counts_memory = True


async def _instantiate_beside(
    instance: Instance, module: Module, sources: Sequence[tuple[str, ctypes.Array[ctypes.c_char]]]
) -> ctypes.Array[ctypes.c_char]:
    """The handle of one more module's instance in that store. `sources`: what it imports from, under which names.
    Imports are looked up by name each time: an instance belongs to one store."""
    handles = instance.engine.handles
    made, linker = OtherInstance(), holding.wasmtime_linker_new(handles.engine)
    try:
        for name, source in sources:
            encoded = name.encode()
            error = holding.wasmtime_linker_define_instance(
                linker, instance.context, encoded, len(encoded), ctypes.addressof(source)
            )
            if error:
                raise RuntimeError(f"{name} cannot be linked: {bindings.take_error(error)}")
        instance.begin()
        await instance.finish(
            holding.wasmtime_linker_instantiate_async(
                linker,
                instance.context,
                module.handle,
                ctypes.addressof(made),
                instance.address + TRAP,
                instance.address + ERROR,
            )
        )
    except GeneratorExit:
        handles.doom(0, 0, linker)  # after the future, which is doomed already (rule 5)
        linker = 0
        raise
    finally:
        if linker:
            holding.wasmtime_linker_delete(linker)
    return made


def _exported_memory(instance: Instance, name: bytes) -> ctypes.Array[ctypes.c_char]:
    extern = instance.address + EXTERN
    if not holding.wasmtime_instance_export_get(instance.context, instance.address + INSTANCE, name, len(name), extern):
        raise RuntimeError(f"the gate exports no {name.decode()}")
    return Memory.from_buffer_copy(instance.scratch.raw[EXTERN + 8 : EXTERN + 32])


def _exported_function(instance: Instance, owner: ctypes.Array[ctypes.c_char], name: str) -> bytes:
    extern, encoded = instance.address + EXTERN, name.encode()
    if not holding.wasmtime_instance_export_get(
        instance.context, ctypes.addressof(owner), encoded, len(encoded), extern
    ):
        raise RuntimeError(f"the instance lacks the export {name} of its own module")
    return instance.scratch.raw[EXTERN + 8 : EXTERN + 24]
