"""Programs of the system that some tests need: skipped where they are missing, a failure in CI, which installs them.
And processes that should be gone."""

from __future__ import annotations

import os
import shutil
import time

import pytest


def needs(program: str) -> str:
    """Its path. Skips the calling test where it is missing."""
    found = shutil.which(program)
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{program} is not installed")
    return found


def ends_soon(pid: int, within_s: float = 10.0) -> bool:
    """Whether a killed process ends; a zombie that nobody has waited for is one that has."""
    for _ in range(int(within_s / 0.02)):
        try:
            with open(f"/proc/{pid}/stat") as file:
                if file.read().rpartition(")")[2].split()[0] == "Z":
                    return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False
