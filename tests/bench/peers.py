"""Programs of other projects that edged is measured beside. They are built by hand, outside the repository (README.md
says how), and looked for in the folder that EDGED_PEERS names, in ~/.cache/edged-peers and in PATH."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def folders() -> list[Path]:
    """Where they are looked for before PATH."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    given = os.environ.get("EDGED_PEERS")
    return [Path(given)] if given else [Path(base) / "edged-peers"]


def find(name: str) -> Path | None:
    """The program of that name, if it is anywhere; a module (NAME.wasm) is looked for in those folders alone."""
    if name.endswith(".wasm"):
        return next((folder / name for folder in folders() if (folder / name).is_file()), None)
    path = os.pathsep.join([*map(str, folders()), os.environ.get("PATH", os.defpath)])
    found = shutil.which(name, path=path)
    return Path(found) if found else None


def absence(name: str) -> str:
    """What to say where a peer is missing."""
    place = f"is neither in {folders()[0]} nor in PATH"
    return f"{name} {place}: its figures are left out (tests/bench/README.md says how it is built)"
