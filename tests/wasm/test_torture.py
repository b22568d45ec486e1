"""A short run of torture.py in a process of its own: a crash there is a failure here, not the end of the tests."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.long
def test_random_abuse_neither_crashes_nor_leaks_nor_lies():
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-m", "tests.wasm.torture", "--seconds", "12", "--seed", "3"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout)
    assert result["wrong"] == []
    for what in ("cancelled", "collect", "deep", "trap", "wait", "around", "wait_fail", "budget", "timeout"):
        assert result["calls"].get(what, 0) > 0, what
