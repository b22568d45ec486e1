"""Builds the conformance guests, one a language, at test time. Nothing built is kept in the repository.

Tests that use a compiler belong to its part (tests/parts.py). Called by tests/controllers.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from edged.wasm import bindings
from tests.guests.rust import build as rust

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
TOOLCHAIN = ROOT / "modules" / "toolchain"
PARTS = {"wat": "", "zig": "zig", "go": "go", "rust": "rust", "assemblyscript": "npm"}
"""Language -> the part of the tests that has its compiler."""


def conformance(language: str, folder: Path) -> Path:
    """The guest in that language, built into the folder."""
    out = folder / f"{language}.wasm"
    builders = {"wat": _wat, "zig": _zig, "go": _go, "rust": _rust, "assemblyscript": _assemblyscript}
    builders[language](HERE / language, out)
    return out


def _wat(source: Path, out: Path) -> None:
    out.write_bytes(bindings.wat2wasm((source / "guest.wat").read_text()))


def _go(source: Path, out: Path) -> None:
    go_module(source, out)


def go_module(source: Path, out: Path) -> None:
    """A Go program as a WASI reactor."""
    program = shutil.which("go") or "/usr/local/go/bin/go"
    command = [program, "build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w", "-o", str(out), "."]
    _run(command, source, {"GOOS": "wasip1", "GOARCH": "wasm"})


def _zig(source: Path, out: Path) -> None:
    command = [sys.executable, "-m", "ziglang", "build-exe", "-target", "wasm32-freestanding", "-O", "ReleaseSmall",
               "-fno-entry", "-rdynamic", "-fstrip", "--stack", "65536", f"-femit-bin={out}", "--dep", "edged_ctl",
               "-Mroot=guest.zig", f"-Medged_ctl={ROOT / 'sdk' / 'zig' / 'edged_ctl.zig'}"]  # fmt: skip
    _run(command, source, {"ZIG_GLOBAL_CACHE_DIR": str(out.parent / "zig-cache")})


def _rust(source: Path, out: Path) -> None:
    rust.build_crate(source, out)


def _assemblyscript(source: Path, out: Path) -> None:
    node = shutil.which("node")
    assert node is not None
    asc = TOOLCHAIN / "node_modules" / "assemblyscript" / "bin" / "asc.js"
    command = [node, str(asc), "guest.ts", "-o", str(out), "-Oz", "--noAssert", "--runtime", "minimal",
               "--use", "abort=", "--exportStart", "_initialize"]  # fmt: skip
    _run(command, source, {})


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stderr + done.stdout
