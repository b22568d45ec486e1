"""The short-lived process that compiles one module: `python -I -c ... main()` (compile.py starts it).

Reads the module from standard input, writes the compiled form to standard output; messages go to standard error
and exit code 3 says that the module is at fault. A stranger's module could exploit the compiler, so this process has
limits of address space and CPU time, is first in line for the out-of-memory killer, and may ask little of the kernel:
no sockets, no file to write (seccomp).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from edged.process.child_program import confine

if TYPE_CHECKING:
    from edged.wasm.config import Kind

EXIT_BAD_MODULE = 3


def main(argv: list[str]) -> int:
    """`argv` is [engine kind, "wide" or "narrow" addresses, memory limit in MiB, CPU limit in seconds]."""
    from edged.errors import GuestError
    from edged.wasm.compilation import compile_with, configuration, new_engine

    kind_name, addresses, memory_mib, cpu_s = argv
    kind: Kind = "pulley" if kind_name == "pulley" else "native"
    binary = sys.stdin.buffer.read()
    confine(int(memory_mib), int(cpu_s))
    output = sys.stdout.buffer
    try:
        compile_with(new_engine(configuration(kind, wide=addresses == "wide")), binary, output.write)
    except GuestError as error:
        print(error, file=sys.stderr)
        return EXIT_BAD_MODULE
    output.flush()
    return 0
