"""Compiled modules: made by a short-lived child process, kept in a content-addressed cache, mapped when loaded.

Compiled code is native code, so nobody else may be able to change the cache. Every folder on the way and the file
itself must belong to this user (folders may be root's) and be writable by nobody else. Symlinks are not followed, and
the bytes that were checked are the bytes that are mapped. A file's name carries the digest of its content: a truncated
or damaged file is recognised, removed and made again. Files are written under a temporary name, synced, renamed and
never opened for writing again, because the process dies when a file is truncated while it is mapped.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import mmap
import os
import platform
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import trio

from edged.errors import ConfigError, GuestError
from edged.wasm import binary
from edged.wasm.compile_child import EXIT_BAD_MODULE
from edged.wasm.engine import Engine
from edged.wasm.errors import BadModule
from edged.wasm.module import Module, map_compiled

METADATA_SECTION = "io.kubewarden.metadata"
MAX_MODULE_BYTES = 256 << 20
SUFFIX = ".cwasm"
TEMPORARY = ".compiling-"


@dataclass(frozen=True, slots=True)
class CompileLimits:
    """What one compilation may cost."""

    memory_mib: int = 1024  # address space of the child
    cpu_s: int = 120
    wall_s: float = 180.0


class CacheUntrusted(ConfigError):
    """Somebody else could have written the cache folder or a file in it."""


def cpu_features() -> str:
    """What native code may depend on: the processor's feature flags as the kernel lists them."""
    features = ("flags", "Features", "CPU implementer", "CPU part")
    try:
        with open("/proc/cpuinfo") as file:
            lines = sorted({line.strip() for line in file if line.partition("\t")[0].strip() in features})
    except OSError:
        lines = []
    return f"{platform.machine()} " + " ".join(lines)


def _foreign(status: os.stat_result, *, folder: bool) -> str | None:
    """Why somebody else could have written the folder or the file; None where nobody could."""
    mine = (0, os.geteuid()) if folder else (os.geteuid(),)
    if status.st_uid not in mine:
        return f"belongs to user {status.st_uid}"
    writable = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    sticky = folder and status.st_mode & stat.S_ISVTX  # /tmp: others may add files but not replace ours
    return "may be written by others" if writable and not sticky else None


def check_folder(folder: Path) -> None:
    """Raise CacheUntrusted unless only this user (or root) can change the folder or any folder above it."""
    for place in (folder, *folder.parents):
        status = os.lstat(place)
        if stat.S_ISLNK(status.st_mode):
            why: str | None = "is a symbolic link"
        elif place == folder and status.st_uid != os.geteuid():
            why = f"belongs to user {status.st_uid}"
        else:
            why = _foreign(status, folder=True)
        if place == folder and not why and status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            why = "may be written by others"
        if why:
            raise CacheUntrusted(f"cache_dir {folder} is not used: {place} {why}")


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap]:
    """The module file, mapped read-only: its code section is hashed, never copied."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise BadModule(f"the module file is missing ({path})") from error
    except OSError as error:
        raise BadModule(f"cannot read module {path}: {error.strerror}") from error
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise BadModule(f"cannot read module {path}: not a regular file")
        if not 8 <= status.st_size <= MAX_MODULE_BYTES:
            raise BadModule(f"not a WebAssembly module: {path} has {status.st_size} bytes")
        with mmap.mmap(fd, status.st_size, prot=mmap.PROT_READ, flags=mmap.MAP_PRIVATE) as view:
            yield view
    finally:
        os.close(fd)


class Compiler:
    """Loads modules for one engine through one cache folder."""

    def __init__(
        self,
        engine: Engine,
        cache_dir: Path,
        limits: CompileLimits | None = None,
        on_progress: Callable[[str, str], None] = lambda event, module: None,
    ) -> None:
        self.engine = engine
        self.cache_dir = cache_dir.absolute()
        self.limits = limits or CompileLimits()
        self._on_progress = on_progress  # ("compiling" | "compiled" | "failed" | "cached" | "discarded", path)
        self._one_child = trio.Lock()  # one compiler at a time: its memory is the peak of the whole tree
        self._features = cpu_features()

    def key(self, digest: str) -> str:
        """Name of a compiled module in the cache: what its code depends on."""
        text = f"{digest}\n{self.engine.settings}\n{self._features}\n"
        return hashlib.sha256(text.encode()).hexdigest()[:40]

    async def load(self, path: Path, name: str = "") -> Module:
        """The module of that file, compiled if need be; `name` for messages. Raises BadModule, GuestError,
        ConfigError."""
        name = name or str(path)
        module = self._read(path, name)
        self._prepare_cache()
        key = self.key(module.digest)
        module.handle = self._map_cached(key)
        if module.handle:
            self._on_progress("cached", name)
            return module
        async with self._one_child:
            module.handle = self._map_cached(key)  # another task may have compiled it meanwhile
            if module.handle:
                return module
            self._on_progress("compiling", name)
            try:
                await self._compile(path, module.digest, key)
            except BaseException:
                self._on_progress("failed", name)
                raise
            module.handle = self._map_cached(key)
            if not module.handle:
                raise GuestError(f"the compiled form of {name} vanished from {self.cache_dir}")
            self._on_progress("compiled", name)
        return module

    def _read(self, path: Path, name: str) -> Module:
        """The module without its code: what the binary says about itself."""
        with _mapped(path) as view:
            digest = hashlib.sha256(view).hexdigest()
            try:
                interface = binary.interface(view)
                metadata = binary.custom_section(view, METADATA_SECTION)
            except BadModule as error:
                raise BadModule(f"module {name}: {error}") from error
        return Module(name, digest, interface.imports, interface.exports, metadata, self.engine)

    async def load_bytes(self, wasm: bytes, name: str) -> Module:
        """As `load`, for a module that is in no file: one that this program wrote itself."""
        fd = os.memfd_create("module", os.MFD_CLOEXEC)
        try:
            os.write(fd, wasm)
            return await self.load(Path(f"/proc/{os.getpid()}/fd/{fd}"), name)
        finally:
            os.close(fd)

    def _prepare_cache(self) -> None:
        try:
            self.cache_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"cannot make cache_dir {self.cache_dir}: {error.strerror}") from error
        check_folder(self.cache_dir)
        self._sweep()

    def _sweep(self) -> None:
        """Remove the temporary files of compilations that were killed with the daemon."""
        for path in self.cache_dir.glob(f"{TEMPORARY}*"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > 2 * self.limits.wall_s:
                    path.unlink()

    def _map_cached(self, key: str) -> int:
        """Handle of a cached module whose file is ours and whole; 0 where there is none."""
        for path in sorted(self.cache_dir.glob(f"{key}-*{SUFFIX}")):
            content = path.name[len(key) + 1 : -len(SUFFIX)]
            try:
                with _opened(path) as fd:
                    status = os.fstat(fd)
                    if not stat.S_ISREG(status.st_mode) or _foreign(status, folder=False):
                        raise CacheUntrusted(f"compiled module {path} is not this user's alone")
                    if _digest(fd) != content:
                        raise BadModule(f"compiled module {path} is damaged")
                    return map_compiled(self.engine, f"/proc/self/fd/{fd}")
            except (OSError, CacheUntrusted, BadModule) as error:
                self._on_progress("discarded", str(error))
                with contextlib.suppress(OSError):
                    path.unlink()
        return 0

    async def _compile(self, path: Path, digest: str, key: str) -> None:
        """Put the compiled form of that file into the cache. Nothing is left behind where that fails."""
        temporary, out = self._temporary()
        try:
            with open(path, "rb") as source, os.fdopen(out, "wb") as target:
                if _digest(source.fileno()) != digest:
                    raise BadModule(f"module {path} changed while it was being loaded")
                os.lseek(source.fileno(), 0, os.SEEK_SET)
                await self._run_child(path, source, target)
                os.fsync(target.fileno())
                if _digest(source.fileno()) != digest:
                    raise BadModule(f"module {path} changed while it was being compiled")
            os.chmod(temporary, 0o400)
            with _opened(Path(temporary)) as fd:
                content = _digest(fd)
            os.rename(temporary, self.cache_dir / f"{key}-{content}{SUFFIX}")
        except OSError as error:
            raise ConfigError(f"cannot write the compiled module to {self.cache_dir}: {error.strerror}") from error
        finally:
            with contextlib.suppress(OSError):
                os.unlink(temporary)

    async def _run_child(self, path: Path, source: IO[bytes], target: IO[bytes]) -> None:
        """Compile what `source` holds into `target`. Raises BadModule when that fails or takes too long."""
        limits = self.limits
        with trio.move_on_after(limits.wall_s) as scope:
            done = await trio.run_process(
                self._command(),
                stdin=source,
                stdout=target,
                capture_stderr=True,
                check=False,
                env={"LC_ALL": "C.UTF-8"},
            )
        if scope.cancelled_caught:
            raise BadModule(f"compiling {path} took longer than {limits.wall_s:.0f} s")
        _judge(path, done.returncode, done.stderr, limits)

    def _command(self) -> list[str]:
        root = Path(__file__).parent.parent.parent
        code = (
            "import sys; sys.path.insert(0, sys.argv.pop(1)); "
            "from edged.wasm.compile_child import main; sys.exit(main(sys.argv[1:]))"
        )
        engine, limits = self.engine, self.limits
        addresses = "wide" if engine.wide else "narrow"
        settings = [engine.kind, addresses, str(limits.memory_mib), str(limits.cpu_s)]
        return [sys.executable, "-I", "-c", code, str(root), *settings]

    def _temporary(self) -> tuple[str, int]:
        try:
            out, temporary = tempfile.mkstemp(prefix=TEMPORARY, dir=self.cache_dir)
        except OSError as error:
            raise ConfigError(f"cannot write to cache_dir {self.cache_dir}: {error.strerror}") from error
        return temporary, out


def _judge(path: Path, code: int, stderr: bytes, limits: CompileLimits) -> None:
    """Raise the error that the child's exit code and messages stand for; none when it succeeded. OSError: the disk is
    full."""
    if code == 0:
        return
    text = stderr.decode(errors="replace").strip()
    starved = "Cannot allocate" in text or "MemoryError" in text
    if code == EXIT_BAD_MODULE and not starved:
        raise BadModule(f"module {path} does not compile: {text}")
    if "No space left" in text:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    last = text.splitlines()[-1] if text else "no message"
    what = f"signal {-code}" if code < 0 else f"exit code {code}"
    raise BadModule(
        f"compiling {path} failed within {limits.memory_mib} MiB and {limits.cpu_s} s of CPU ({what}): {last}"
    )


def _digest(fd: int) -> str:
    """SHA-256 of an open file, read in pieces so that none of it stays in memory."""
    digest = hashlib.sha256()
    os.lseek(fd, 0, os.SEEK_SET)
    while chunk := os.read(fd, 1 << 18):
        digest.update(chunk)
    return digest.hexdigest()
