"""What `make test-kube` needs besides Python: installs what goes into this checkout, and names the rest.

    python -m tests.toolchains

Zig goes into the virtual environment and AssemblyScript into modules/toolchain, both in the versions that modules/
names. Go, Rust and node have to be there. Prints the parts (tests/parts.py) that this machine can do, separated by
commas, for EDGED_TESTS; on stderr what is missing for the others, and where to get it. Exit code 1 in CI if anything is
missing, elsewhere if the Kubernetes programs cannot be had: then hardly any test would run.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import build as kube
from tests.guests.rust import build as rust

ROOT = Path(__file__).parents[1]
ASSEMBLYSCRIPT = ROOT / "modules" / "toolchain"
GO = "install Go 1.26 or newer (https://go.dev/dl), in PATH or /usr/local/go"


def lacking(part: str) -> str:
    """What a part needs and is not there, with where to get it; empty if it can run."""
    return LACKING[part]()


def _kube() -> str:
    reason = kube.available().reason
    return f"{reason}: {GO}, or name a folder with ready programs in KUBEBUILDER_ASSETS" if reason else ""


def _go() -> str:
    reason = kube.go_reason()
    return f"{reason}: {GO}" if reason else ""


def _rust() -> str:
    return rust.available().reason


def _zig() -> str:
    return "" if importlib.util.find_spec("ziglang") else f"Zig is missing: {sys.executable} -m pip install {zig_pin()}"


def _npm() -> str:
    if shutil.which("node") is None or shutil.which("npm") is None:
        return "node or npm is missing: install Node.js (Debian: apt-get install nodejs npm)"
    if not (ASSEMBLYSCRIPT / "node_modules").exists():
        return "AssemblyScript is missing: npm ci --prefix modules/toolchain"
    return ""


LACKING: dict[str, Callable[[], str]] = {"kube": _kube, "go": _go, "rust": _rust, "zig": _zig, "npm": _npm}


def zig_pin() -> str:
    """As modules/README.md says it."""
    found = re.search(r"ziglang==[0-9.]*[0-9]", (ROOT / "modules" / "README.md").read_text())
    assert found is not None, "modules/README.md names no version of ziglang"
    return found[0]


def install() -> None:
    """Zig and AssemblyScript, where they are missing; what fails is said, and missing afterwards."""
    if _zig():
        _run(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", zig_pin())
        importlib.invalidate_caches()
    if _npm() and shutil.which("npm"):
        _run("npm", "ci", "--silent", "--no-audit", "--no-fund", "--prefix", str(ASSEMBLYSCRIPT))


def _run(*command: str) -> None:
    _say(f"running {' '.join(command)}")
    done = subprocess.run(command, stdout=sys.stderr, check=False)
    if done.returncode:
        _say(f"failed with exit code {done.returncode}: {' '.join(command)}")


def _say(text: str) -> None:
    print(f"tests.toolchains: {text}", file=sys.stderr, flush=True)


@dataclass(frozen=True, slots=True)
class Found:
    """What this machine can do: parts, what is missing for the others, and whether that is a failure."""

    parts: tuple[str, ...]
    missing: tuple[str, ...]
    fails: bool


def found(lacks: Mapping[str, str], everything: bool) -> Found:
    """`lacks`: part -> what is missing, empty if nothing is. `everything`: whether all parts have to be possible."""
    missing = tuple(dict.fromkeys(filter(None, lacks.values())))
    parts = tuple(part for part, reason in lacks.items() if not reason)
    return Found(parts, missing, "kube" not in parts or (everything and bool(missing)))


def main() -> int:
    install()
    here = found({part: lacking(part) for part in LACKING}, everything=os.environ.get("CI") == "true")
    for reason in here.missing:
        _say(reason)
    print(",".join(here.parts))
    return int(here.fails)


if __name__ == "__main__":
    sys.exit(main())
