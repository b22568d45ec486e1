"""Builds the guests of this folder at test time: WAT in this process, Zig by the ziglang package, Go where
it is.

Nothing built is kept in the repository. Called by the tests in tests/scheduling/guests.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


class CannotBuild(Exception):
    """The toolchain is not here."""


def wat(name: str) -> str:
    """Source of a guest in WAT."""
    return (HERE / f"{name}.wat").read_text()


def zig(name: str, folder: Path) -> bytes:
    """A guest in Zig, as a freestanding module."""
    out = folder / f"{name}.wasm"
    command = [
        sys.executable, "-m", "ziglang", "build-exe", "-target", "wasm32-freestanding", "-O", "ReleaseSmall",
        "-fno-entry", "-rdynamic", "-fstrip", "--stack", "131072", f"-femit-bin={out}",
        str(HERE / f"{name}.zig"),
    ]  # fmt: skip
    _run(command, folder, {"ZIG_GLOBAL_CACHE_DIR": str(folder / "zig-cache")})
    return out.read_bytes()


def go(name: str, folder: Path) -> bytes:
    """A guest in Go, as a WASI reactor. Raises CannotBuild where there is no Go."""
    program = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if program is None:
        raise CannotBuild("needs Go 1.24 or newer")
    out = folder / f"{name}.wasm"
    command = [program, "build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", str(out), "."]
    _run(command, HERE / name, {"GOOS": "wasip1", "GOARCH": "wasm"})
    return out.read_bytes()


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stderr
