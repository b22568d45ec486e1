"""Builds the guests of this folder at test time: WAT in this process, Zig by the ziglang package, others with Go.

Tests that use Zig or Go belong to the part of that name. Nothing built is kept in the repository. Called by the tests
in tests/scheduling/guests.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests import parts

HERE = Path(__file__).parent


def wat(name: str) -> str:
    """Source of a guest in WAT."""
    return (HERE / f"{name}.wat").read_text()


def zig(name: str, folder: Path) -> bytes:
    """A guest in Zig, as a freestanding module."""
    parts.require("zig", "" if importlib.util.find_spec("ziglang") else "Zig is missing: pip install ziglang")
    out = folder / f"{name}.wasm"
    command = [
        sys.executable, "-m", "ziglang", "build-exe", "-target", "wasm32-freestanding", "-O", "ReleaseSmall",
        "-fno-entry", "-rdynamic", "-fstrip", "--stack", "131072", f"-femit-bin={out}",
        str(HERE / f"{name}.zig"),
    ]  # fmt: skip
    _run(command, folder, {"ZIG_GLOBAL_CACHE_DIR": str(folder / "zig-cache")})
    return out.read_bytes()


def go(name: str, folder: Path) -> bytes:
    """A guest in Go, as a WASI reactor."""
    program = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    parts.require("go", "" if program else "needs Go 1.24 or newer")
    assert program is not None
    out = folder / f"{name}.wasm"
    command = [program, "build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", str(out), "."]
    _run(command, HERE / name, {"GOOS": "wasip1", "GOARCH": "wasm"})
    return out.read_bytes()


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stderr
