"""A module of ours that a guest is compiled with: for ABIs in which the host's functions need the guest's own. Pure.

A host callback never calls into a guest (ARCHITECTURE.md, rule 1). Where an ABI needs that, a small module of ours, the
companion, stands between: the guest imports all it imports from it, its memory included, and it calls the guest's
functions and asks the host with plain bytes. The ABI says which module that is (abi/opa_companion.py). The compiling
child makes one module of both (merging.py), so that they take one instance and call each other directly.
"""

from __future__ import annotations

from edged.records import dataclass
from edged.wasm import binary
from edged.wasm.binary import Import, Interface
from edged.wasm.errors import BadModule


@dataclass(frozen=True, slots=True)
class Companion:
    """The module of ours. The guest takes all its imports from a module named `imports_from`, which it is; what it
    imports from `functions_from` is the guest's."""

    binary: bytes
    imports_from: str
    functions_from: str

    def interface(self) -> Interface:
        """Of the merged module."""
        own = binary.interface(self.binary)
        return Interface(tuple(item for item in own.imports if item.module != self.functions_from), own.exports)


def check_imports(imports: tuple[Import, ...], companion: Companion) -> None:
    """Raise BadModule unless all that a guest imports is among the companion's exports. The limits of a memory are the
    ABI's to check."""
    exports = binary.interface(companion.binary).exports
    for item in imports:
        offered = exports.get(item.name) if item.module == companion.imports_from else None
        if offered is None or offered.kind != item.kind or item.kind not in ("func", "memory"):
            kind = "function" if item.kind == "func" else item.kind
            raise BadModule(f"unknown import: {kind} {item.module}.{item.name} is not offered to this module")
        if (item.params, item.results) != (offered.params, offered.results):
            raise BadModule(
                f"import {item.module}.{item.name} has the wrong signature: "
                f"({item.params}) -> ({item.results}) instead of ({offered.params}) -> ({offered.results})"
            )
