"""Builds the sample modules from their sources and keeps the committed .wasm files honest.

    python modules/build.py             build all: the .wasm files, sizes, digests and the README table
    python modules/build.py NAME...     only these
    python modules/build.py --check     build into a temporary folder and compare with what is committed

A module is a folder with a module.toml. Toolchains: Zig and C from the Python package `ziglang`, WAT from
`wasmtime`, AssemblyScript from the npm package `assemblyscript` (installed into modules/toolchain by `npm ci`
when it is absent), Rego from OPA (built from its Go module by `python -m tests.guests.rego.build`), Go and Rust from
this machine's compilers. What these two make is large or differs from machine to machine: it is not committed
(`committed = false`), and goes into the module's folder, where git ignores it.
tests/modules/test_rebuild.py does what --check does.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from annotate import annotate

ROOT = Path(__file__).resolve().parent
TOOLCHAIN = ROOT / "toolchain"
ASC = TOOLCHAIN / "node_modules" / "assemblyscript" / "bin" / "asc.js"


class BuildError(RuntimeError):
    """A module does not build, or its folder is not as it should be."""


class ToolchainMissing(BuildError):
    """The compiler for a language is not installed here."""


@dataclass(frozen=True, slots=True)
class SampleModule:
    """One folder below modules/: what its module.toml says."""

    folder: Path
    name: str
    abi: str
    language: str
    summary: str
    command: tuple[str, ...]
    committed: bool
    size: int
    sha256: str

    @property
    def wasm(self) -> Path:
        return self.folder / f"{self.name}.wasm"

    @property
    def metadata(self) -> Path:
        """Kubewarden's metadata; only policies have one, and WAT sources carry it themselves."""
        return self.folder / "metadata.json"


def load(folder: Path) -> SampleModule:
    path = folder / "module.toml"
    table = tomllib.loads(path.read_text())
    try:
        return SampleModule(
            folder=folder,
            name=table["name"],
            abi=table["abi"],
            language=table["language"],
            summary=table["summary"],
            command=tuple(table["build"]),
            committed=(committed := table.get("committed", True)),
            size=table["size"] if committed else 0,
            sha256=table["sha256"] if committed else "",
        )
    except KeyError as missing:
        raise BuildError(f"{path}: key {missing} is missing") from None


def all_modules() -> list[SampleModule]:
    return [load(path.parent) for path in sorted(ROOT.glob("*/*/module.toml"))]


def compile_module(module: SampleModule) -> bytes:
    """The finished module, metadata included. Leaves the checkout as it is."""
    with tempfile.TemporaryDirectory(prefix="edged-module-") as scratch:
        out = Path(scratch) / "out.wasm"
        command = _command(module, out)
        run = subprocess.run(command, cwd=module.folder, capture_output=True, text=True)
        if run.returncode:
            raise BuildError(f"{module.name}: {' '.join(command)} failed:\n{run.stderr}{run.stdout}")
        compiled = out.read_bytes()
    return annotate(compiled, module.metadata.read_bytes()) if module.metadata.exists() else compiled


def _command(module: SampleModule, out: Path) -> list[str]:
    command: list[str] = []
    for word in module.command:
        tool = TOOLS.get(word)
        command += tool() if tool else [word.replace("{out}", str(out))]
    return command


def _zig() -> list[str]:
    if importlib.util.find_spec("ziglang") is None:
        raise ToolchainMissing("Zig is missing: pip install ziglang")
    return [sys.executable, "-m", "ziglang"]


def _asc() -> list[str]:
    node = shutil.which("node")
    if node is None or not ASC.exists():
        raise ToolchainMissing("AssemblyScript is missing: npm ci --prefix modules/toolchain (needs node)")
    return [node, str(ASC)]


def _wat() -> list[str]:
    if importlib.util.find_spec("wasmtime") is None:
        raise ToolchainMissing("wasmtime is missing: pip install wasmtime")
    read, write = "open(sys.argv[1]).read()", "open(sys.argv[2], 'wb').write"
    return [sys.executable, "-c", f"import sys, wasmtime; {write}(wasmtime.wat2wasm({read}))"]


def _opa() -> list[str]:
    folder = ROOT.parent / "tests" / "guests" / "rego"
    pinned = b"".join((folder / "go" / name).read_bytes() for name in ("go.mod", "go.sum"))
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edged" / "guests"
    program = Path(os.environ.get("EDGED_GUEST_CACHE") or cache) / f"opa-{hashlib.sha256(pinned).hexdigest()[:16]}"
    if not program.exists():
        raise ToolchainMissing("OPA is missing: python -m tests.guests.rego.build (needs Go)")
    return [sys.executable, str(TOOLCHAIN / "opa.py"), str(program)]


def _go() -> list[str]:
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        raise ToolchainMissing("Go is missing: install Go 1.24 or newer (https://go.dev/dl)")
    return ["env", "GOOS=wasip1", "GOARCH=wasm", go]


def _cargo() -> list[str]:
    return [sys.executable, str(TOOLCHAIN / "crate.py")]


TOOLS = {"{zig}": _zig, "{asc}": _asc, "{wat2wasm}": _wat, "{opa}": _opa, "{go}": _go, "{cargo}": _cargo}


def install_assemblyscript() -> None:
    """From the npm registry, in the version that package-lock.json names. No-op when there is no node."""
    if shutil.which("npm") and not ASC.exists():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--prefix", str(TOOLCHAIN)], check=True)


def write(module: SampleModule) -> None:
    compiled = compile_module(module)
    module.wasm.write_bytes(compiled)
    print(f"{module.name}: {len(compiled)} bytes")
    if not module.committed:
        return
    path = module.folder / "module.toml"
    text = re.sub(r"(?m)^size = .*$", f"size = {len(compiled)}", path.read_text())
    text = re.sub(r"(?m)^sha256 = .*$", f'sha256 = "{hashlib.sha256(compiled).hexdigest()}"', text)
    path.write_text(text)


def differences(module: SampleModule) -> list[str]:
    """What is wrong with the committed files of a module; empty when a rebuild gives the same bytes."""
    compiled = compile_module(module)
    if not module.committed:
        return []
    digest = hashlib.sha256(compiled).hexdigest()
    found = []
    if module.wasm.read_bytes() != compiled:
        found.append(f"{module.wasm.name} differs from what its source builds to ({digest})")
    if (module.size, module.sha256) != (len(compiled), digest):
        found.append(f"module.toml names other bytes than its source builds to ({len(compiled)}, {digest})")
    return found


def table() -> str:
    rows = ["| module | ABI | language | bytes | SHA-256 |", "|---|---|---|---|---|"]
    for module in all_modules():
        link = f"[{module.name}]({module.folder.relative_to(ROOT)})"
        content = f"{module.size:,} | `{module.sha256}`" if module.committed else "| built where it is used"
        rows.append(f"| {link} | {module.abi} | {module.language} | {content} |")
    return "\n".join(rows)


def write_table() -> None:
    readme = ROOT / "README.md"
    text = re.sub(
        r"(?s)(<!-- table: written by build.py -->\n).*?(<!-- end of table -->)",
        lambda match: match[1] + table() + "\n" + match[2],
        readme.read_text(),
    )
    readme.write_text(text)


def main(arguments: Iterable[str]) -> int:
    names = [word for word in arguments if word != "--check"]
    chosen = [module for module in all_modules() if not names or module.name in names]
    if len(chosen) < len(names):
        raise BuildError(f"no such module among {[module.name for module in all_modules()]}: {names}")
    install_assemblyscript()
    if "--check" in arguments:
        wrong = [f"{module.name}: {text}" for module in chosen for text in differences(module)]
        print("\n".join(wrong) or f"{len(chosen)} modules are what their sources build to")
        return 1 if wrong else 0
    for module in chosen:
        write(module)
    write_table()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except BuildError as error:
        sys.exit(str(error))
