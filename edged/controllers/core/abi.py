"""The names of `edged_ctl_v1`: import module, version, what a controller exports and with which signatures. Pure.

docs/controllers-abi.md is the reference. What may be imported is a table of host functions (run/imports.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from edged.wasm.binary import Export
from edged.wasm.errors import BadModule

MODULE: Final = "edged_ctl_v1"
MAJOR: Final = 1
PREFIX: Final = "edged_ctl_"
"""Of every export that belongs to the ABI."""

ABI, SETUP, RECONCILE, MAP = "edged_ctl_abi", "edged_ctl_setup", "edged_ctl_reconcile", "edged_ctl_map"
ADMIT, SNAPSHOT, RESTORE, STOP = "edged_ctl_admit", "edged_ctl_snapshot", "edged_ctl_restore", "edged_ctl_stop"
SIGNATURES: Final = {
    ABI: ("", "i"), SETUP: ("i", "I"), RECONCILE: ("i", "I"), MAP: ("i", "I"), ADMIT: ("i", "I"),
    SNAPSHOT: ("", "I"), RESTORE: ("i", "I"), STOP: ("", "I"),
}  # fmt: skip
_REQUIRED: Final = (ABI, SETUP, RECONCILE)


def check_exports(exports: Mapping[str, Export]) -> None:
    """Raises BadModule where a module with these exports is no controller of this version."""
    if "_start" in exports and RECONCILE not in exports:
        raise BadModule(f"the module is a command, with _start: build it as a reactor with the exports of {MODULE}")
    if "memory" not in exports or exports["memory"].kind != "memory":
        raise BadModule("the module exports no memory named memory")
    for name in _REQUIRED:
        if name not in exports or exports[name].kind != "func":
            raise BadModule(f"the module does not export the function {name}")
    for name, (params, results) in SIGNATURES.items():
        export = exports.get(name)
        if export is not None and (export.params, export.results) != (params, results):
            raise BadModule(f"the module exports {name} as ({export.params}) -> ({export.results}) "
                            f"instead of ({params}) -> ({results})")  # fmt: skip


def check_version(abi: int) -> None:
    """`abi`: what `edged_ctl_abi` answered. Raises BadModule."""
    if abi >> 16 != MAJOR:
        name = MODULE.removesuffix(f"_v{MAJOR}")
        raise BadModule(f"the module was built for version {abi >> 16} of {name}, this edged has version {MAJOR}")


def known(exports: Iterable[str]) -> tuple[list[str], list[str]]:
    """Which of a module's exports are called, in the order of the ABI, and which only look as if they were."""
    names = set(exports)
    return [name for name in SIGNATURES if name in names], sorted(
        name for name in names - SIGNATURES.keys() if name.startswith(PREFIX)
    )
