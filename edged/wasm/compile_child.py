"""The short-lived process that compiles one module: `python -I -c ... main()` (compile.py starts it).

Reads the module from standard input, writes the compiled form to standard output; messages go to standard error
and exit code 3 says that the module is at fault. It protects the node from the compiler: limited address space and
CPU time, first in line for the out-of-memory killer, and no sockets (seccomp): what compiles a stranger's bytes has
nobody to talk to.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edged.wasm.config import Kind

EXIT_BAD_MODULE = 3

# (AUDIT_ARCH_*, numbers of the system calls that make or connect sockets)
_SOCKET_CALLS = {
    "x86_64": (0xC000003E, (41, 42, 43, 49, 50, 53, 288)),
    "aarch64": (0xC00000B7, (198, 199, 200, 201, 202, 203, 242)),
}
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2
_LOAD, _JUMP_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _KILL, _ERRNO_EPERM = 0x7FFF0000, 0x80000000, 0x00050001
_X32_BIT = 0x40000000


def forbid_sockets() -> None:
    """Refuse socket system calls with EPERM from here on. Raises OSError when the kernel cannot."""
    architecture, numbers = _SOCKET_CALLS[platform.machine()]
    program = [
        struct.pack("<HBBI", _LOAD, 0, 0, 4),
        struct.pack("<HBBI", _JUMP_EQUAL, 1, 0, architecture),
        struct.pack("<HBBI", _RETURN, 0, 0, _KILL),
        struct.pack("<HBBI", _LOAD, 0, 0, 0),
        struct.pack("<HBBI", 0x35, 0, 1, _X32_BIT),  # jump if at or above: the x32 twins of every call
        struct.pack("<HBBI", _RETURN, 0, 0, _ERRNO_EPERM),
    ]
    for index, number in enumerate(numbers):
        program.append(struct.pack("<HBBI", _JUMP_EQUAL, len(numbers) - index, 0, number))
    program.append(struct.pack("<HBBI", _RETURN, 0, 0, _ALLOW))
    program.append(struct.pack("<HBBI", _RETURN, 0, 0, _ERRNO_EPERM))
    code = ctypes.create_string_buffer(b"".join(program))
    header = struct.pack("<HxxxxxxQ", len(program), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header, 0, 0
    ):
        raise OSError(ctypes.get_errno(), "cannot install the seccomp filter")


def limit_process(memory_mib: int, cpu_s: int) -> None:
    """Bound what compiling may cost.

    Not PR_SET_PDEATHSIG: it means the thread that started us, one of trio's, which ends after ten idle seconds.
    """
    os.nice(5)
    for what, limit in (
        (resource.RLIMIT_AS, memory_mib << 20),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(what, (limit, limit))
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
    except OSError as error:  # not on Linux, or a container without /proc: worth a word, not a failure
        print(f"cannot set oom_score_adj: {error}", file=sys.stderr)


def main(argv: list[str]) -> int:
    """`argv` is [engine kind, "wide" or "narrow" addresses, memory limit in MiB, CPU limit in seconds]."""
    from edged.errors import GuestError
    from edged.wasm.engine import Engine
    from edged.wasm.module import compile_here

    kind_name, addresses, memory_mib, cpu_s = argv
    kind: Kind = "pulley" if kind_name == "pulley" else "native"
    binary = sys.stdin.buffer.read()
    limit_process(int(memory_mib), int(cpu_s))
    forbid_sockets()
    try:
        compiled = compile_here(Engine(kind, wide=addresses == "wide", pooled=False), binary)
    except GuestError as error:
        print(error, file=sys.stderr)
        return EXIT_BAD_MODULE
    sys.stdout.buffer.write(compiled)
    sys.stdout.buffer.flush()
    return 0
