"""The ring's controller as a module, in Zig and in Go, and the tables that run it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from tests.bench import go_programs
from tests.bench.controllers.objects import GROUP, PLURAL, namespace
from tests.bench.support import ROOT, BenchError
from tests.cluster.build import cache_folder

GUESTS: Final = Path(__file__).parent / "guests"
ZIG_SDK: Final = ROOT / "sdk" / "zig" / "edged_ctl.zig"
GO_MEMORY_MIB: Final = 64
STAYS_S: Final = 86_400
"""`idle_s` of an instance that is to stay."""
_CUSTOM: Final = b"\0"


def zig() -> Path:
    """The module in Zig, built now: it takes a second. Raises BenchError."""
    program = _cache() / "ring-zig.wasm"
    command = [
        sys.executable, "-m", "ziglang", "build-exe", "-target", "wasm32-freestanding", "-O", "ReleaseSmall", "-fstrip",
        "-fno-entry", "-rdynamic", "--stack", "65536", f"-femit-bin={program}", "--dep", "edged_ctl", "-Mroot=ring.zig",
        f"-Medged_ctl={ZIG_SDK}",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=GUESTS, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"the ring's module in Zig was not built:\n{done.stderr[-4000:]}")
    return program


def go() -> Path:
    """The same in Go, of about 3 MB. Raises BenchError."""
    program = _cache() / "ring-go.wasm"
    wasm = {"GOOS": "wasip1", "GOARCH": "wasm"}
    go_programs.build(GUESTS / "go", ".", program, flags=("-buildmode=c-shared",), environment=wasm)
    return program


def _cache() -> Path:
    folder = cache_folder() / "bench-modules"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def variants(module: Path, count: int, folder: Path) -> list[Path]:
    """As many modules of other bytes, which share nothing: modules are shared by digest."""
    content = module.read_bytes()
    paths = [folder / f"{module.stem}-{number:03}.wasm" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(content + custom_section("bench", f"{number:03}"))
    return paths


def custom_section(name: str, text: str) -> bytes:
    """One that says nothing to anybody; below 128 bytes."""
    content = bytes([len(name)]) + name.encode() + text.encode()
    return _CUSTOM + bytes([len(content)]) + content


# --- tables of the configuration file


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """[[controller]]. `rules`: what it may do. `more`: further keys, as TOML."""

    name: str
    module: Path
    config: Mapping[str, object]
    rules: Iterable[Mapping[str, object]]
    more: str = ""

    def text(self) -> str:
        allow = ", ".join(map(inline, self.rules))
        return (
            f'[[controller]]\nname = "{self.name}"\nmodule = "file://{self.module}"\nleader_election = false\n'
            f"config = {inline(self.config)}\nallow = [{allow}]\n{self.more}"
        )


def inline(value: object) -> str:
    """A value as TOML in one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {inline(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(inline, value)) + "]"
    return orjson.dumps(value).decode()


def ring_table(number: int, module: Path, *, idle_s: float = STAYS_S, more: str = "", spin: bool = False) -> str:
    """The controller that copies from namespace `number` to the next."""
    own, following = namespace(number), namespace(number + 1)
    rules = [
        {"apiGroups": [GROUP], "resources": [PLURAL], "verbs": ["get", "list", "watch"], "namespaces": [own]},
        {"apiGroups": [GROUP], "resources": [PLURAL], "verbs": ["patch"], "namespaces": [following]},
    ]
    config: dict[str, object] = {"from": own, "to": following} | ({"spin": True} if spin else {})
    more = f"idle_s = {idle_s:g}\n{more}"
    return Table(name=own, module=module, config=config, rules=rules, more=more).text()


def go_memory() -> str:
    """What a Go module needs more than others."""
    return f"memory_limit_mib = {GO_MEMORY_MIB}\n"
