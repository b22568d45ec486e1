"""A guest that runs beside a module of ours in one store: for ABIs in which the host's functions need the guest's own.

A host callback never calls into a guest (ARCHITECTURE.md, rule 1). Where an ABI needs that, a small module of ours, the
companion, is what the guest imports from: it exports the guest's imports, its memory included, reaches the
guest's exports through a table of functions, and asks the host with plain bytes. Which module that is says the ABI
(abi/opa_companion.py). `Instance.call` and its memory are the companion's; the guest is called through it alone.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from typing import Any

from edged.wasm import bindings
from edged.wasm.binary import Export
from edged.wasm.bindings import holding
from edged.wasm.engine import Engine
from edged.wasm.errors import BadModule
from edged.wasm.hostcalls import HostTable
from edged.wasm.instance import _ERROR, _EXTERN, _INSTANCE, _TRAP, Budget, Instance, Template
from edged.wasm.module import Module

_FUNCREF = bytes([bindings.KIND_FUNCREF])
_TABLE = ctypes.c_char * 24  # wasmtime_table_t
_GUEST = ctypes.c_char * 16  # wasmtime_instance_t


class LinkedTemplate(Template):
    """A guest whose imports come from a companion, both instantiated for each call. Raises BadModule.

    `wanted` are the guest's functions for the companion's exported table `guest`, in the order of its slots; a slot of
    None, and of what the guest does not have and need not, stays empty.
    """

    def __init__(
        self,
        engine: Engine,
        guest: Module,
        companion: Module,
        hosts: HostTable,
        *,
        imports_from: str,
        wanted: Sequence[str | None],
    ) -> None:
        super().__init__(engine, companion, hosts)
        self.guest = guest
        self.digest = guest.digest
        self._from = imports_from.encode()
        self._wanted = [(slot, name.encode()) for slot, name in enumerate(wanted) if name in guest.exports]
        check_imports(guest, companion.exports, imports_from)

    async def instantiate(self, state: Any, budget: Budget, wasi: Any = None, deadline: float = math.inf) -> Instance:
        """Both, in one store. The guest's start section has run, none of its exports."""
        instance = await super().instantiate(state, budget, wasi, deadline)
        try:
            self._fill(instance, await self._add_guest(instance))
        except BaseException:
            instance.close()
            raise
        return instance

    async def _add_guest(self, instance: Instance) -> Any:
        """The guest's handle. Imports are looked up by name each time: an instance belongs to one store."""
        guest, context, address = _GUEST(), instance._context, instance._address
        linker = holding.wasmtime_linker_new(self.module.engine.handle)
        try:
            error = holding.wasmtime_linker_define_instance(
                linker, context, self._from, len(self._from), address + _INSTANCE
            )
            assert not error, bindings.take_error(error)
            instance.begin()
            await instance._drive(
                holding.wasmtime_linker_instantiate_async(
                    linker, context, self.guest.handle, ctypes.addressof(guest), address + _TRAP, address + _ERROR
                )
            )
        except GeneratorExit:
            self.module.engine.doom(0, 0, linker)  # after the future, which is doomed already (rule 5)
            linker = 0
            raise
        finally:
            if linker:
                holding.wasmtime_linker_delete(linker)
        return guest

    def _fill(self, instance: Instance, guest: Any) -> None:
        """Give the companion the guest's functions."""
        context, extern = instance._context, instance._address + _EXTERN
        found = holding.wasmtime_instance_export_get(context, instance._address + _INSTANCE, b"guest", 5, extern)
        assert found
        table = _TABLE.from_buffer_copy(instance._scratch.raw[_EXTERN + 8 : _EXTERN + 32])
        get, put = holding.wasmtime_instance_export_get, holding.wasmtime_table_set
        whose, where = ctypes.addressof(guest), ctypes.addressof(table)
        for slot, name in self._wanted:
            assert get(context, whose, name, len(name), extern)
            instance._scratch[_EXTERN] = _FUNCREF  # an extern and a value differ in the kind only
            error = put(context, where, slot, extern)
            assert not error, bindings.take_error(error)


def check_imports(guest: Module, offered: dict[str, Export], imports_from: str) -> None:
    """Raise BadModule unless the guest wants only what the companion has. The limits of a memory are the ABI's to
    check."""
    for wanted in guest.imports:
        name = f"{wanted.module}.{wanted.name}"
        have = offered.get(wanted.name) if wanted.module == imports_from else None
        if have is None or have.kind != wanted.kind or wanted.kind not in ("func", "memory"):
            kind = "function" if wanted.kind == "func" else wanted.kind
            raise BadModule(f"unknown import: {kind} {name} is not offered to this module")
        if (wanted.params, wanted.results) != (have.params, have.results):
            raise BadModule(
                f"import {name} has the wrong signature: "
                f"({wanted.params}) -> ({wanted.results}) instead of ({have.params}) -> ({have.results})"
            )
