"""Pythons of other versions with what edged depends on: its memory is not the same on all of them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.bench.support import ROOT, compile_edged, say

VERSIONS = ("3.11", "3.13")


def interpreters() -> dict[str, str]:
    """Version -> interpreter, of those that are there. The first time an environment is made in the cache folder; what
    cannot be made is said and left out."""
    found = {}
    for version in VERSIONS:
        if version == f"{sys.version_info.major}.{sys.version_info.minor}":
            found[version] = sys.executable
        elif isinstance(made := _environment(version), Path):
            found[version] = str(made)
            compile_edged(found[version])
        else:
            say(f"no figures of Python {version}: {made}")
    return found


def suffix(version: str) -> str:
    """3.11 -> py311: what keys end in."""
    return f"py{version.replace('.', '')}"


def _environment(version: str) -> Path | str:
    """The interpreter of a virtual environment with edged's dependencies, or why there is none."""
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    recipe = hashlib.sha256("\n".join(dependencies).encode()).hexdigest()[:12]
    folder = Path(base) / "edged" / "bench" / f"python{version}-{recipe}"
    python = folder / "bin" / "python"
    done = folder / "complete"
    if done.exists():
        return python
    program = _program(version)
    if program is None:
        return f"there is no python{version}"
    say(f"making an environment with Python {version} (once)")
    for command in ([program, "-m", "venv", "--clear", str(folder)],
                    [str(python), "-m", "pip", "install", "--quiet", *dependencies]):  # fmt: skip
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode != 0:
            return f"{' '.join(command[:4])} failed: {made.stderr[-1000:]}"
    done.touch()
    return python


def _program(version: str) -> str | None:
    """One that runs: pyenv puts a stand-in into PATH for versions that are there and not chosen."""
    installed = sorted(map(str, _pyenv().glob(f"{version}.*/bin/python{version}")))
    for candidate in filter(None, [shutil.which(f"python{version}"), *installed]):
        asked = subprocess.run([candidate, "-c", "import ensurepip"], capture_output=True, check=False)
        if asked.returncode == 0:
            return candidate
    return None


def _pyenv() -> Path:
    return Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
