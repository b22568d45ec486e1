"""The machine that edged runs on: processor, memory, Python, the Wasm runtime and what it needs of the kernel."""

from __future__ import annotations

import ctypes
import mmap
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

from edged.cli.doctor.findings import FAIL, WARN, Finding, judged
from edged.config import Config

_MEMORY_MIB = 150
"""The daemon and one compiling child need no more than this with a few policies."""
_NEW_VENV = "python3 -m venv /opt/edged && /opt/edged/bin/pip install edged"


def findings(config: Config) -> Iterator[Finding]:
    yield processor()
    yield memory(_available_mib())
    yield python()
    yield wasmtime()
    if config.engine.kind == "native":
        problem = None if _executable_memory() else "no executable memory (MemoryDenyWriteExecute?)"
        yield judged("executable memory", problem, "allowed", 'set kind = "pulley" in [engine], which needs none')
    yield seccomp()


def processor() -> Finding:
    found = platform.machine()
    bits = 64 if sys.maxsize > 2**32 else 32
    supported = found in ("x86_64", "aarch64") and bits == 64 and sys.platform == "linux"
    problem = None if supported else f"{sys.platform} {found}, {bits} bits"
    return judged("machine", problem, found, "use Linux on x86-64 or 64-bit ARM (a 64-bit system, not a 32-bit one)")


def memory(free_mib: int) -> Finding:
    problem = f"{free_mib} MiB available, {_MEMORY_MIB} needed" if free_mib < _MEMORY_MIB else None
    remedy = "stop something, or lower [engine] guests_memory_mib"
    return judged("memory", problem, f"{free_mib} MiB available", remedy, bad=WARN)


def python() -> Finding:
    """This Python, which edged accepts or not, and where it is."""
    from edged.__main__ import refusal

    place = f"venv {sys.prefix}" if sys.prefix != sys.base_prefix else sys.prefix
    good = f"{platform.python_version()}, {place}"
    return judged("Python", refusal(sys.version_info[:3]), good, f"make a venv of another Python: {_NEW_VENV}")


def wasmtime() -> Finding:
    from importlib import metadata

    from edged.wasm.bindings import WASMTIME_VERSION

    installed = metadata.version("wasmtime")
    problem = None if installed == WASMTIME_VERSION else f"{installed} is installed, {WASMTIME_VERSION} is needed"
    remedy = f"{sys.prefix}/bin/pip install wasmtime=={WASMTIME_VERSION}"
    return judged("wasmtime", problem, installed, remedy)


def seccomp() -> Finding:
    """Filters of system calls: the compiling child may ask little of the kernel because of them."""
    try:
        actions = Path("/proc/sys/kernel/seccomp/actions_avail").read_text()
    except OSError:
        actions = ""
    problem = None if "errno" in actions else "the kernel has no seccomp filters: modules cannot be compiled"
    bad = FAIL if Path("/proc/sys").is_dir() else WARN
    return judged("seccomp", problem, "filters available", "use a kernel with CONFIG_SECCOMP_FILTER=y", bad=bad)


def _available_mib() -> int:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return 0
    found = {line.partition(":")[0]: int(line.split()[1]) for line in lines}
    return found.get("MemAvailable", 0) // 1024


def _executable_memory() -> bool:
    """Whether a written page may become executable; compiled guests need that."""
    libc = ctypes.CDLL(None, use_errno=True)
    with mmap.mmap(-1, mmap.PAGESIZE) as page:
        page[0] = 0
        view = ctypes.c_char.from_buffer(page)
        failed = libc.mprotect(
            ctypes.c_void_p(ctypes.addressof(view)), mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_EXEC
        )
        del view
    return bool(failed == 0)
