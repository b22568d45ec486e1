"""Programs of the system that some tests need: skipped where they are missing, a failure in CI, which installs them."""

from __future__ import annotations

import os
import shutil

import pytest


def needs(program: str) -> str:
    """Its path. Skips the calling test where it is missing."""
    found = shutil.which(program)
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{program} is not installed")
    return found
