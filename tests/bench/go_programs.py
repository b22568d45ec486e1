"""Programs in Go that the measurements compare with, built from go/ when they are first needed."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.bench.support import BenchError
from tests.cluster.build import cache_folder, go_program

SOURCES = Path(__file__).parent / "go"
CONTROLLERS = SOURCES / "controllers"
"""A module of its own: it needs client-go and controller-runtime, which its go.sum pins."""


def controller(name: str) -> Path:
    """A program of go/controllers, in the cache folder. The first time takes minutes. Raises BenchError."""
    folder = cache_folder() / f"bench-{_digest(CONTROLLERS)}"
    program = folder / name
    if not program.exists():
        folder.mkdir(parents=True, exist_ok=True)
        build(CONTROLLERS, f"./{name}", program)
    return program


def build(
    module: Path,
    package: str,
    program: Path,
    *,
    flags: tuple[str, ...] = (),
    environment: Mapping[str, str] | None = None,
) -> None:
    """Go's own cache makes the second time quick; the file is whole whenever it is there. Raises BenchError."""
    go = go_program()
    if go is None:
        raise BenchError(f"no Go in PATH or /usr/local/go/bin, which builds {package}")
    nice = [found, "-n", "10"] if (found := shutil.which("nice")) else []
    unfinished = program.with_name(f".{program.name}.{os.getpid()}")
    command = [*nice, go, "build", "-trimpath", "-mod=readonly", "-ldflags", "-s -w", *flags, "-o", str(unfinished)]
    changed = os.environ | {"CGO_ENABLED": "0", "GOWORK": "off"} | dict(environment or {})
    done = subprocess.run([*command, package], cwd=module, env=changed, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"go build {package} failed:\n{done.stderr[-4000:]}")
    unfinished.replace(program)


def _digest(folder: Path) -> str:
    """Of all sources in a folder."""
    digest = hashlib.sha256()
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]
