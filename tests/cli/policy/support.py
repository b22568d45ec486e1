"""Modules and a command line for tests of `edged policy`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edged.cli import main as cli
from edged.wasm import binary, bindings
from edged.wasm.compile import METADATA_SECTION

MODULES = Path(__file__).parents[3] / "modules"
METADATA: dict[str, Any] = {"protocolVersion": "v1", "rules": [], "mutating": True}
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"containers": []}}
PRIVILEGED = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web"},
    "spec": {"containers": [{"name": "app", "image": "x", "securityContext": {"privileged": True}}]},
}


def sample(name: str) -> Path:
    return MODULES / "admission" / name / f"{name}.wasm"


def fault(name: str) -> bytes:
    """One of modules/faults, with metadata unless it brings its own."""
    wasm = bindings.wat2wasm((MODULES / "faults" / f"{name}.wat").read_text())
    if name.startswith("metadata-") or binary.custom_section(wasm, METADATA_SECTION) is not None:
        return wasm
    return binary.append_custom_section(wasm, METADATA_SECTION, json.dumps(METADATA).encode())


def write(path: Path, content: Any) -> str:
    """A file of bytes, text or JSON."""
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


Policy = Callable[..., tuple[int, str, str]]
"""(operation, *arguments) -> exit code, stdout, stderr."""


def runner(capsys: pytest.CaptureFixture[str], cache: Path) -> Policy:
    def run(operation: str, *arguments: str | Path) -> tuple[int, str, str]:
        capsys.readouterr()
        given = [str(argument) for argument in arguments]
        if operation in ("run", "test", "inspect", "annotate", "bench") and "--config" not in given:
            given += ["--cache-dir", str(cache)]
        code = cli.main(["policy", operation, *given])
        out, err = capsys.readouterr()
        return code, out, err

    return run
