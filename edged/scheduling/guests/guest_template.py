"""How a scheduler guest is linked: between the two modules of loop_modules.py if it judges nodes, else alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from edged.scheduling.guests import loop_modules
from edged.scheduling.guests.imports import HOSTS, Caller
from edged.wasm import bindings, wasi
from edged.wasm.compile import Compiler
from edged.wasm.engine import Engine
from edged.wasm.hostcalls import HostFunction, HostTable
from edged.wasm.instance import Template
from edged.wasm.module import Module
from edged.wasm.surrounded import SurroundedTemplate

GUEST_HOSTS: Final[HostTable] = {**wasi.HOSTS, **HOSTS}
"""Everything a scheduler guest may import."""
_JUDGES: Final = {"filter": ("func", "", "i"), "score": ("func", "", "I")}


def _tell(instance: Caller, number: int) -> None:
    loop = instance.state.loop
    if loop is not None:
        loop.tell(number)


GATE_HOSTS: Final[HostTable] = {**GUEST_HOSTS, loop_modules.TELL: HostFunction("i", "", _tell)}


@dataclass(frozen=True, slots=True)
class Companions:
    """The modules before and after a guest."""

    gate: Module
    loop: Module


def companion_texts(module: Module) -> tuple[str, str] | None:
    """(gate, loop) that suit the module; None where it judges no nodes, or is refused for its exports anyway."""
    exports = module.exports
    judges = [name for name in _JUDGES if name in exports]
    memory = exports.get("memory")
    if not judges or memory is None or memory.kind != "memory":
        return None
    if any((exports[name].kind, exports[name].params, exports[name].results) != _JUDGES[name] for name in judges):
        return None
    return loop_modules.gate(GUEST_HOSTS), loop_modules.loop(judges)


async def companions_of(compiler: Compiler, module: Module) -> Companions | None:
    """Compiled, or from the cache. Raises as `Compiler.load`."""
    texts = companion_texts(module)
    if texts is None:
        return None
    gate = await compiler.load_bytes(bindings.wat2wasm(texts[0]), "gate of scheduler plugins")
    loop = await compiler.load_bytes(bindings.wat2wasm(texts[1]), "loop of scheduler plugins")
    return Companions(gate, loop)


def guest_template(engine: Engine, module: Module, companions: Companions | None) -> Template:
    """Raises BadModule."""
    if companions is None:
        return Template(engine, module, GUEST_HOSTS)
    return SurroundedTemplate(engine, module, companions.gate, companions.loop, GUEST_HOSTS, GATE_HOSTS)
