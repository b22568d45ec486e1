"""Builds the real registry that tests pull from and push to: distribution, from its Go module.

The small module in go/ pins every source. The program goes to a cache folder outside the checkout and is built again
only when that module changes. EDGED_REGISTRY_CACHE names the folder (else $XDG_CACHE_HOME/edged/registry). By hand:

    python -m tests.registry.build
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

from tests.cluster.build import Availability, BuildError, go_program

MODULE = Path(__file__).parent / "go"


def cache_folder() -> Path:
    """Where the program is kept."""
    if given := os.environ.get("EDGED_REGISTRY_CACHE"):
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "edged" / "registry"


def _program() -> Path:
    digest = hashlib.sha256()
    for file in ("go.mod", "go.sum", "registry/main.go"):
        digest.update((MODULE / file).read_bytes() + b"\0")
    return cache_folder() / f"registry-{digest.hexdigest()[:16]}"


def available() -> Availability:
    """Whether `program` has a chance, without building anything."""
    if _program().exists():
        return Availability()
    if go_program() is None:
        return Availability("the registry is not built, and there is no Go to build it with (tests/registry/build.py)")
    return Availability()


def program() -> Path:
    """The registry's path, built first where needed. Raises BuildError."""
    found = _program()
    found.parent.mkdir(parents=True, exist_ok=True)
    with (found.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not found.exists():
            _build(found)
    return found


def _build(target: Path) -> None:
    go = go_program()
    if go is None:
        raise BuildError("cannot build the registry: no Go in PATH or /usr/local/go/bin")
    print("tests.registry.build: building the registry (the first time takes minutes)", file=sys.stderr, flush=True)
    began = time.monotonic()
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    command = ["nice", "-n", "10", go, "build", "-trimpath", "-mod=readonly", "-ldflags", "-s -w"]
    done = subprocess.run(
        [*command, "-o", str(unfinished), "./registry"],
        cwd=MODULE, env=os.environ | {"CGO_ENABLED": "0", "GOWORK": "off"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        unfinished.unlink(missing_ok=True)
        raise BuildError(f"go build of the registry failed:\n{done.stderr[-4000:]}")
    unfinished.replace(target)
    print(f"tests.registry.build: built {target} in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        print(program())
    except BuildError as error:
        sys.exit(str(error))
