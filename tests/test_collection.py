"""Every process collects the same tests under the same names.

`make test` spreads them over several, and stops where they differ. A parameter that is made at random when a file is
imported needs an id of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def collected(seed: int) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-p", "no:cacheprovider"],
        cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": str(seed), "PYTEST_ADDOPTS": ""}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    return [line for line in done.stdout.splitlines() if "::" in line]


@pytest.mark.long
def test_the_same_tests_are_collected_each_time() -> None:
    first, second = collected(1), collected(2)
    assert sorted(set(first) ^ set(second)) == []
    assert first == second and len(first) > 5000
