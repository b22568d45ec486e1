"""What of a module can be seen to be wrong without compiling it: its form, its kind, a policy's metadata, and what a
controller imports and exports.

Used by `edged check`, `edged doctor` and `edged module inspect`; `edged policy run` tries the rest.
"""

from __future__ import annotations

from edged.abi import metadata
from edged.errors import GuestError
from edged.wasm import binary
from edged.wasm.compile import METADATA_SECTION
from edged.wasm.purpose import CONTROLLER, POLICY, TABLES, Purpose, misplaced, purpose_of


def content_problem(content: bytes, wanted: Purpose) -> tuple[str, str]:
    """What is wrong with a module that has to be `wanted`, and what to do; ("", "") where nothing can be seen."""
    try:
        interface = binary.interface(content)
        found = purpose_of((item.module for item in interface.imports), interface.exports)
        if why := misplaced(found, wanted):
            return why.partition(":")[0], f"move it to {TABLES[found][1]}"
        if wanted == CONTROLLER:
            check_controller(interface)
        said = metadata.parse(binary.custom_section(content, METADATA_SECTION)) if wanted == POLICY else None
    except GuestError as error:
        return str(error), "fetch or build the module again"
    try:
        if said is not None:
            metadata.check_loadable(said, exports=interface.exports)
    except GuestError as error:
        return str(error), "add metadata with `edged policy annotate`, or use the module that its author published"
    return "", ""


def check_controller(interface: binary.Interface) -> None:
    """Raises BadModule where a controller lacks an export, or imports what it is not offered."""
    from edged.controllers.core.abi import check_exports
    from edged.controllers.run.imports import HOSTS
    from edged.wasm.hostcalls import check_offered

    check_exports(interface.exports)
    check_offered(interface.imports, HOSTS)
