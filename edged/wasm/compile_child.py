"""The short-lived process that compiles one module: `python -I -c ... main()` (compile.py starts it).

Reads the module from standard input, writes the compiled form to standard output, with what images of its instances
need exported (rewriting.py); messages go to standard error, and exit code 3 says that the module is at fault. A
stranger's module could exploit the compiler, so this process has limits of address space and CPU time, is first in line
for the out-of-memory killer, and may ask little of the kernel: no sockets, no file to write (seccomp).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from edged.process.child_program import confine

if TYPE_CHECKING:
    from edged.wasm.config import Kind

EXIT_BAD_MODULE = 3


def main(argv: list[str]) -> int:
    """`argv` is [engine kind, "wide" or "narrow" addresses, memory limit in MiB, CPU limit in seconds], and for a guest
    that is merged with a companion [..., "MODULE_THAT_IT_IS MODULE_THAT_THE_GUEST_IS BINARY_IN_HEXADECIMAL"]."""
    from edged.errors import GuestError
    from edged.wasm.compilation import compile_with, configuration, new_engine
    from edged.wasm.rewriting import prepared

    kind_name, addresses, memory_mib, cpu_s, *companions = argv
    kind: Kind = "pulley" if kind_name == "pulley" else "native"
    binary = sys.stdin.buffer.read()
    confine(int(memory_mib), int(cpu_s))
    output = sys.stdout.buffer
    try:
        for companion in companions:
            binary = _merged(binary, companion)
        compile_with(new_engine(configuration(kind, wide=addresses == "wide")), prepared(binary), output.write)
    except GuestError as error:
        print(error, file=sys.stderr)
        return EXIT_BAD_MODULE
    output.flush()
    return 0


def _merged(guest: bytes, companion: str) -> bytes:
    from edged.wasm.companion import Companion
    from edged.wasm.merging import merged

    imports_from, functions_from, code = companion.split(" ")
    return merged(guest, Companion(bytes.fromhex(code), imports_from, functions_from))
