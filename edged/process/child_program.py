"""Inside a child process: limits on what it may cost, no sockets, and answering line by line.

Imported by the programs that edged/process/children.py starts. A child that reads what strangers wrote has nobody to
talk to, ends before it takes the node's memory, and is first in line for the out-of-memory killer.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import resource
import struct
import sys
from collections.abc import Callable
from typing import Any

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


def confine(memory_mib: int, cpu_s: int) -> None:
    """Both of the above. What needs more memory than that to be imported is imported before."""
    limit_process(memory_mib, cpu_s)
    forbid_sockets()


def answer_lines(answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """A line of JSON in, a line of JSON out, until the input ends. What `answer` raises ends the process: its last
    words are the reason that the asker gives."""
    for line in sys.stdin.buffer:
        sys.stdout.write(json.dumps(answer(json.loads(line))) + "\n")
        sys.stdout.flush()
