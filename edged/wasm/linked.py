"""A guest that runs beside a module of ours in one store: for ABIs in which the host's functions need the guest's own.

A host callback never calls into a guest (ARCHITECTURE.md, rule 1). Where an ABI needs that, a small module of ours, the
companion, is what the guest imports from: it exports the guest's imports, its memory included, reaches the
guest's exports through a table of functions, and asks the host with plain bytes. The ABI says which module that is
(abi/opa_companion.py). `Instance.call` and its memory are the companion's; the guest is called through it alone.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from typing import Any

from edged.wasm import bindings
from edged.wasm.account import Budget
from edged.wasm.binary import Export
from edged.wasm.bindings import holding
from edged.wasm.engine import Engine
from edged.wasm.errors import BadModule
from edged.wasm.guest_store import ERROR, EXTERN, INSTANCE, TRAP, OtherInstance
from edged.wasm.hostcalls import HostTable
from edged.wasm.instance import Instance, Template
from edged.wasm.module import Module
from edged.wasm.wasi import Wasi

_FUNCREF = bytes([bindings.KIND_FUNCREF])
_Table = ctypes.c_char * 24  # wasmtime_table_t


class LinkedTemplate(Template):
    """A guest whose imports come from a companion, both instantiated for each call. Raises BadModule.

    `functions` names the guest's functions for the companion's exported table `guest`, in the order of its slots. A
    slot stays empty where it has no name, and where the guest lacks the function and need not have it.
    """

    def __init__(
        self,
        engine: Engine,
        guest: Module,
        companion: Module,
        hosts: HostTable,
        *,
        imports_from: str,
        functions: Sequence[str | None],
    ) -> None:
        super().__init__(engine, companion, hosts)
        self.guest = guest
        self.digest = guest.digest
        self._from = imports_from.encode()
        self._functions = [(slot, name.encode()) for slot, name in enumerate(functions) if name in guest.exports]
        check_imports(guest, companion.exports, imports_from)

    async def instantiate(
        self,
        state: Any,
        budget: Budget,
        wasi: Wasi | None = None,
        deadline: float = math.inf,
        seconds: float = math.inf,
    ) -> Instance:
        """Both, in one store. The guest's start section has run, none of its exports."""
        instance = await super().instantiate(state, budget, wasi, deadline, seconds)
        try:
            self._fill(instance, await self._add_guest(instance))
        except BaseException:
            instance.close()
            raise
        return instance

    async def _add_guest(self, instance: Instance) -> ctypes.Array[ctypes.c_char]:
        """The guest's handle. Imports are looked up by name each time: an instance belongs to one store."""
        handles = self.module.engine.handles
        guest, linker = OtherInstance(), holding.wasmtime_linker_new(handles.engine)
        try:
            error = holding.wasmtime_linker_define_instance(
                linker, instance.context, self._from, len(self._from), instance.address + INSTANCE
            )
            if error:
                raise RuntimeError(f"the companion cannot be linked: {bindings.take_error(error)}")
            instance.begin()
            await instance.finish(
                holding.wasmtime_linker_instantiate_async(
                    linker,
                    instance.context,
                    self.guest.handle,
                    ctypes.addressof(guest),
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
        return guest

    def _fill(self, instance: Instance, guest: ctypes.Array[ctypes.c_char]) -> None:
        """Give the companion the guest's functions."""
        get, extern = holding.wasmtime_instance_export_get, instance.address + EXTERN
        if not get(instance.context, instance.address + INSTANCE, b"guest", 5, extern):
            raise RuntimeError("the companion exports no table named guest")
        table = _Table.from_buffer_copy(instance.scratch.raw[EXTERN + 8 : EXTERN + 32])
        for slot, name in self._functions:
            if not get(instance.context, ctypes.addressof(guest), name, len(name), extern):
                raise RuntimeError(f"the instance lacks the export {name.decode()} of its own module")
            instance.scratch[EXTERN] = _FUNCREF  # an extern and a value differ in the kind only
            error = holding.wasmtime_table_set(instance.context, ctypes.addressof(table), slot, extern)
            if error:
                raise RuntimeError(f"the companion's table has no slot {slot}: {bindings.take_error(error)}")


def check_imports(guest: Module, exports: dict[str, Export], imports_from: str) -> None:
    """Raise BadModule unless all that the guest imports is among the companion's exports. The limits of a memory are
    the ABI's to check."""
    for item in guest.imports:
        offered = exports.get(item.name) if item.module == imports_from else None
        if offered is None or offered.kind != item.kind or item.kind not in ("func", "memory"):
            kind = "function" if item.kind == "func" else item.kind
            raise BadModule(f"unknown import: {kind} {item.module}.{item.name} is not offered to this module")
        if (item.params, item.results) != (offered.params, offered.results):
            raise BadModule(
                f"import {item.module}.{item.name} has the wrong signature: "
                f"({item.params}) -> ({item.results}) instead of ({offered.params}) -> ({offered.results})"
            )
