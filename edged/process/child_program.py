"""Inside a child process: limits on what it may cost and ask of the kernel, and answering line by line.

Imported by the programs that edged/process/children.py starts. A child that reads what strangers wrote talks to nobody
and writes to no file, ends before it takes the node's memory, and is first in line for the out-of-memory killer.
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

from edged.process import system_calls

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2


def limit_system_calls() -> None:
    """From here on only what system_calls.py allows. Raises OSError when the kernel cannot."""
    instructions = system_calls.program(platform.machine(), os.getpid())
    code = ctypes.create_string_buffer(system_calls.packed(instructions))
    header = struct.pack("<HxxxxxxQ", len(instructions), ctypes.addressof(code))
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
    limit_system_calls()


def answer_lines(answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """A line of JSON in, a line of JSON out, until the input ends. What `answer` raises ends the process: its last
    words are the reason that the asker gives."""
    for line in sys.stdin.buffer:
        sys.stdout.write(json.dumps(answer(json.loads(line))) + "\n")
        sys.stdout.flush()
