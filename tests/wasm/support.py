"""Helpers of the guest host's tests: modules from WAT, one engine per test."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from edged.wasm import binary, bindings
from edged.wasm.compilation import compile_with
from edged.wasm.engine import Engine
from edged.wasm.module import Module, map_compiled

FAULTS = Path(__file__).parents[2] / "modules" / "faults"


def module(engine: Engine, text: str | bytes) -> Module:
    """A module compiled in this process, from WAT or binary."""
    wasm = bindings.wat2wasm(text) if isinstance(text, str) else text
    with tempfile.NamedTemporaryFile(suffix=".cwasm") as file:
        compile_with(engine.handles.engine, wasm, file.write)
        file.flush()
        handle = map_compiled(engine, file.name)
    interface = binary.interface(wasm)
    return Module("test", "0" * 64, interface.imports, interface.exports, None, engine, handle)


def fault(name: str) -> str:
    """Source of modules/faults/NAME.wat."""
    return (FAULTS / f"{name}.wat").read_text()


def rss_mib() -> float:
    """Resident memory of this process."""
    with open(f"/proc/{os.getpid()}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE") / (1 << 20)
