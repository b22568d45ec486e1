"""`edged doctor`: tests whether the daemon can work on this machine, with the rights of the user who runs it.

Each check really tries it: it opens files, binds ports, maps memory and connects. It leaves nothing behind.
Exit code 0 when nothing fails (warnings are allowed), 1 otherwise, 2 for a wrong configuration file.
"""

from __future__ import annotations

import argparse
import ctypes
import mmap
import os
import platform
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from edged import config as configuration
from edged.cli import options
from edged.cli.output import is_table, print_data, print_table
from edged.cli.parsing import Parser
from edged.config import Config
from edged.errors import EdgedError
from edged.registry.config import module_path
from edged.registry.store import Store
from edged.toml.reader import split_address

_API_TIMEOUT_S = 5.0
_MEMORY_MIB = 150
"""The daemon and one compiling child need no more than this with a few policies."""
_DISK_MIB = 200


@dataclass(frozen=True, slots=True)
class Finding:
    """`state` is "ok", "warn" (edged works without it for now) or "fail"."""

    check: str
    state: str
    detail: str


def declare(parser: Parser) -> None:
    parser.describe("Tests whether the daemon can work on this machine, with the rights of the user who runs this. "
                    "Exit code 0: nothing fails; 1: something does.",
                    "edged doctor", "runuser -u edged -- edged doctor")
    options.config(parser)
    options.output(parser)


def run(args: argparse.Namespace) -> int:
    config = configuration.load(args.config or configuration.DEFAULT_PATH)
    findings = [finding for check in _CHECKS for finding in check(config)]
    if is_table(args.output):
        rows = [(f.check, f.state, f.detail) for f in findings]
        print_table(("CHECK", "STATE", "DETAIL"), rows, args.output, wrap=True)
    else:
        print_data([asdict(finding) for finding in findings], args.output)
    return 1 if any(finding.state == "fail" for finding in findings) else 0


def _result(check: str, problem: str | None, good: str, *, bad: str = "fail") -> Finding:
    return Finding(check, bad if problem else "ok", problem or good)


def machine(config: Config) -> Iterator[Finding]:
    found = platform.machine()
    bits = 64 if sys.maxsize > 2**32 else 32
    supported = found in ("x86_64", "aarch64") and bits == 64 and sys.platform == "linux"
    problem = (
        None if supported else f"{sys.platform} {found}, {bits} bits: Linux on x86_64 or aarch64 is needed"
    )
    yield _result("machine", problem, f"{found}, Python {platform.python_version()}")
    free = _meminfo().get("MemAvailable", 0) // 1024
    yield _result(
        "memory", f"{free} MiB available, {_MEMORY_MIB} needed" if free < _MEMORY_MIB else None,
        f"{free} MiB available", bad="warn",
    )  # fmt: skip


def runtime(config: Config) -> Iterator[Finding]:
    from importlib import metadata

    from edged.wasm.bindings import WASMTIME_VERSION

    installed = metadata.version("wasmtime")
    problem = (
        None if installed == WASMTIME_VERSION else f"{installed} is installed, {WASMTIME_VERSION} is needed"
    )
    yield _result("wasmtime", problem, installed)
    if config.engine.kind == "native":
        problem = None
        if not _executable_memory():
            problem = 'no executable memory (MemoryDenyWriteExecute?); [engine] kind = "pulley" needs none'
        yield _result("executable memory", problem, "allowed")
    try:
        actions = Path("/proc/sys/kernel/seccomp/actions_avail").read_text()
    except OSError:
        actions = ""
    problem = None if "errno" in actions else "the kernel has no seccomp filters; modules cannot be compiled"
    yield _result(
        "seccomp", problem, "filters available", bad="warn" if not Path("/proc/sys").is_dir() else "fail"
    )


def folders(config: Config) -> Iterator[Finding]:
    for name, path in (("state_dir", config.node.state_dir), ("cache_dir", config.node.cache_dir)):
        yield _result(f"[node] {name}", _folder_problem(Path(path)), path)
    yield _result("[node] socket", _writable_problem(Path(config.node.socket).parent), config.node.socket)
    free = _free_mib(Path(config.node.cache_dir))
    yield _result(
        "disk", f"{free} MiB free for compiled modules, {_DISK_MIB} needed" if free < _DISK_MIB else None,
        f"{free} MiB free", bad="warn",
    )  # fmt: skip


def listeners(config: Config) -> Iterator[Finding]:
    named = [("[observability] listen", config.observability.listen)]
    if config.admission:
        named.insert(0, ("[admission] listen", config.admission.listen))
    running = _is_running(config.node.socket)
    for name, listen in named:
        if listen:
            yield _result(
                name, None if running else _bind_problem(listen), f"{listen}{' (edged runs)' * running}"
            )


def modules(config: Config) -> Iterator[Finding]:
    named = [(p.name, p.module) for p in (config.admission.policy if config.admission else ())]
    for group in config.admission.group if config.admission else ():
        named += [(f"{group.name}/{name}", member.module) for name, member in group.members.items()]
    named += [(p.name, p.module) for p in (config.scheduler.plugin if config.scheduler else ())]
    for name, url in named:
        if url.startswith("file:"):
            path: str | None = module_path(url)
        else:
            stored = Store(Path(config.node.state_dir) / "modules").find(url)
            path = str(stored) if stored else None
        problem = _module_problem(path) if path else f"{url} is not fetched yet: the daemon does it when it starts"
        yield _result(f"module of {name}", problem, path or "")


def api_server(config: Config) -> Iterator[Finding]:
    import trio

    from edged.kube.kubeconfig import open_client

    async def ask() -> str:
        client = await open_client(config.kubernetes)
        try:
            with trio.fail_after(_API_TIMEOUT_S):
                version = await client.request("GET", "/version")
            return f"{client.server}: {version.get('gitVersion', 'no version')}"
        finally:
            await client.aclose()

    try:
        yield Finding("API server", "ok", trio.run(ask))
    except EdgedError as error:
        yield Finding("API server", "warn", f"{error}; edged starts without it and waits")
    except trio.TooSlowError:
        yield Finding(
            "API server", "warn", f"no answer in {_API_TIMEOUT_S:.0f} s; edged starts without it and waits"
        )


_CHECKS: tuple[Callable[[Config], Iterator[Finding]], ...] = (
    machine, runtime, folders, listeners, modules, api_server,
)  # fmt: skip


def _meminfo() -> dict[str, int]:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return {}
    return {line.partition(":")[0]: int(line.split()[1]) for line in lines}


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


def _folder_problem(path: Path) -> str | None:
    """Why edged could not store files there, or would not trust them."""
    from edged.wasm.compile import CacheUntrusted, check_folder

    if not path.exists():
        problem = _writable_problem(path.parent)
        return f"{path} does not exist and cannot be created: {problem}" if problem else None
    if problem := _writable_problem(path):
        return problem
    try:
        check_folder(path)
    except CacheUntrusted as error:
        return str(error)
    return None


def _writable_problem(path: Path) -> str | None:
    if not path.is_dir():
        return f"{path} is not a directory"
    return None if os.access(path, os.W_OK | os.X_OK) else f"{path} is not writable for user {os.geteuid()}"


def _free_mib(path: Path) -> int:
    while not path.exists():
        path = path.parent
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize >> 20


def _is_running(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(path) == 0


def _bind_problem(listen: str) -> str | None:
    host, port = split_address(listen)
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.create_server((host, port), family=family):
            return None
    except OSError as error:
        return f"{listen}: {error.strerror or error}"


def _module_problem(path: str) -> str | None:
    try:
        with open(path, "rb") as file:
            start = file.read(8)
    except OSError as error:
        return f"{path}: {error.strerror}"
    return None if start == b"\0asm\1\0\0\0" else f"{path} is not a WebAssembly module"
