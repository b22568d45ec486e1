"""Builds the policies of this folder at test time with Go. Nothing built is kept in the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).parent


def go() -> str:
    """The Go program."""
    program = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    assert program is not None, "needs Go 1.22 or newer"
    return program


def command(folder: Path) -> Path:
    """The WASI command policy, without metadata."""
    out = folder / "command.wasm"
    done = subprocess.run(
        [go(), "build", "-ldflags=-s -w", "-o", str(out), "."],
        cwd=HERE / "command",
        capture_output=True,
        text=True,
        env={**os.environ, "GOOS": "wasip1", "GOARCH": "wasm"},
    )
    assert done.returncode == 0, done.stderr
    return out
