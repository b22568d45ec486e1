"""From a module's file to a module that can be called: compiled once by a short-lived child process, kept in the cache
(code_cache.py), mapped when loaded.

The child has no way to the cache: what it makes comes through a pipe, and this process writes it. Where the cache takes
nothing (a disk that is full, broken or read-only), the daemon keeps compiled code in memory instead, within a bound.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, TypeVarTuple

import trio

from edged.errors import ConfigError, GuestError
from edged.process import children
from edged.process.files import in_memory
from edged.records import dataclass
from edged.wasm.code_cache import CacheUntrusted as CacheUntrusted
from edged.wasm.code_cache import CodeCache
from edged.wasm.code_cache import check_folder as check_folder
from edged.wasm.companion import Companion
from edged.wasm.compile_child import EXIT_BAD_MODULE
from edged.wasm.compile_output import MemoryRoom, Output
from edged.wasm.engine import Engine
from edged.wasm.errors import BadModule
from edged.wasm.module import Merged, Module, map_compiled
from edged.wasm.module_file import MAX_MODULE_BYTES as MAX_MODULE_BYTES
from edged.wasm.module_file import METADATA_SECTION as METADATA_SECTION
from edged.wasm.module_file import Description, describe, digest_of, opened
from edged.wasm.turns import Turns

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")
FILES_AT_ONCE = 4
FIRST_PAUSE_S = 120.0
LONGEST_PAUSE_S = 3600.0
MOST_BAD = 256
CHILD_MIB, MIB_PER_MIB = 32.0, 24.0
PREPARED = "prepared 1"
"""Which form of a module is compiled: another number where rewriting.py: prepared makes another one."""


@dataclass(frozen=True, slots=True)
class CompileLimits:
    """What one compilation may cost."""

    memory_mib: int = 1024  # address space of the child
    cpu_s: int = 120
    wall_s: float = 180.0


def cpu_features() -> str:
    """What native code may depend on: the processor's feature flags as the kernel lists them."""
    features = ("flags", "Features", "CPU implementer", "CPU part")
    try:
        with open("/proc/cpuinfo") as file:
            lines = sorted({line.strip() for line in file if line.partition("\t")[0].strip() in features})
    except OSError:
        lines = []
    return f"{platform.machine()} " + " ".join(lines)


CompanionFor = Callable[[Description], Companion | None]
"""Which companion a module is merged with. Raises BadModule where it cannot be."""


def _no_companion(_found: Description) -> None:
    return None


def _argument(companion: Companion) -> str:
    """As the compiling child gets it."""
    return f"{companion.imports_from} {companion.functions_from} {companion.binary.hex()}"


@dataclass(frozen=True, slots=True)
class _Bad:
    """A module that did not compile: why, and until when that is believed."""

    error: str
    until: float
    pause_s: float


def needed_mib(size: int) -> float:
    """What the child takes at most, about, for a module of so many bytes: measured with Rust, Go and Rego policies."""
    return CHILD_MIB + MIB_PER_MIB * size / (1 << 20)


class OutOfLimits(BadModule):
    """Compiling ended without a word of the compiler: it had no more memory or time."""


class Compiler:
    """Loads modules for one engine through one cache folder."""

    def __init__(
        self,
        engine: Engine,
        cache_dir: Path,
        limits: CompileLimits | None = None,
        on_progress: Callable[[str, str], None] = lambda event, module: None,
        *,
        memory_mib: int = 0,
        may_start: Callable[[list[float], float], bool] = lambda running_mib, mib: False,
    ) -> None:
        """`memory_mib`: how much compiled code may stay in memory where the cache takes none, all modules together.
        `may_start`: whether a child that needs so many MiB may run beside others; one always may run alone."""
        self.engine = engine
        self.cache_dir = cache_dir.absolute()
        self.limits = limits or CompileLimits()
        # ("compiling" | "compiled" | "failed" | "cached", path), ("discarded" | "uncached", reason)
        self._on_progress = on_progress
        self._cache = CodeCache(self.cache_dir)
        self._turns = Turns(lambda running, size: may_start([needed_mib(each) for each in running], needed_mib(size)))
        self._bad: dict[str, _Bad] = {}  # by key
        self._files = trio.CapacityLimiter(FILES_AT_ONCE)
        self._memory = MemoryRoom(memory_mib << 20)
        self._features = cpu_features()

    def key(self, digest: str, companion: Companion | None = None) -> str:
        """Name of a compiled module in the cache: what its code depends on."""
        merged = f"{_argument(companion)}\n" if companion is not None else ""
        text = f"{digest}\n{self.engine.settings}\n{self._features}\n{PREPARED}\n{merged}"
        return hashlib.sha256(text.encode()).hexdigest()[:40]

    async def load(
        self, path: Path, name: str = "", author: str = "", companion_for: CompanionFor = _no_companion
    ) -> Module:
        """The module of that file, compiled if need be; `name` for messages. `author`: of the custom resource that
        names it, "" for what the administrator wants. `companion_for`: what it is merged with (merging.py). Raises
        BadModule, GuestError, ConfigError."""
        name = name or str(path)
        found = await self._in_thread(describe, path, name)
        companion = companion_for(found)
        interface = found.interface if companion is None else companion.interface()
        merged = None if companion is None else Merged(found.interface.exports, companion)
        module = Module(
            name, found.digest, interface.imports, interface.exports, found.metadata, self.engine, merged=merged
        )
        refusal = await self._in_thread(self._prepare)
        key = self.key(module.digest, companion)
        module.handle = 0 if refusal else await self._map_cached(key)
        if module.handle:
            self._on_progress("cached", name)
            return module
        for alone in (False, True):
            async with self._turns.turn(author, size=found.size, key=key, alone=alone) as turn:
                try:
                    await self._take_turn(path, module, key, refusal, author)
                    break
                except OutOfLimits:
                    if not turn.had_company:
                        raise
                    # Together they may have taken more than there is. By itself it has all the room that there is.
        return module

    async def _take_turn(self, path: Path, module: Module, key: str, refusal: OSError | None, author: str) -> None:
        module.handle = 0 if refusal else await self._map_cached(key)  # another task may have compiled it meanwhile
        if module.handle:
            return
        if author:
            self._raise_known(key)
        self._on_progress("compiling", module.name)
        try:
            await self._compile(path, module, key, refusal)
        except BaseException as error:
            self._on_progress("failed", module.name)
            if author and isinstance(error, BadModule):
                self._remember(key, error)
            raise
        self._on_progress("compiled", module.name)

    def _remember(self, key: str, error: BadModule) -> None:
        """A stranger's module that does not compile is tried again, ever more rarely: each try may take minutes."""
        before = self._bad.pop(key, None)
        pause_s = min(before.pause_s * 2, LONGEST_PAUSE_S) if before is not None else FIRST_PAUSE_S
        self._bad[key] = _Bad(str(error), trio.current_time() + pause_s, pause_s)
        if len(self._bad) > MOST_BAD:
            del self._bad[next(iter(self._bad))]

    def _raise_known(self, key: str) -> None:
        bad = self._bad.get(key)
        if bad is not None and trio.current_time() < bad.until:
            raise BadModule(bad.error)

    async def load_bytes(
        self, wasm: bytes, name: str, author: str = "", companion_for: CompanionFor = _no_companion
    ) -> Module:
        """As `load`, for a module that is in no file: one that this program wrote itself."""
        with in_memory(wasm) as path:
            return await self.load(Path(path.replace("/self/", f"/{os.getpid()}/")), name, author, companion_for)

    async def _in_thread(self, work: Callable[[*Arguments], T], *arguments: *Arguments) -> T:
        """Reading, hashing and writing of files that may be large, or on a slow disk."""
        return await trio.to_thread.run_sync(work, *arguments, limiter=self._files)

    def _prepare(self) -> OSError | None:
        """Why the cache takes nothing, if that is so. Raises ConfigError where it must not be used, or where there is
        no other way."""
        try:
            self._cache.prepare()
        except OSError as error:
            return self._refused(error, "cannot make cache_dir")
        return None

    def _refused(self, error: OSError, what: str) -> OSError:
        """The error, if there is memory instead of the cache. Raises ConfigError."""
        if self._memory.left <= 0:
            raise ConfigError(f"{what} {self.cache_dir}: {error.strerror or error}") from error
        return error

    async def _map_cached(self, key: str) -> int:
        """Handle of a cached module whose file is ours and whole; 0 where there is none."""
        descriptor = await self._in_thread(self._cache.open, key)
        try:
            return 0 if descriptor is None else map_compiled(self.engine, f"/proc/self/fd/{descriptor}")
        except BadModule as error:
            self._cache.discard(key, str(error))
            return 0
        finally:
            if descriptor is not None:
                os.close(descriptor)
            while self._cache.discarded:
                self._on_progress("discarded", self._cache.discarded.pop(0))

    async def _compile(self, path: Path, module: Module, key: str, refusal: OSError | None) -> None:
        """Give the module its handle, by way of the cache where that is possible. Nothing is left behind where that
        fails."""
        output = Output(self._cache, key, refusal, self._refused, self._memory)
        try:
            await self._in_thread(output.begin)
            await self._run_child(path, module, output)
            await self._in_thread(output.keep)
            if output.refusal is None:
                module.handle = await self._map_cached(key)
            else:
                self._use_from_memory(module, output)
        finally:
            output.drop()
        if not module.handle:
            raise GuestError(f"the compiled form of {module.name} vanished from {self.cache_dir}")

    def _use_from_memory(self, module: Module, output: Output) -> None:
        """Takes its room until the module is freed. Raises BadModule."""
        module.handle = map_compiled(self.engine, f"/proc/self/fd/{output.sealed()}")
        weakref.finalize(module, self._memory.give, output.hand_over()).atexit = False
        stays = "it stays in memory, and is compiled again next time"
        self._on_progress("uncached", f"{module.name}: {output.why}; {stays}")

    async def _run_child(self, path: Path, module: Module, output: Output) -> None:
        """Compile what is in the file into `output`. Raises BadModule when that fails or takes too long."""
        limits = self.limits
        with opened(path) as source:
            if await self._in_thread(digest_of, source) != module.digest:
                raise BadModule(f"module {path} changed while it was being loaded")

            async def take(data: bytes) -> None:
                await self._in_thread(output.write, data)

            try:
                ended = await children.pour(
                    self._command(module), source, take, within_s=limits.wall_s, environment={"LC_ALL": "C.UTF-8"}
                )
            except children.ChildTooSlow as error:
                raise BadModule(f"compiling {path} took longer than {limits.wall_s:.0f} s") from error
            except children.ChildFailed as error:
                raise GuestError(f"compiling {path} could not begin: {error}") from error
            _judge(path, ended.code, ended.errors, limits)
            if await self._in_thread(digest_of, source) != module.digest:
                raise BadModule(f"module {path} changed while it was being compiled")

    def _command(self, module: Module) -> list[str]:
        root = Path(__file__).parent.parent.parent
        code = (
            "import sys; sys.path.insert(0, sys.argv.pop(1)); "
            "from edged.wasm.compile_child import main; sys.exit(main(sys.argv[1:]))"
        )
        engine, limits = self.engine, self.limits
        addresses = "wide" if engine.wide else "narrow"
        settings = [engine.kind, addresses, str(limits.memory_mib), str(limits.cpu_s)]
        settings += [_argument(module.merged.companion)] if module.merged is not None else []
        return [sys.executable, "-I", "-c", code, str(root), *settings]


def _judge(path: Path, code: int, stderr: bytes, limits: CompileLimits) -> None:
    """Raise the error that the child's exit code and messages stand for; none when it succeeded."""
    if code == 0:
        return
    text = stderr.decode(errors="replace").strip()
    starved = "Cannot allocate" in text or "MemoryError" in text
    if code == EXIT_BAD_MODULE and not starved:
        raise BadModule(f"module {path} does not compile: {text}")
    last = text.splitlines()[-1] if text else "no message"
    what = f"signal {-code}" if code < 0 else f"exit code {code}"
    raise OutOfLimits(
        f"compiling {path} failed within {limits.memory_mib} MiB and {limits.cpu_s} s of CPU ({what}): {last}"
    )
