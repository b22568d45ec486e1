"""Builds the real `opa` from its Go module (go/ pins it), and compiles the policies of this folder with it.

The program goes to a cache folder outside the checkout and is built again only when go.mod or go.sum change; the first
time takes a minute or two. Called by test files through `opa()` and by hand:

    python -m tests.guests.rego.build

Environment: EDGED_GUEST_CACHE names the cache folder (else $XDG_CACHE_HOME/edged/guests).
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from edged.wasm import binary
from edged.wasm.compile import METADATA_SECTION
from tests import parts

HERE = Path(__file__).resolve().parent
MODULE = HERE / "go"
POLICIES = HERE / "policies"
PACKAGE = "github.com/open-policy-agent/opa"
ENTRYPOINTS = {"opa": "policy/main", "gatekeeper": "policy/violation"}


def cache_folder() -> Path:
    if given := os.environ.get("EDGED_GUEST_CACHE"):
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "edged" / "guests"


def opa() -> Path:
    """`program()` for tests: a test that uses it belongs to the part `go`."""
    parts.require("go", "" if _go() else "there is no Go to build opa with (tests/guests/rego/build.py)")
    return program()


@cache
def program() -> Path:
    """The program, built first where needed."""
    recipe = hashlib.sha256((MODULE / "go.mod").read_bytes() + (MODULE / "go.sum").read_bytes()).hexdigest()[:16]
    built = cache_folder() / f"opa-{recipe}"
    if os.access(built, os.X_OK):
        return built
    go = _go()
    assert go is not None, "there is no Go to build opa with"
    cache_folder().mkdir(parents=True, exist_ok=True)
    with (cache_folder() / ".opa.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.access(built, os.X_OK):
            _build(go, built)
    return built


def _go() -> str | None:
    return shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")


def _build(go: str, target: Path) -> None:
    print(f"tests.guests.rego.build: building {target} (the first time takes a minute)", file=sys.stderr, flush=True)
    unfinished = target.with_suffix(f".{os.getpid()}")
    command = [go, "build", "-trimpath", "-mod=readonly", "-ldflags", "-s -w", "-o", str(unfinished), PACKAGE]
    environment = os.environ | {"CGO_ENABLED": "0", "GOWORK": "off"}
    done = subprocess.run(command, cwd=MODULE, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    unfinished.replace(target)


def compiled(source: str, entrypoint: str) -> bytes:
    """The .wasm of a policy's text, by `opa build -t wasm`."""
    with tempfile.TemporaryDirectory(prefix="edged-rego-") as name:
        folder = Path(name)
        (folder / "policy.rego").write_text(source)
        command = [str(opa()), "build", "-t", "wasm", "-e", entrypoint, "-o", "bundle.tar.gz", "policy.rego"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        with tarfile.open(folder / "bundle.tar.gz") as bundle:
            member = bundle.extractfile("/policy.wasm")
            assert member is not None
            return member.read()


def annotated(wasm: bytes, mode: str, **more: Any) -> bytes:
    """With the metadata section that says how to run it."""
    metadata = {"rules": [], "mutating": False, "executionMode": mode, **more}
    return binary.append_custom_section(wasm, METADATA_SECTION, json.dumps(metadata).encode())


def evaluated(source: str, query: str, inputs: list[Any], data: Any | None = None, *, strict: bool = True) -> list[Any]:
    """What `opa eval` makes of a query for each input; None where it is undefined. `strict`: builtin errors end it."""
    with tempfile.TemporaryDirectory(prefix="edged-rego-") as name:
        folder = Path(name)
        (folder / "policy.rego").write_text(source)
        (folder / "data.json").write_text(json.dumps(data if data is not None else {}))
        return [_evaluated(folder, query, value, strict) for value in inputs]


def _evaluated(folder: Path, query: str, value: Any, strict: bool) -> Any:
    command = [str(opa()), "eval", "-f", "json", "-d", "policy.rego", "-d", "data.json"]
    if strict:
        command.append("--strict-builtin-errors")
    done = subprocess.run(
        [*command, "-I", query], cwd=folder, input=json.dumps(value), capture_output=True, text=True, check=False
    )
    answer = json.loads(done.stdout)
    if "errors" in answer:
        return {"error": answer["errors"][0]["message"]}
    found = answer.get("result")
    return found[0]["expressions"][0]["value"] if found else None


if __name__ == "__main__":
    print(program())
